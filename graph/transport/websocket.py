"""GraphQL over WebSocket: the protocol graphql-transport-ws."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect

from db.engine import is_unavailable
from graph.access import Authenticator, Viewer
from graph.errors import internal, limit_reached
from graph.live.connections import Connections, Ending
from graph.live.streams import Refused, Request, Streams
from graph.transport.request_ids import begin_operation

PROTOCOL = "graphql-transport-ws"
_LONGEST_REASON = 120
"""Bytes that a close frame can hold, nearly."""


class Closed(Exception):
    """The connection is to be closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Socket:
    """One connection."""

    def __init__(
        self,
        websocket: WebSocket,
        streams: Streams,
        authenticator: Authenticator,
        connections: Connections,
        *,
        init_timeout: float,
        ping_every: float,
    ) -> None:
        self._websocket = websocket
        self._streams = streams
        self._authenticator = authenticator
        self._connections = connections
        self._init_timeout, self._ping_every = init_timeout, ping_every
        self._viewer: Viewer | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._over: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Speaks until one side has enough."""
        if PROTOCOL not in self._websocket.scope.get("subprotocols", ()):
            await self._websocket.accept()
            await self._close(Closed(4406, f"Subprotocol not acceptable: speak {PROTOCOL}"))
            return
        await self._websocket.accept(PROTOCOL)
        timer = asyncio.get_running_loop().call_later(
            self._init_timeout, self._end, Closed(4408, "Connection initialisation timeout")
        )
        speaking = asyncio.create_task(self._speak(timer))
        try:
            first: list[asyncio.Future[Any]] = [speaking, self._over]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            await _stopped(list(self._operations.values()))
            if self._over.done():
                # While it still counts as open: a server that stops waits for that, and then closes without a word.
                await self._close(self._over.result())
        finally:
            timer.cancel()
            await _stopped([speaking, *self._operations.values()])

    def _end(self, closed: Closed) -> None:
        if not self._over.done():
            self._over.set_result(closed)

    async def _speak(self, timer: asyncio.TimerHandle) -> None:
        try:
            self._viewer = await self._initialise()
            timer.cancel()
            with self._connections.opened(self._viewer, self._end_for):
                await self._send({"type": "connection_ack"})
                pinging = asyncio.create_task(self._ping())
                try:
                    while True:
                        await self._react(await self._message())
                finally:
                    await _stopped([pinging])
        except Closed as closed:
            self._end(closed)
        except GraphQLError as error:
            self._end(Closed(1013, error.message))
        except Exception as error:
            self._end(Closed(1011, internal(error).message))

    def _end_for(self, ending: Ending) -> None:
        self._end(Closed(ending.close_code, ending.message))

    async def _initialise(self) -> Viewer:
        """Who connects. Answers pings meanwhile."""
        while True:
            message = await self._message()
            if message["type"] == "connection_init":
                return await self._authenticated(message.get("payload") or {})
            if message["type"] == "ping":
                await self._pong(message)
            elif message["type"] != "pong":
                raise Closed(4401, "Unauthorized: send connection_init first")

    async def _authenticated(self, payload: Mapping[str, Any]) -> Viewer:
        named = {name.lower(): value for name, value in payload.items()}
        credential = named.get("authorization") or self._websocket.headers.get("authorization")
        if credential is not None and not isinstance(credential, str):
            raise Closed(4400, "authorization in the payload must be a text")
        try:
            viewer = await self._authenticator.viewer(credential)
        except GraphQLError as error:
            is_ours = (error.extensions or {}).get("code") == "UNAVAILABLE"
            raise Closed(1013 if is_ours else 4401, error.message) from None
        except Exception as error:
            if not is_unavailable(error):
                raise
            raise Closed(1013, "Try again later") from None
        if viewer is None:
            raise Closed(4401, "Unauthorized: send a token as authorization in the payload of connection_init")
        return viewer

    async def _message(self) -> dict[str, Any]:
        """The next message of the client, with what the protocol says of its shape. Raises Closed."""
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise Closed(1000, "")
        text = received.get("text")
        if text is None:
            raise Closed(4400, "Binary frames are not spoken here")
        try:
            message = orjson.loads(text)
        except ValueError:
            raise Closed(4400, "Invalid message: not JSON") from None
        problem = _malformed(message)
        if problem is not None:
            raise Closed(4400, f"Invalid message: {problem}")
        return message

    async def _react(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "connection_init":
            raise Closed(4429, "Too many initialisation requests")
        if kind == "subscribe":
            self._subscribe(message["id"], message["payload"])
        elif kind == "complete":
            operation = self._operations.pop(message["id"], None)
            if operation is not None:
                operation.cancel()
        elif kind == "ping":
            await self._pong(message)

    def _subscribe(self, name: str, payload: Mapping[str, Any]) -> None:
        if name in self._operations:
            raise Closed(4409, f"Subscriber for {name} already exists")
        is_one_too_many = len(self._operations) >= self._streams.live.limits.per_connection
        work = self._refuse(name) if is_one_too_many else self._operate(name, payload)
        self._operations[name] = asyncio.create_task(work)

    async def _refuse(self, name: str) -> None:
        error = limit_reached(
            f"At most {self._streams.live.limits.per_connection:,} operations at a time on a connection."
        )
        self._operations.pop(name, None)
        await self._send({"id": name, "type": "error", "payload": [error.formatted]})

    async def _operate(self, name: str, payload: Mapping[str, Any]) -> None:
        begin_operation()
        begin = f'{{"id":{orjson.dumps(name).decode()},"type":"next","payload":'
        try:
            async with aclosing(self._streams.run(self._whom(), Request.of(payload))) as messages:
                async for message in messages:
                    await self._send_text(f"{begin}{message.body}}}")
            await self._send({"id": name, "type": "complete"})
        except Refused as refused:
            await self._send({"id": name, "type": "error", "payload": refused.formatted})
        except Exception as error:
            answer = internal(error)
            await self._send({"id": name, "type": "error", "payload": [answer.formatted]})
        finally:
            if self._operations.get(name) is asyncio.current_task():
                del self._operations[name]

    def _whom(self) -> Viewer:
        if self._viewer is None:
            raise RuntimeError("nobody has been let in yet")
        return self._viewer

    async def _ping(self) -> None:
        # Browsers cannot see the pings of the WebSocket itself; these tell a page that the server is there.
        while True:
            await asyncio.sleep(self._ping_every)
            await self._send({"type": "ping"})

    async def _pong(self, ping: Mapping[str, Any]) -> None:
        payload = {"payload": ping["payload"]} if "payload" in ping else {}
        await self._send({"type": "pong", **payload})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        # Text and not bytes: clients of this protocol refuse binary frames. Who has left gets nothing.
        with suppress(OSError):
            await self._websocket._send({"type": "websocket.send", "text": text})  # noqa: SLF001 - without starlette's checks of each frame

    async def _close(self, closed: Closed) -> None:
        reason = closed.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        with suppress(OSError, RuntimeError, WebSocketDisconnect):
            await self._websocket.close(closed.code, reason)


def _malformed(message: Any) -> str | None:
    """What is wrong with the shape of a client's message, if anything."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "an object with a type is needed"
    kind, payload = message["type"], message.get("payload")
    if kind in ("connection_init", "ping", "pong"):
        return None if payload is None or isinstance(payload, dict) else "the payload must be an object"
    if kind not in ("subscribe", "complete"):
        return f"there is no type {kind[:50]!r}"
    if not isinstance(message.get("id"), str) or not message["id"]:
        return "the id must be a text"
    if kind == "subscribe":
        try:
            Request.of(payload)
        except GraphQLError as error:
            return error.message
    return None


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
