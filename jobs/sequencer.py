"""The sequencer: of all processes on a database one numbers what the others commit, and clears away what is old."""

import asyncio
import math
import time
from contextlib import suppress
from datetime import timedelta

import structlog

from db.engine import is_unavailable
from db.queries.live import sequencing
from db.session import Session, session

log = structlog.get_logger("groundswell.sequencer")

_STAND_BY = 0.5
"""Seconds between attempts to be elected: as long a lost leader is missed at most."""
_GATHER = 0.005
"""Seconds between two batches: each is a commit of its own, whether it holds one entry or thousands."""
_LONGEST = 0.05
"""Seconds between looks into the outbox when nothing comes. What this process commits itself does not wait for it."""
_TRIM_EVERY = 60.0


async def settle_epoch(url: str) -> None:
    """Before any cursor is given out: begins another epoch if this is another database, or a restored one."""
    async with session(url, "groundswell sequencer") as own:
        if await sequencing.settle_epoch(own):
            log.warning("this is another database or a restored one: all live cursors have expired")


class Sequencer:
    """Runs until it is cancelled; goes on by itself after a lost connection."""

    def __init__(self, url: str, keep: timedelta) -> None:
        self._url = url
        self._keep = keep
        self._nudged = asyncio.Event()
        self._trimmed_at = 0.0
        self.leads = False
        self.seen_at = -math.inf
        """When it was last seen to stand by or to number, by the monotonic clock."""

    def nudge(self) -> None:
        """Says that something was committed. Without it, the outbox is looked into all the same."""
        self._nudged.set()

    async def run(self) -> None:
        """Stands by, and numbers once elected."""
        while True:
            try:
                async with session(self._url, "groundswell sequencer") as own:
                    if await sequencing.settle_epoch(own):
                        log.warning("the database was restored: all live cursors have expired")
                    while not await sequencing.elected(own):
                        self.seen_at = time.monotonic()
                        await asyncio.sleep(_STAND_BY)
                    await self._lead(own)
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("numbering failed; trying again")
                await asyncio.sleep(_STAND_BY)
            finally:
                self.leads = False

    async def _lead(self, own: Session) -> None:
        self.leads = True
        log.info("this process numbers the live events", backend=await own.server_pid())
        pause = _GATHER
        while True:
            if time.monotonic() > self._trimmed_at + _TRIM_EVERY:
                await self._trim(own)
            self._nudged.clear()
            self.seen_at = time.monotonic()
            if await sequencing.number(own):
                pause = _GATHER
                await asyncio.sleep(_GATHER)
            else:
                await self._wait(pause)
                pause = min(pause * 2, _LONGEST)

    async def _wait(self, seconds: float) -> None:
        # Not wait_for: before Python 3.12 it could swallow that the task was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()

    async def _trim(self, own: Session) -> None:
        gone = await sequencing.trim(own, self._keep)
        if not gone:
            self._trimmed_at = time.monotonic()
        else:
            log.info("old live events were cleared away", entries=gone)
