"""Clients of the live stream that do no more than they are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.api import Api

WAIT = 20.0
"""Seconds after which something that should have come is missed."""
ENGAGEMENTS = """subscription ($ids: [ID!]!, $types: [EngagementType!], $after: String) {
  engagements(campaignIds: $ids, types: $types, after: $after) { cursor kind type engagementId } }"""


class Socket:
    """A connection that speaks graphql-transport-ws."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        """Sends a message."""
        await self.connection.send(json.dumps(message))

    async def next(self) -> Any:
        """The next message but for pings."""
        while True:
            message = json.loads(await asyncio.wait_for(self.connection.recv(), WAIT))
            if message["type"] != "ping":
                return message

    async def subscribe(self, query: str, name: str = "1", /, **variables: Any) -> None:
        """Starts an operation."""
        await self.send(id=name, type="subscribe", payload={"query": query, "variables": variables})

    async def payload(self, name: str = "1") -> Any:
        """The next result of an operation."""
        message = await self.next()
        assert (message["id"], message["type"]) == (name, "next"), message
        return message["payload"]

    async def event(self) -> Any:
        """The next engagement."""
        return (await self.payload())["data"]["engagements"]

    async def errors(self) -> Any:
        """The errors that end an operation."""
        message = await self.next()
        assert message["type"] == "error", message
        return message["payload"]

    async def closed(self) -> tuple[int, str]:
        """How the server closed the connection."""
        async with asyncio.timeout(WAIT):
            with suppress(ConnectionClosed):
                async for _ in self.connection:
                    pass
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""


@dataclass
class Server:
    """A running server, and how to ask it."""

    address: str
    state: Any
    api: Api
    uvicorn: uvicorn.Server
    credential: str

    @asynccontextmanager
    async def raw(self, **options: Any) -> AsyncIterator[Socket]:
        """A WebSocket on which nothing was said yet."""
        url = self.address.replace("http", "ws") + "/graphql"
        options.setdefault("subprotocols", [Subprotocol("graphql-transport-ws")])
        async with connect(url, **options) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def socket(self, credential: str | None = None) -> AsyncIterator[Socket]:
        """A WebSocket that was let in."""
        async with self.raw() as socket:
            await socket.send(
                type="connection_init", payload={"authorization": f"Bearer {credential or self.credential}"}
            )
            assert await socket.next() == {"type": "connection_ack"}
            yield socket

    @asynccontextmanager
    async def sse(
        self, query: str, *, last: str | None = None, accept: str = "text/event-stream", **variables: Any
    ) -> AsyncIterator["Lines"]:
        """A stream of events of one operation."""
        headers = {"accept": accept, "authorization": f"Bearer {self.credential}"}
        if last is not None:
            headers["last-event-id"] = last
        body = {"query": query, "variables": variables}
        async with self.api.client.stream("POST", "/graphql", json=body, headers=headers) as response:
            yield Lines(response)

    async def cursor(self) -> str:
        """Where the live stream stands."""
        return str((await self.api.data("{ liveCursor }"))["liveCursor"])


class Lines:
    """An open response, line by line."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def line(self) -> str:
        """The next line."""
        return await asyncio.wait_for(anext(self._lines), WAIT)

    async def event(self) -> dict[str, str]:
        """The next event of a stream: its fields."""
        found: dict[str, str] = {}
        while True:
            line = await self.line()
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                found[name] = value
            elif found:
                return found


async def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold that no event tells of."""
    async with asyncio.timeout(WAIT):
        while not holds():  # noqa: ASYNC110 - there is none to wait for
            await asyncio.sleep(0.01)
    return True
