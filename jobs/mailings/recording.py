"""Recording: hits from the spool into the database, each once, whatever happens in between."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

import structlog
from sqlalchemy.exc import DBAPIError

from db.changes import change
from db.engine import Database, is_unavailable
from db.queries.email_events.recording import record
from jobs.mailings.spool import Batch, Hit, Spool

log = structlog.get_logger("groundswell.recording")

_BATCH = 1_000
_GATHER = 0.01
"""Seconds between two transactions, unless there is enough for a whole one."""
_SHORTEST, _LONGEST = 0.1, 5.0
"""Seconds between attempts while the database does not take anything."""
_TAKE_OVER_EVERY = 30.0
_MOST_UNWRITTEN = 10_000
_OF_THE_HITS = ("21", "22", "23", "54", "P0", "XX")
"""Classes of SQLSTATEs that speak of what is written. Others pass, or are the same for whatever is written."""


class NotTaken(Exception):
    """A transaction was refused as a whole."""


class Recorder:
    """Writes what is in a spool to the database. One task runs it; all else may be called from the same event loop."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database, self._spool = database, spool
        self._expected: dict[str, asyncio.Future[bool]] = {}
        self._unwritten: dict[str, Hit] = {}
        self._took_over_at = -_TAKE_OVER_EVERY
        self._is_away = False

    def expect(self, key: str) -> "asyncio.Future[bool]":
        """Will be True once the hit of a key is recorded, or is known to be nobody's; False where it was set aside. Then forget it."""
        return self._expected.setdefault(key, asyncio.get_running_loop().create_future())

    def forget(self, key: str) -> None:
        """Nobody waits for this key any more. If the hit was only in memory, it is given up."""
        self._expected.pop(key, None)
        self._unwritten.pop(key, None)

    def take(self, hit: Hit) -> bool:
        """Takes a hit that could not be written to disk, in memory. False where too many wait there already."""
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            return False
        self._unwritten[hit.key] = hit
        self._spool.appended.set()
        return True

    async def run(self) -> None:
        """Records until it is cancelled. Goes on by itself after whatever fails."""
        pause = _SHORTEST
        while True:
            try:
                count = await self._step()
            except Exception as error:
                self._complain(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST)
                continue
            if count:
                self._is_away, pause = False, _SHORTEST
            await self._rest(count)

    async def finish(self) -> None:
        """Records what is there, as far as it can be recorded at once. Never fails; what is left is for the next start."""
        try:
            while await self._step():
                pass
        except Exception as error:
            self._complain(error)

    async def _rest(self, count: int) -> None:
        if count >= _BATCH:
            return
        if count:
            await asyncio.sleep(_GATHER)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_TAKE_OVER_EVERY):
                await self._spool.appended.wait()

    async def _step(self) -> int:
        """Records a batch, and answers how much there was of it."""
        if time.monotonic() >= self._took_over_at + _TAKE_OVER_EVERY:
            self._took_over_at = time.monotonic()
            await self._spool.take_over()
        self._spool.appended.clear()
        unwritten = list(islice(self._unwritten.values(), _BATCH))
        if unwritten:
            await self._record(unwritten)
            for hit in unwritten:
                self._unwritten.pop(hit.key, None)
        batch = await self._spool.read(_BATCH)
        if batch is not None:
            await self._record_batch(batch)
        # A batch of torn lines has no hits, and there may be more behind it.
        return len(unwritten) + (0 if batch is None else max(len(batch.hits), 1))

    async def _record_batch(self, batch: Batch) -> None:
        bad = await self._record(batch.hits)
        if batch.strange:
            log.error("lines that this release cannot read are set aside", lines=len(batch.strange))
        if bad or batch.strange:
            await asyncio.to_thread(self._spool.set_aside, batch, bad)
        await self._spool.done(batch)

    async def _record(self, hits: Sequence[Hit]) -> list[Hit]:
        """Records hits, and answers those that cannot be. Raises what may pass."""
        workspaces = defaultdict[int, list[Hit]](list)
        for hit in hits:
            workspaces[hit.workspace_id].append(hit)
        bad: list[Hit] = []
        for workspace_id, of_one in workspaces.items():
            bad += await self._record_in(workspace_id, of_one)
        return bad

    async def _record_in(self, workspace_id: int, hits: Sequence[Hit]) -> list[Hit]:
        try:
            await self._write(workspace_id, hits)
        except Exception as error:
            if not _is_of_the_hits(error):
                raise
            if len(hits) > 1:  # halves until the bad ones are alone
                middle = len(hits) // 2
                first = await self._record_in(workspace_id, hits[:middle])
                return [*first, *await self._record_in(workspace_id, hits[middle:])]
            of_ours = None if isinstance(error, NotTaken | DBAPIError) else error
            log.error(
                "a hit cannot be recorded, and is set aside",
                key=hits[0].key,
                workspace=workspace_id,
                reason=repr(error),
                exc_info=of_ours,
            )
            self._tell(hits, is_recorded=False)
            return list(hits)
        self._tell(hits, is_recorded=True)
        return []

    async def _write(self, workspace_id: int, hits: Sequence[Hit]) -> None:
        events = [hit.event() for hit in hits]
        outcome = await change(self._database, workspace_id, lambda transaction: record(transaction, events))
        if outcome.value is None:
            raise NotTaken("; ".join(problem.message for problem in outcome.problems))
        for index, problems in outcome.value.rejected.items():
            log.debug("a hit was dropped", key=hits[index].key, reason=problems[0].message)

    def _tell(self, hits: Sequence[Hit], *, is_recorded: bool) -> None:
        if not self._expected:
            return
        for hit in hits:
            expected = self._expected.get(hit.key)
            if expected is not None and not expected.done():
                expected.set_result(is_recorded)

    def _complain(self, error: Exception) -> None:
        if is_unavailable(error):
            if not self._is_away:
                log.warning("the database is away; hits are kept, and recorded later", reason=repr(error))
        elif not self._is_away:
            log.error("hits could not be recorded; they are kept, and tried again", exc_info=error)
        else:
            log.error("hits could still not be recorded", reason=repr(error))
        self._is_away = True


def _is_of_the_hits(error: Exception) -> bool:
    """Whether an error comes of what is written, so that other hits could be written now."""
    if is_unavailable(error) or isinstance(error, OSError | TimeoutError):
        return False
    cause: BaseException | None = error
    while cause is not None:
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return state.startswith(_OF_THE_HITS)
        cause = getattr(cause, "orig", None) or cause.__cause__
    return True
