"""Clients that leave, that do not send what they began, and connections that close: their work ends with them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.live import Server, eventually
from tests.locks import WAITING, is_whole, locked, until_waiting

CAMPAIGNS = "{ campaigns(first: 1) { nodes { name } } }"
CREATE = 'mutation { createBrand(input: {name: "Acme"}) { brand { name } userErrors { code } } }'
SECONDS = 10


@pytest.fixture
def environment() -> dict[str, str]:
    return {"REQUEST_BODY_SECONDS": "0.3", "REQUEST_HEADER_SECONDS": "0.3", "WORKER": "off"}


def request(server: Server, query: str, **headers: str) -> bytes:
    body = json.dumps({"query": query}).encode()
    more = {"authorization": f"Bearer {server.credential}", "content-length": str(len(body)), **headers}
    lines = [f"{name}: {value}" for name, value in more.items()]
    head = "\r\n".join(["POST /graphql HTTP/1.1", "host: here", "content-type: application/json", *lines])
    return f"{head}\r\n\r\n".encode() + body


async def connected(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def nothing_waits(connection: Any) -> bool:
    async with asyncio.timeout(SECONDS):
        while await connection.fetchval(WAITING):  # noqa: ASYNC110 - there is none to wait for
            await asyncio.sleep(0.01)
    return True


@pytest.mark.parametrize(("query", "table"), [(CAMPAIGNS, "campaigns"), (CREATE, "brands")])
async def test_a_client_that_leaves_takes_its_statement_along(
    server: Server, database_url: str, query: str, table: str
) -> None:
    await server.api.data("{ viewer { subject } }")
    async with locked(database_url, table) as other:
        _, writer = await connected(server)
        writer.write(request(server, query))
        await until_waiting(other)
        writer.close()
        assert await nothing_waits(other)
    assert (await server.api.data("{ campaigns(first: 1) { totalCount } }"))["campaigns"]["totalCount"] == 0
    assert await is_whole(server.state.database)
    async with server.state.database.everywhere() as transaction:
        assert await transaction.driver.fetchval("SELECT count(*) FROM brands") == 0


async def test_who_completes_an_operation_of_a_websocket_ends_its_statement(server: Server, database_url: str) -> None:
    async with locked(database_url, "campaigns") as other, server.socket() as socket:
        await socket.subscribe(CAMPAIGNS)
        await until_waiting(other)
        await socket.send(id="1", type="complete")
        assert await nothing_waits(other)
        await socket.subscribe("{ __typename }", "2")
        assert (await socket.payload("2")) == {"data": {"__typename": "Query"}}


async def test_who_closes_a_websocket_ends_its_statements(server: Server, database_url: str) -> None:
    async with locked(database_url, "campaigns") as other:
        async with server.socket() as socket:
            await socket.subscribe(CAMPAIGNS)
            await until_waiting(other)
        assert await nothing_waits(other)
    assert await is_whole(server.state.database)


async def test_each_operation_of_a_websocket_has_an_id_of_its_own(server: Server, database_url: str) -> None:
    async with locked(database_url, "campaigns") as other, server.socket() as socket:
        await socket.subscribe(CAMPAIGNS, "1")
        await socket.subscribe(CAMPAIGNS, "2")
        await until_waiting(other, 2)
        waiting = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        names = [name for (name,) in await other.fetch(f"{waiting} AND datname = current_database()")]
    assert len(names) == 2
    assert all(len(name) == len("groundswell ") + 32 for name in names)


async def test_a_body_that_does_not_come_is_not_waited_for(server: Server) -> None:
    reader, writer = await connected(server)
    whole = request(server, CAMPAIGNS)
    writer.write(whole[:-10])
    async with asyncio.timeout(SECONDS):
        answer = await reader.read()
    writer.close()
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body) == {
        "errors": [
            {
                "message": "The body did not come within 0.3 s. Nothing was done: send it again.",
                "extensions": {"code": "REQUEST_TIMEOUT"},
            }
        ]
    }


@pytest.mark.parametrize("accept", ["text/event-stream", "text/event-stream, application/json"])
async def test_no_more_is_one_of_a_client_that_takes_a_stream(server: Server, accept: str) -> None:
    reader, writer = await connected(server)
    writer.write(request(server, CAMPAIGNS, accept=accept)[:-10])
    async with asyncio.timeout(SECONDS):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_comes_slowly_is_taken(server: Server) -> None:
    reader, writer = await connected(server)
    whole = request(server, "{ __typename }" + " " * 3000, connection="close")
    for start in range(0, len(whole), 500):
        writer.write(whole[start : start + 500])
        await asyncio.sleep(0.1)  # 5,000 bytes a second
    async with asyncio.timeout(SECONDS):
        answer = await reader.read()
    writer.close()
    assert answer.endswith(b'{"data":{"__typename":"Query"}}')


@pytest.mark.parametrize("sent", [b"", b"POST /graphql HTTP/1.1\r\nhost: here\r\n", b"POST /gra"])
async def test_a_head_that_does_not_come_is_not_waited_for(server: Server, sent: bytes) -> None:
    reader, writer = await connected(server)
    writer.write(sent)
    async with asyncio.timeout(SECONDS):
        assert await reader.read() == b""
    writer.close()


async def test_the_second_head_of_a_connection_is_not_waited_for_either(server: Server) -> None:
    reader, writer = await connected(server)
    writer.write(request(server, "{ __typename }"))
    async with asyncio.timeout(SECONDS):
        await reader.readuntil(b'"Query"}}')
        writer.write(b"POST /graphql HTTP/1.1\r\n")
        assert await reader.read() == b""
    writer.close()


async def test_a_head_without_end_is_refused(server: Server) -> None:
    reader, writer = await connected(server)
    writer.write(b"POST /graphql HTTP/1.1\r\n" + b"x: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 10_000)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_body_is_not_waited_for_when_it_has_been_answered(server: Server) -> None:
    reader, writer = await connected(server)
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 415 ")
        await reader.read()
    writer.close()


async def test_a_body_that_comes_after_its_answer_is_passed_over(server: Server) -> None:
    server.uvicorn.config.timeout_keep_alive = 1
    reader, writer = await connected(server)
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 415 ")
        await reader.readuntil(b"}}]}")
        writer.write(b"late" + request(server, "{ __typename }"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        await reader.read()  # and then it is closed as all that nobody uses are
    writer.close()


async def test_who_expects_to_be_told_to_go_on_is_told_that_it_is_too_much(server: Server) -> None:
    reader, writer = await connected(server)
    writer.write(request(server, "", **{"content-length": "2000000", "expect": "100-continue"}))
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.parametrize("pieces", [1, 7, 300])
async def test_an_offer_of_another_protocol_is_declined(server: Server, pieces: int) -> None:
    """As Java's client and curl --http2 make it."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    reader, writer = await connected(server)
    for whole in (request(server, "{ __typename }", **offer), request(server, "{ __typename }")):
        for start in range(0, len(whole), max(len(whole) // pieces, 1)):
            writer.write(whole[start : start + max(len(whole) // pieces, 1)])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b'{"data":{"__typename":"Query"}}')
    writer.close()


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [("POST", "", b"40"), ("GET", "content-length: 4\r\n", b"400"), ("GET", "x: y" * 5000 + "\r\n", b"431")],
)
async def test_a_handshake_that_is_none_is_answered(server: Server, method: str, more: str, status: bytes) -> None:
    reader, writer = await connected(server)
    key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    writer.write(f"{method} /graphql HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}{more}\r\n".encode())
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)
        await reader.read()
    writer.close()


async def test_what_was_answered_is_not_cancelled_afterwards(server: Server, tmp_path: Path) -> None:
    reader, writer = await connected(server)
    for _ in range(3):  # one connection, one after the other
        writer.write(request(server, CAMPAIGNS))
        async with asyncio.timeout(SECONDS):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b'{"data":{"campaigns":{"nodes":[]}}}')
    writer.close()
    assert await eventually(lambda: not server.uvicorn.server_state.tasks)
