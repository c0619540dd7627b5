"""Clients that stop reading: they are cut, and hold nothing meanwhile."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph import serving
from graph.serving import listening, server_of
from graph.settings import Settings
from tests.api import SECRET, Api, token
from tests.facts import create_campaign
from tests.live import Server, eventually
from tests.locks import is_whole

LIVE = ("read", "write", "ingest", "live", "admin")
BUFFER = 16 * 1024
"""Bytes that each side's kernel takes. It doubles them."""
SCHEMA = """{ campaigns(first: 1) { totalCount }
  __schema { types { name description fields { name description args { name description type { name } } } } } }"""
"""Some 500 KB, and a statement."""
COMMENTS = (
    """subscription ($ids: [ID!]!) { engagements(campaignIds: $ids) { engagement { ... on Comment { body } } } }"""
)


@pytest.fixture
async def server(
    database_url: str, workspace: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    """A server that gives up soon, and that one connection must be enough for."""
    monkeypatch.setattr(serving, "STALLED_MILLISECONDS", 1_000)
    environ = {"JWT_SECRET": SECRET, "WORKER": "off", "DATABASE_POOL_SIZE": "1", "DATABASE_POOL_OVERFLOW": "0"}
    settings = Settings.from_env(environ, data_dir=tmp_path, port=0)
    with listening(settings) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)  # connections inherit it
        listener.listen()
        uvicorn = server_of(settings, database_url)
        running = asyncio.create_task(uvicorn.serve(sockets=[listener]))
        app: Any = uvicorn.config.app
        await app.state.tailer.started.wait()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        credential = token(scopes=LIVE)
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield Server(address, app.state, Api(client, app.state, credential), uvicorn, credential)
        uvicorn.should_exit = True
        await running


@asynccontextmanager
async def stalled(server: Server, query: str, **variables: Any) -> AsyncIterator[socket.socket]:
    """A connection on which an operation was asked for, and of whose answer only the beginning is read."""
    accept = "text/event-stream" if query.startswith("subscription") else "application/json"
    body = json.dumps({"query": query, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
        f"authorization: Bearer {server.credential}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    host, port = server.address.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        client.setblocking(False)
        await loop.sock_connect(client, (host, int(port)))
        await loop.sock_sendall(client, head.encode() + body)
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
        yield client


def unread(server: Server) -> int:
    """Bytes that the server keeps because nobody reads them."""
    connections: Any = server.uvicorn.server_state.connections
    return sum(connection.transport.get_write_buffer_size() for connection in connections)


async def is_cut(client: socket.socket) -> bool:
    """Whether the server has given the connection up: nothing but what was on its way can be read of it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        try:
            while await loop.sock_recv(client, 1 << 20):
                pass
        except ConnectionError:
            return True
    return False


async def test_a_large_answer_that_is_not_read_holds_no_connection_and_is_cut(server: Server) -> None:
    async with stalled(server, SCHEMA) as client:
        assert unread(server) > 100_000
        # The only connection of the pool is free while the answer waits to be read.
        assert await is_whole(server.state.database, 1)
        assert await eventually(lambda: unread(server) == 0)
        assert await is_cut(client)
    assert (await server.api.data("{ campaigns(first: 1) { totalCount } }"))["campaigns"]["totalCount"] == 0


async def test_a_stream_that_is_not_read_is_cut(server: Server) -> None:
    campaign = await create_campaign(server.api)
    write = "mutation ($input: AddCommentInput!) { addComment(input: $input) { userErrors { message } } }"
    async with stalled(server, COMMENTS, ids=[campaign]) as client:
        assert await eventually(lambda: len(server.state.streams.groups) == 1)
        group_is_gone = asyncio.create_task(eventually(lambda: len(server.state.streams.groups) == 0))
        comment = {"campaignId": campaign, "body": "x" * 10_000, "actor": {"userId": "ada"}}
        while not group_is_gone.done():
            answer = await server.api.data(write, input=comment)
            assert answer["addComment"]["userErrors"] == []
        assert await group_is_gone
        assert await is_cut(client)
    assert await is_whole(server.state.database, 1)
