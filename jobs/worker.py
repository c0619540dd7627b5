"""The worker: takes jobs out of the queue and does them, as one of any number of processes on a database."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import orjson
import structlog
from pgqueuer import PgQueuer
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job, Schedule

from db import queue
from db.engine import Database, is_unavailable
from db.queries import idempotency
from db.queries.events import dead_letters
from db.queries.exports import working
from db.queries.exports.asking import ENTRYPOINT
from jobs import recounts
from jobs.again import Again
from jobs.assets.sweeping import sweep
from jobs.exports.run import Options, export
from jobs.mailings.sending import Sender
from jobs.objects import Objects

log = structlog.get_logger("groundswell.worker")

AT_ONCE = 2
"""Jobs that one process does together."""
GRACE_SECONDS = 8.0
"""How long running jobs may take to stop where they are."""
KEEP = timedelta(days=30)
"""How long dead letters are kept after they came last, and the queue's own log."""
_PAUSE = 1.0
"""Seconds until the queue's connection is made anew after it was lost."""
_LOOK_EVERY = 60.0
"""Seconds between two looks for jobs that are due, or that the queue has lost."""
_LONGEST_WAIT = timedelta(seconds=1)
"""Between two looks into the queue. New jobs are told of; those that are given back, and those of dead workers, are not."""
_EVERY_NIGHT = "17 3 * * *"


class Worker:
    """Runs until it is stopped or cancelled; goes on by itself after a lost connection.

    ``url`` is where it may listen and hold a connection. ``heartbeat``: for how long a worker may be silent before others
    take its jobs over. What stops it in the middle of a job gives the job back at once. ``clock``: what time it is, which
    tells where a night has begun. ``sender``: sends mailings beside all this; without one nobody here does.
    """

    def __init__(
        self,
        url: str,
        database: Database,
        objects: Objects,
        heartbeat: timedelta,
        options: Options | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sender: Sender | None = None,
    ) -> None:
        self._url = url
        self._database = database
        self._objects = objects
        self._heartbeat = heartbeat
        self._options = options or Options()
        self._clock = clock
        self._sender = sender
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How jobs have ended in this process: by kind, and as ``done``, ``again`` or ``failed``."""
        self._stopping = asyncio.Event()
        self._halt: Callable[[], None] = lambda: None
        self._is_taking = False
        self._seen_at = time.monotonic()

    @property
    def seen_at(self) -> float:
        """When it was last seen to take jobs, by the monotonic clock: now, for as long as it holds its connection."""
        return time.monotonic() if self._is_taking else self._seen_at

    def stop(self) -> None:
        """Ends ``run`` soon: running jobs stop where they are, and are given back."""
        self._stopping.set()
        self._halt()
        if self._sender is not None:
            self._sender.stop()

    async def run(self) -> None:
        """Works. Stops in the same way when it is cancelled."""
        work = asyncio.gather(self._again(self._take), self._again(self._mail))
        try:
            await asyncio.shield(work)
        finally:
            self.stop()
            await asyncio.wait((work,), timeout=GRACE_SECONDS)
            work.cancel()

    async def _mail(self) -> None:
        """Sends mailings. It has connections of its own, and is not disturbed by what the queue loses."""
        await (self._sender.run() if self._sender is not None else self._stopping.wait())

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        """Works again and again, until it is stopped."""
        while not self._stopping.is_set():
            try:
                await work()
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("background work failed; trying again")
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._stopping.wait()

    async def _take(self) -> None:
        """Takes jobs for as long as the connection holds."""
        halted = asyncio.Event()
        async with queue.worker(self._url, queue.WORKER, halted.set) as queuer:

            def halt() -> None:
                queuer.shutdown.set()  # first: what is given back is not to be taken again
                halted.set()

            self._halt = halt
            if self._stopping.is_set():
                return
            self._register(queuer, halted)
            works = (self._look(halted, halt), self._sweep(halted), self._forget(halted))
            beside = [asyncio.create_task(work) for work in works]
            self._is_taking = True
            try:
                await queuer.run(
                    dequeue_timeout=min(self._heartbeat / 2, _LONGEST_WAIT),
                    batch_size=1,
                    max_concurrent_tasks=AT_ONCE,
                    heartbeat_timeout=self._heartbeat,
                    shutdown_on_listener_failure=True,
                )
            finally:
                self._is_taking, self._seen_at = False, time.monotonic()
                halt()
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    def _register(self, queuer: PgQueuer, halted: asyncio.Event) -> None:
        @queuer.entrypoint(ENTRYPOINT)
        async def _export(job: Job) -> None:
            given = orjson.loads(job.payload or b"{}")
            with self._given_back(ENTRYPOINT):
                await export(self._database, self._objects, given["workspace"], given["export"], halted, self._options)

        @queuer.entrypoint(recounts.ENTRYPOINT)
        async def _recount(job: Job) -> None:
            given = orjson.loads(job.payload or b"{}")
            with self._given_back(recounts.ENTRYPOINT):
                await recounts.recount_nightly(self._database, given["workspace"], given["recount"], halted)

        @queuer.schedule("tidy", _EVERY_NIGHT)
        async def _tidy(_schedule: Schedule) -> None:
            await tidy(self._database, datetime.now(UTC) - KEEP)

    @contextmanager
    def _given_back(self, kind: str) -> Iterator[None]:
        """A job that is to be worked on again goes back into the queue."""
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except Again as again:
            outcome = "again"
            raise RetryRequested(again.delay, str(again)) from None
        finally:
            self.outcomes[kind, outcome] += 1

    async def _look(self, halted: asyncio.Event, halt: Callable[[], None]) -> None:
        """Puts jobs in that are due, or not finished, and that the queue does not know, now and again; halts once it is told."""

        async def look() -> None:
            await put_back(self._database)
            await recounts.tonight(self._database, self._clock())

        await _now_and_again(look, halted, "jobs could not be looked for")
        halt()  # the connection is lost: whoever waits for it is told

    async def _sweep(self, halted: asyncio.Event) -> None:
        """Sweeps assets now and again. Beside the looks: a store that does not answer holds up nothing else."""
        await _now_and_again(lambda: sweep(self._database, self._objects), halted, "assets could not be swept")

    async def _forget(self, halted: asyncio.Event) -> None:
        """Removes idempotency keys whose time has passed, now and again."""
        await _now_and_again(lambda: forget(self._database), halted, "idempotency keys could not be removed")


async def _now_and_again(work: Callable[[], Awaitable[object]], halted: asyncio.Event, complaint: str) -> None:
    """Works every so often until it is halted, and complains of what fails for another reason than a database that is away."""
    while not halted.is_set():
        try:
            await work()
        except Exception as error:
            if not is_unavailable(error):
                log.exception(complaint)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):
                await halted.wait()


async def put_back(database: Database) -> None:
    """Puts all unfinished exports in the queue. What is there already is left alone, and so is what runs."""
    async with database.everywhere() as transaction:
        for row in await working.unfinished(transaction):
            await queue.enqueue(transaction, ENTRYPOINT, {"workspace": row.workspace_id, "export": row.id})


async def forget(database: Database) -> None:
    """Removes all idempotency keys whose time has passed, some at a time: nobody waits for long."""
    while await idempotency.sweep(database):
        pass


async def tidy(database: Database, before: datetime) -> None:
    """Removes what nobody needs any more: dead letters that came last before then, and what the queue wrote down."""
    gone = await dead_letters.sweep(database, before)
    await queue.sweep(database, before)
    if gone:
        log.info("old dead letters were removed", letters=gone)
