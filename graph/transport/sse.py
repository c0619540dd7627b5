"""GraphQL over Server-Sent Events: a connection for each operation, or one connection for all of a client's."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from starlette.types import Receive, Send

from graph.access import Viewer
from graph.errors import internal, limit_reached
from graph.live.connections import Connections, Ending
from graph.live.streams import Refused, Request, Streams
from graph.transport.streaming import Frames, Stream, json

MEDIA_TYPE = "text/event-stream"
HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # or a proxy keeps events back until it has a buffer full of them
}
HEARTBEAT = ":\n\n"


def event(kind: str, data: str = "", cursor: str | None = None) -> str:
    """One event. Its id is what a browser sends as Last-Event-ID when it connects again."""
    identified = "" if cursor is None else f"id: {cursor}\n"
    return f"event: {kind}\n{identified}data: {data}\n\n"


async def answer_distinct(
    receive: Receive,
    send: Send,
    streams: Streams,
    connections: Connections,
    viewer: Viewer,
    request: Request,
    every: float,
) -> None:
    """A connection for one operation."""
    stream = Stream(receive, send, HEADERS)
    with connections.opened(viewer, stream.end):
        await stream.run(_frames(streams, viewer, request), HEARTBEAT, every, _last)


async def _frames(streams: Streams, viewer: Viewer, request: Request) -> Frames:
    try:
        async with aclosing(streams.run(viewer, request)) as messages:
            async for message in messages:
                yield event("next", message.body, message.cursor)
    except Refused as refused:
        yield event("next", json({"errors": refused.formatted}))
    except Exception as error:
        yield event("next", json({"errors": [internal(error).formatted]}))
    yield event("complete")


def _last(ending: Ending) -> str:
    return event("next", json({"errors": [ending.error()]})) + event("complete")


class Reservation:
    """The one connection of a client in the single connection mode, and the operations that answer on it."""

    def __init__(self, viewer: Viewer, streams: Streams) -> None:
        self.viewer = viewer
        self.is_taken = False
        self._streams = streams
        self._frames: asyncio.Queue[str] = asyncio.Queue(maxsize=1)  # a slow reader holds its operations up
        self._operations: dict[str, asyncio.Task[None]] = {}

    def has(self, name: str) -> bool:
        """Whether an operation of this name runs."""
        return name in self._operations

    def start(self, name: str, request: Request) -> None:
        """Runs an operation. Raises Refused where it cannot run or there are too many."""
        most = self._streams.live.limits.per_connection
        if len(self._operations) >= most:
            raise Refused([limit_reached(f"At most {most:,} operations at a time on a connection.")])
        self._streams.document(request)
        self._operations[name] = asyncio.create_task(self._operate(name, request))

    def stop(self, name: str) -> None:
        """Stops an operation, if it runs."""
        operation = self._operations.pop(name, None)
        if operation is not None:
            operation.cancel()

    async def frames(self) -> Frames:
        """What all operations answer."""
        while True:
            yield await self._frames.get()

    def stop_all(self) -> None:
        """Stops all operations, without waiting until they have ended."""
        for task in self._operations.values():
            task.cancel()

    async def close(self) -> None:
        """Stops all operations, and waits until they have ended."""
        tasks = list(self._operations.values())
        self.stop_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _operate(self, name: str, request: Request) -> None:
        begin = f'{{"id":{json(name)},"payload":'
        try:
            async with aclosing(self._streams.run(self.viewer, request)) as messages:
                async for message in messages:
                    await self._frames.put(event("next", f"{begin}{message.body}}}"))
        except Refused as refused:
            await self._frames.put(event("next", f"{begin}{json({'errors': refused.formatted})}}}"))
        except Exception as error:
            await self._frames.put(event("next", f"{begin}{json({'errors': [internal(error).formatted]})}}}"))
        await self._frames.put(event("complete", json({"id": name})))
        if self._operations.get(name) is asyncio.current_task():
            del self._operations[name]


class Reservations:
    """The reservations of this process, by their tokens. One that nobody takes up is forgotten after ``lifetime`` seconds."""

    def __init__(self, streams: Streams, connections: Connections, lifetime: float) -> None:
        self._streams, self._connections, self._lifetime = streams, connections, lifetime
        self._known: dict[bytes, Reservation] = {}

    def of(self, token: str) -> Reservation | None:
        """The reservation of a token."""
        return self._known.get(_hashed(token))

    def make(self, viewer: Viewer) -> str:
        """The token of a new reservation. Raises LIMIT_REACHED."""
        whose = (viewer.workspace_id, viewer.subject)
        untaken = [one.viewer for one in self._known.values() if not one.is_taken]
        mine = [one for one in untaken if (one.workspace_id, one.subject) == whose]
        if len(mine) >= self._streams.live.limits.per_client:
            raise limit_reached("There are too many reservations that nobody took up.")
        token = secrets.token_urlsafe(32)
        self._known[_hashed(token)] = Reservation(viewer, self._streams)
        asyncio.get_running_loop().call_later(self._lifetime, self._forget, _hashed(token))
        return token

    async def take(self, token: str, receive: Receive, send: Send, every: float) -> None:
        """Opens the connection of a reservation, and ends its operations with it."""
        reservation = self._known[_hashed(token)]
        reservation.is_taken = True
        stream = Stream(receive, send, HEADERS)
        try:
            with self._connections.opened(reservation.viewer, stream.end):
                await stream.run(reservation.frames(), HEARTBEAT, every, _last)
        finally:
            del self._known[_hashed(token)]
            await reservation.close()

    def _forget(self, key: bytes) -> None:
        reservation = self._known.get(key)
        if reservation is not None and not reservation.is_taken:
            del self._known[key]
            reservation.stop_all()


def _hashed(token: str) -> bytes:
    # Not by the token itself: how long a look-up takes must not tell how much of a token is right.
    return hashlib.sha256(token.encode(errors="replace")).digest()


Errors = list[Mapping[str, Any]]
"""Errors as an answer holds them."""


def errors_of(error: GraphQLError | Refused) -> Errors:
    """The errors of what was refused."""
    return error.formatted if isinstance(error, Refused) else [error.formatted]
