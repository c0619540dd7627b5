"""POST /ingest/events on a real connection: a body that will not be taken need not be sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from graph.ingest_events.endpoint import PATH
from tests.ingest import NDJSON, counts, create_spring, event, written
from tests.live import WAIT, Server


class Connection:
    """An HTTP connection on which every byte is the test's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, given: bytes) -> None:
        """Sends bytes."""
        self._writer.write(given)
        await self._writer.drain()

    async def head(self) -> list[str]:
        """The next status line and its headers, in lower case."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), WAIT)
        return head.decode().lower().split("\r\n")[:-2]

    async def body(self, head: list[str]) -> bytes:
        """The body behind a head."""
        [length] = [line.partition(": ")[2] for line in head if line.startswith("content-length:")]
        return await asyncio.wait_for(self._reader.readexactly(int(length)), WAIT)


@asynccontextmanager
async def connected(server: Server, length: int) -> AsyncIterator[Connection]:
    """A connection that says how much it has to send, and waits to be asked for it."""
    address = urlsplit(server.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    connection = Connection(reader, writer)
    headers = {
        "Host": address.netloc,
        "Authorization": f"Bearer {server.credential}",
        "Content-Type": NDJSON,
        "Content-Length": str(length),
        "Expect": "100-continue",
    }
    lines = [f"POST {PATH} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    await connection.say("\r\n".join([*lines, "", ""]).encode())
    try:
        yield connection
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
def environment() -> dict[str, str]:
    """One at a time."""
    return {"INGEST_CONCURRENCY": "1", "INGEST_BODY_BYTES": "1000000"}


async def test_only_who_is_let_in_is_asked_for_a_body(server: Server, workspace: int) -> None:
    async with server.api.database.write(workspace) as transaction:
        await create_spring(transaction)
    body = written(event("a"))
    async with connected(server, len(body)) as first:
        assert await first.head() == ["http/1.1 100 continue"]
        async with connected(server, len(body)) as second, connected(server, 1_000_001) as third:
            busy, large = await second.head(), await third.head()
        assert [head[0].split()[1] for head in (busy, large)] == ["429", "413"]
        assert "retry-after: 1" in busy
        await first.say(body)
        head = await first.head()
        assert head[0] == "http/1.1 200 ok"
        assert json.loads((await first.body(head)).splitlines()[-1]) == counts(accepted=1)


async def test_who_goes_away_makes_room(server: Server, workspace: int) -> None:
    async with server.api.database.write(workspace) as transaction:
        await create_spring(transaction)
    body = written(event("a"))
    async with connected(server, len(body)) as first:
        assert await first.head() == ["http/1.1 100 continue"]
        await first.say(body[:9])
    answer = 429
    async with asyncio.timeout(WAIT):
        while answer == 429:
            headers = {"authorization": f"Bearer {server.credential}", "content-type": NDJSON}
            response = await server.api.client.post(PATH, content=body, headers=headers)
            answer = response.status_code
    assert json.loads(response.text.splitlines()[-1]) == counts(accepted=1)
