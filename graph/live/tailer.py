"""Follows the log and hands it out. Wakes by LISTEN, looks by itself when no wake-up comes, survives whatever goes away."""

import asyncio
import math
import time
from contextlib import suppress

import structlog

from db.engine import is_unavailable
from db.queries.live import log, sequencing
from db.session import Session, session
from graph.live.hub import Hub

logger = structlog.get_logger("groundswell.tailer")

_PAGE = 5_000
_LOOK_EVERY = 1.0
"""Seconds without a wake-up after which it looks by itself: one may have been lost."""
_RETRY = 0.25


class Tailer:
    """Runs until it is cancelled."""

    def __init__(self, url: str, hub: Hub) -> None:
        self._url = url
        self._hub = hub
        self._woken = asyncio.Event()
        self._head: log.Head | None = None
        self.started = asyncio.Event()
        """Set once the log is followed for the first time."""
        self.seen_at = -math.inf
        """When it was last seen to follow, by the monotonic clock."""

    async def run(self) -> None:
        """Follows, and goes on after a lost connection where it was."""
        while True:
            try:
                async with session(self._url, "groundswell tailer") as own:
                    await own.listen(sequencing.CHANNEL, lambda _payload: self._woken.set(), self._woken.set)
                    await self._begin(own)
                    while True:
                        await self._follow(own)
            except Exception as error:
                if not is_unavailable(error):
                    logger.exception("following the log failed; trying again")
                await asyncio.sleep(_RETRY)

    async def _begin(self, own: Session) -> None:
        head = await log.head(own)
        known = self._head
        if known is None or head.epoch != known.epoch or head.position < self._hub.position:
            if known is not None:
                logger.warning("the log is another one: all live streams begin anew")
            self._hub.restart(head)
        self._head = head
        self.started.set()

    async def _follow(self, own: Session) -> None:
        self._woken.clear()
        self.seen_at = time.monotonic()
        hub = self._hub
        if hub.is_listened_to:
            entries = await log.follow(own, hub.position, _PAGE)
            hub.hand_out(entries)
            if len(entries) == _PAGE:
                return
        else:
            await self._skip(own)
        # Not wait_for: before Python 3.12 it could swallow that the task was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):
                await self._woken.wait()
        if not self._woken.is_set():
            await self._begin(own)  # another epoch may have begun meanwhile

    async def _skip(self, own: Session) -> None:
        """Goes on to the end, where nobody listens: but for revocations, which concern the process itself."""
        head = await log.head(own)
        entries = await log.revocations(own, self._hub.position)
        if not self._hub.is_listened_to:
            self._hub.hand_out(entries)
            self._hub.position = max(self._hub.position, head.position)
