"""An HTTP response that stays open: frames as they come, a heartbeat between them, an end when one side has enough."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Send

from graph.live.connections import Ending

log = structlog.get_logger("groundswell.streaming")

Frames = AsyncGenerator[str]


class Stream:
    """One open response."""

    def __init__(self, receive: Receive, send: Send, headers: Mapping[str, str]) -> None:
        self._receive, self._send = receive, send
        self._headers = headers
        self._over: asyncio.Future[Ending | None] = asyncio.get_running_loop().create_future()

    def end(self, ending: Ending) -> None:
        """Ends it from outside."""
        if not self._over.done():
            self._over.set_result(ending)

    async def run(
        self, frames: Frames, heartbeat: str, every: float, last: Callable[[Ending], str], first: str | None = None
    ) -> None:
        """Sends the frames until there are no more, the client leaves or it is ended, which ``last`` puts into words."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        # The client learns at once that it is connected.
        await self._write(heartbeat if first is None else first)
        tasks = [asyncio.create_task(work) for work in (self._all(frames), self._left(), self._beat(heartbeat, every))]
        try:
            ends: list[asyncio.Future[Any]] = [self._over, *tasks[:2]]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ending = self._over.result() if self._over.done() else None
        with suppress(OSError):
            await self._write(last(ending) if ending is not None else "")
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _all(self, frames: Frames) -> None:
        async with aclosing(frames):
            async for frame in frames:
                await self._write(frame)

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _beat(self, heartbeat: str, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            await self._write(heartbeat)

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def json(value: Any) -> str:
    """JSON as a text."""
    return orjson.dumps(value).decode()
