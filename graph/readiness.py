"""Whether this process can do its work: what it needs, and what of its own has to live."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from db import migrate
from db.engine import Database, is_passing
from db.queries.health import Standing, look

log = structlog.get_logger("groundswell.readiness")

PATIENCE = 1.0
"""Seconds within which the database has to answer."""
KEPT = 1.0
"""Seconds for which an answer is good: however many ask, the database is asked once in it."""
LATE = 15.0
"""Seconds without a sign of life after which a part of this process counts as dead."""

SeenAt = Callable[[], float]
"""When a part was last seen alive, by the monotonic clock."""


class Status(StrEnum):
    """What a load balancer is to do: use it for ``ready`` and ``degraded``, and not for the others."""

    READY = "ready"
    DEGRADED = "degraded"
    FAILED = "failed"
    DRAINING = "draining"


@dataclass(frozen=True)
class Report:
    """What was found. ``reasons``: a sentence for each check that failed; neither hosts nor secrets are in them."""

    status: Status
    checks: Mapping[str, bool] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


class Readiness:
    """Asked by whoever comes, with or without a token: hence it costs one connection and one look a second at most.

    The connection is its own. A pool that is busy is no reason to be taken out of service, and who asks often takes
    nothing from the others.
    """

    def __init__(self, url: str, live: Mapping[str, SeenAt]) -> None:
        self._database = Database(url, size=1, overflow=0, timeout=PATIENCE)
        self._live = live
        self._newest, self._known = migrate.newest(), migrate.known()
        self._asking: asyncio.Task[Report] | None = None
        self._asked_at = -KEPT
        self.worker: SeenAt | None = None
        """Of the worker in this process, where there is one."""
        self.is_draining = False

    async def report(self) -> Report:
        """What is so now, or was a second ago. Never fails."""
        if self.is_draining:
            return Report(Status.DRAINING, reasons=("This process is about to stop.",))
        task = self._asking
        if task is None or (task.done() and time.monotonic() >= self._asked_at + KEPT):
            self._asked_at = time.monotonic()
            task = self._asking = asyncio.create_task(self._report())
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Closes its connection."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._database.close()

    async def _report(self) -> Report:
        standing = await self._standing()
        problems = {
            "database": _of_database(standing),
            "migrations": self._of_migrations(standing),
            "jobs": self._of_jobs(standing),
            "live": _late(self._live),
        }
        failed = {name for name, problem in problems.items() if problem is not None}
        # Without a worker anywhere exports wait. To refuse everybody else for it would make an outage of a delay.
        bearable = {"jobs"} if self.worker is None else set()
        status = Status.FAILED if failed - bearable else Status.DEGRADED if failed else Status.READY
        reasons = tuple(problem for problem in problems.values() if problem)
        return Report(status, {name: name not in failed for name in problems}, reasons)

    async def _standing(self) -> Standing | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await look(self._database)
        except Exception as error:
            if not isinstance(error, TimeoutError) and not is_passing(error):
                log.exception("the database could not be looked at")
            return None

    def _of_migrations(self, standing: Standing | None) -> str | None:
        """A newer schema is fine: the database is migrated first, and the old programs go on until they are replaced."""
        if standing is None:
            return ""
        if standing.revision == self._newest or (standing.revision and standing.revision not in self._known):
            return None
        return f"The database is at revision {standing.revision or 'nothing'}; this program needs {self._newest}."

    def _of_jobs(self, standing: Standing | None) -> str | None:
        if self.worker is not None:
            return _late({"worker": self.worker})
        if standing is None:
            return ""
        return None if standing.workers else "No worker is connected: exports and mailings wait."


def _of_database(standing: Standing | None) -> str | None:
    if standing is None:
        return f"The database did not answer within {PATIENCE:g} s."
    return None if standing.is_writable else "The database takes no changes: it is a standby, or was told so."


def _late(parts: Mapping[str, SeenAt]) -> str | None:
    late = [name for name, seen_at in parts.items() if time.monotonic() > seen_at() + LATE]
    return f"No sign of life for {LATE:g} s: {', '.join(late)}." if late else None
