"""A client that leaves takes its work with it, and one that does not send its body is not waited for."""

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.refusals import Refusal

LOOK_AFTER = 0.05
"""Seconds after which a request is watched. Nearly all are answered before that, and pay for a timer only."""
LEAST_RATE = 1024
"""Bytes a second that a body brings, after its first seconds."""
_FILES = b"multipart/"


class Leaving:
    """Cancels what answers a request when nobody waits for it any more. Where the answer begins, that ends."""

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app, self._body_seconds = app, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; 408 where its body does not come."""
        watch = _Watch(receive, send, None if _brings_files(scope) else self._body_seconds)
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

    __slots__ = (
        "_has_looked",
        "_is_whole",
        "_loop",
        "_receive",
        "_send",
        "_task",
        "_timer",
        "_until",
        "_watching",
        "has_left",
        "is_late",
    )

    def __init__(self, receive: Receive, send: Send, seconds: float | None) -> None:
        self._receive, self._send = receive, send
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._until = None if seconds is None else self._loop.time() + seconds
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(LOOK_AFTER, self._look)
        self._watching: asyncio.Task[None] | None = None
        self._is_whole = self._has_looked = self.has_left = self.is_late = False

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
            if self._has_looked:
                self.end()
                self._look()
        elif self._until is not None:
            self._until += len(message.get("body", b"")) / LEAST_RATE
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Sends a part of the answer."""
        if message["type"] == "http.response.start":
            self.end()
        return self._send(message)

    def has_cut(self) -> bool:
        """Whether it was this that cancelled the request's task, which herewith is no longer cancelled."""
        ours = self.has_left or self.is_late
        return ours and self._task is not None and self._task.uncancel() == 0

    def end(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _look(self) -> None:
        """What takes longer than most: waits for the rest of the body, or for the client to leave."""
        self._timer, self._has_looked = None, True
        if self._is_whole:
            self._watching = self._loop.create_task(self._watch())
        elif self._until is not None:
            self._timer = self._loop.call_at(self._until, self._be_late)

    def _be_late(self) -> None:
        self._timer = None
        if self._until is not None and self._until > self._loop.time():
            self._look()  # more has come meanwhile
            return
        self.is_late = True
        self._cut()

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
    return any(name == b"content-type" and value.lower().startswith(_FILES) for name, value in scope["headers"])
