"""A client that leaves takes its work with it, and one that does not send its body is not waited for."""

import asyncio
import math
from asyncio import CancelledError
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.refusals import Refusal
from graph.ticking import Ticker
from graph.transport.negotiation import headers_of

LEAST_RATE = 1024
"""Bytes a second that a body brings, after its first seconds."""
_FILES = b"multipart/"


class Leaving:
    """Cancels what answers a request when nobody waits for it any more. Where the answer begins, that ends."""

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app, self._body_seconds = app, body_seconds
        self._ticker = Ticker()  # most are answered before its first tick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; 408 where its body does not come."""
        watch = _Watch(scope, receive, send, self._body_seconds, self._ticker)
        try:
            await self._app(scope, watch.receive, watch.send)
        except CancelledError:
            if not watch.has_cut():
                raise
        finally:
            watch.end()
        if watch.is_late:
            message = f"The body did not come within {self._body_seconds:g} s. Nothing was done: send it again."
            refusal = Refusal(408, "REQUEST_TIMEOUT", message, {"Connection": "close"})
            await refusal.response()(scope, receive, send)


class _Watch:
    """Looks after one request."""

    _until: float | None = None
    _watching: asyncio.Task[None] | None = None
    _is_whole = has_left = is_late = False

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float, ticker: Ticker) -> None:
        self._scope, self._receive, self._send, self._seconds = scope, receive, send, seconds
        self._task = asyncio.current_task()
        self._ticker = ticker
        ticker.add(self)

    async def receive(self) -> Message:
        """What the client sends. Whoever asks once all has come watches for its leaving himself."""
        if self._is_whole:
            self.end()
            return await self._receive()
        message = await self._receive()
        if message["type"] != "http.request":
            self.end()
        elif not message.get("more_body"):
            self._is_whole = True
        elif self._until is not None:
            self._until += len(message.get("body", b"")) / LEAST_RATE
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Sends a part of the answer."""
        if message["type"] == "http.response.start":
            self.end()
        return self._send(message)

    def look(self, now: float) -> None:
        """Waits for the rest of the body, or for the client to leave: of what takes longer than most."""
        if self._is_whole:
            self._ticker.remove(self)
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        elif self._until is None:
            self._until = math.inf if _brings_files(self._scope) else now + self._seconds
        elif now >= self._until and not self.is_late:
            self.is_late = True
            self._cut()

    def has_cut(self) -> bool:
        """Whether it was this that cancelled the request's task, which herewith is no longer cancelled."""
        ours = self.has_left or self.is_late
        return ours and self._task is not None and self._task.uncancel() == 0

    def end(self) -> None:
        """Looks no more."""
        self._ticker.remove(self)
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_left = True
        self._cut()

    def _cut(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _brings_files(scope: Scope) -> bool:
    """Files have a limit of their own: how long nothing of them may come."""
    return headers_of(scope).get(b"content-type", b"").lower().startswith(_FILES)
