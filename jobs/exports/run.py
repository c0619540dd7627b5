"""Working on one export: rows are read in chunks, written into files, and each finished file is stored and listed.

A worker may die at any moment. What is listed stays, and whoever goes on begins behind it. What an attempt wrote is worth
something only if the attempt is still the last one when it is listed: all else is somebody else's, or called off.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from typing import Any, TypeVar

import structlog

from db.engine import Database, is_unavailable
from db.models.exports import ExportDataset, ExportFormat, JobStatus
from db.queries.exports import facts, working
from db.queries.exports.facts import NAMED, Place, Which
from db.queries.exports.working import Attempt, Part
from db.statements import Rows
from jobs.again import Again
from jobs.exports.columns import COLUMNS, cells, referred
from jobs.exports.manifest import manifest, manifest_name
from jobs.exports.parts import PartFile, folder
from jobs.objects import Objects, ObjectsError

log = structlog.get_logger("groundswell.exports")

T = TypeVar("T")
_AT_ONCE = timedelta(0)
_LONGEST_DELAY = timedelta(minutes=5)


@dataclass(frozen=True)
class Options:
    """How large files are, and how patient one is with the object store."""

    part_rows: int = 100_000
    """Rows of a file: it ends behind so many."""
    part_bytes: int = 64 * 1024 * 1024
    """Bytes of a file: it ends behind the chunk with which it has so many."""
    chunk_rows: int = 5_000
    """Rows that are read, and held in memory, at once; fewer while it is not known how long they are, and of long ones."""
    progress_every: float = 0.5
    """Seconds between two reports of progress, at least."""
    failures: int = 5
    """How often the store may fail altogether before a file is finished."""
    first_delay: timedelta = timedelta(seconds=5)
    """How long a job rests after the first of these; twice as long after each further one."""


class _NotOurs(Exception):
    """The job was called off, or another attempt has begun."""


async def export(
    database: Database, objects: Objects, workspace_id: int, job_id: int, stopping: asyncio.Event, options: Options
) -> None:
    """Works on an export until it has ended. Raises Again where that is not now: ``stopping`` was set, or the store or
    the database failed."""
    bound = log.bind(export=job_id, workspace=workspace_id)
    try:
        async with database.write(workspace_id) as transaction:
            job = await working.claim(transaction, job_id)
            parts = await working.parts(transaction, job_id)
        if job is None:
            await _clear_if_called_off(database, objects, workspace_id, job_id)
            return
        bound.info("an export begins", attempt=job.attempt, parts=len(parts))
        run = _Run(database, objects, workspace_id, job, parts, stopping, options)
        await _ended(run, bound)
    except Exception as error:
        if not is_unavailable(error):
            raise
        bound.warning("the database could not be reached; the export goes on later")
        raise Again(options.first_delay, "the database could not be reached") from error


async def _ended(run: "_Run", bound: Any) -> None:
    """Brings a run to its end, and says how it ended."""
    try:
        await run.run()
        bound.info("an export is finished", rows=run.rows_done)
    except _NotOurs:
        bound.info("an export was called off, or another worker has it")
        await run.clear_if_called_off()
    except ObjectsError as error:
        await run.rest(str(error))
    except Exception as error:
        if isinstance(error, Again) or is_unavailable(error):
            raise
        error_id = uuid.uuid4().hex
        bound.exception("an export failed", error_id=error_id)
        await run.fail(f"The export failed, and not by anything you did. The log has it as {error_id}.")


async def _clear_if_called_off(database: Database, objects: Objects, workspace_id: int, job_id: int) -> None:
    """Removes what a job that was called off has written, whoever wrote it."""
    reads = database.reads(workspace_id)
    try:
        standing = await working.standing(reads, job_id)
    finally:
        await reads.close()
    if standing is None or standing.status != JobStatus.CANCELLED:
        return
    try:
        await objects.delete_all(folder(workspace_id, job_id))
    except ObjectsError as error:
        raise Again(_LONGEST_DELAY, str(error)) from error
    async with database.write(workspace_id) as transaction:
        await working.forget_parts(transaction, job_id)


class _Run:
    """One attempt."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        workspace_id: int,
        job: Any,
        parts: list[Part],
        stopping: asyncio.Event,
        options: Options,
    ) -> None:
        self.rows_done = sum(part.rows for part in parts)
        self._database = database
        self._objects = objects
        self._workspace_id = workspace_id
        self._job = job
        self._parts = parts
        self._stopping = stopping
        self._options = options
        self._attempt = Attempt(job.id, job.attempt)
        dataset = ExportDataset(job.dataset)
        self._which = Which(dataset, job.campaign_id, job.upto_id, job.window_from, job.window_to)
        # Restricted API clients see no audiences, nor do their files hold any.
        self._hidden = frozenset({"audience_id"} if job.api_client_id is not None else ())
        self._columns = COLUMNS[dataset]
        self._names: dict[str, dict[int, str]] = {kind: {} for kind in NAMED}
        self._folder = folder(workspace_id, job.id)
        self._told_at = float("-inf")  # the clock may have begun a minute ago
        # One thread, and always the same: memory that one of many threads gives back is kept for that one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")

    async def run(self) -> None:
        """Writes the files that are missing, and the manifest. Raises Again, _NotOurs and ObjectsError."""
        with self._thread:
            await self._write_all()

    async def _write_all(self) -> None:
        if self._job.rows_total is None:
            await self._count()
        last = self._parts[-1] if self._parts else None
        after = None if last is None or last.last_at is None or last.last_id is None else (last.last_at, last.last_id)
        ended = last is not None and after is None  # an export of nothing
        while not ended:
            after, ended = await self._write_part(after)
        await self._finish()

    async def _count(self) -> None:
        reads = self._database.reads(self._workspace_id)
        try:
            total = await self._unless_stopped(facts.count(reads, self._which))
        finally:
            await reads.close()
        async with self._database.write(self._workspace_id) as transaction:
            _insist(still_ours=await working.counted(transaction, self._attempt, total))

    async def _write_part(self, after: Place | None) -> tuple[Place | None, bool]:
        """Writes the part that begins behind a place. Answers where it ends, and whether nothing comes behind it."""
        size, index = self._options, len(self._parts)
        with await self._aside(PartFile, ExportFormat(self._job.format), self._columns) as part:
            ended = False
            while not ended and part.rows < size.part_rows and part.size < size.part_bytes:
                limit = min(size.chunk_rows, size.part_rows - part.rows, part.affordable)
                rows = await self._read(after, limit)
                ended = len(rows) < limit
                if rows:
                    after = (rows[-1].occurred_at, rows[-1].id)
                    await self._aside(self._write, part, rows)
                    await self._tell(part.rows)
            if part.rows or not index:
                await self._store(part, index, after)
        return after, ended

    async def _read(self, after: Place | None, limit: int) -> Rows:
        """A chunk, in a snapshot of its own: nothing is held while it is written and stored."""
        if self._stopping.is_set():
            raise Again(_AT_ONCE, "the worker stops")
        reads = self._database.reads(self._workspace_id)
        try:
            standing = await working.standing(reads, self._job.id)
            _insist(still_ours=(standing.status, standing.attempt) == (JobStatus.RUNNING, self._attempt.number))
            rows = await facts.chunk(reads, self._which, after, limit)
            for kind, ids in referred(self._columns, rows).items():
                unknown = ids - self._names[kind].keys()
                if unknown:
                    self._names[kind] |= await facts.names(reads, kind, unknown)
            return rows
        finally:
            await reads.close()

    def _write(self, part: PartFile, rows: Rows) -> None:
        part.write(cells(self._columns, rows, self._job.campaign_id, self._names, self._hidden))

    async def _aside(self, work: Callable[..., T], *args: Any) -> T:
        """Does what keeps a processor busy beside the event loop, which answers others meanwhile.

        Raises ObjectsError where the disk fails: it is counted as the store's failures are.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except OSError as error:
            log.warning("a file of an export cannot be written", error=error.strerror)
            raise ObjectsError("The disk for files that are being written is full, or failed.") from error

    async def _tell(self, rows: int) -> None:
        now = time.monotonic()
        if now < self._told_at + self._options.progress_every:
            return
        self._told_at = now
        async with self._database.write(self._workspace_id) as transaction:
            _insist(still_ours=await working.progress(transaction, self._attempt, self.rows_done + rows))

    async def _store(self, part: PartFile, index: int, last: Place | None) -> None:
        sha256 = await self._aside(part.finish)
        path = f"{self._folder}/{part.name(index, sha256)}"
        await self._unless_stopped(self._objects.put(path, part.file))
        made = Part(index, path, part.rows, part.size, sha256, None, None)
        if part.rows and last is not None:
            made = replace(made, last_at=last[0], last_id=last[1])
        done = self.rows_done + part.rows
        async with self._database.write(self._workspace_id) as transaction:
            _insist(still_ours=await working.save_part(transaction, self._attempt, made, done))
        self.rows_done = done
        self._parts.append(made)

    async def _finish(self) -> None:
        told = manifest(self._job, self._columns, self._parts)
        path = f"{self._folder}/{manifest_name(told)}"
        await self._unless_stopped(self._objects.put(path, BytesIO(told)))
        async with self._database.write(self._workspace_id) as transaction:
            _insist(still_ours=await working.succeed(transaction, self._attempt, self.rows_done, path))
        # Only now: before, what is not listed here may be what a later attempt has listed.
        await self._tidy({path, *(part.path for part in self._parts)})

    async def _tidy(self, listed: set[str]) -> None:
        """Removes what attempts that died stored and did not list. Not worth failing for."""
        try:
            found = await self._objects.listed(self._folder)
            await self._objects.delete([path for path in found if path not in listed])
        except ObjectsError:
            log.warning("leftovers of an export could not be removed", folder=self._folder)

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """Waits for something that may take long, but not when the worker stops."""
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Again(_AT_ONCE, "the worker stops")
            return await task
        finally:
            for one in (task, stopped):
                one.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def rest(self, reason: str) -> None:
        """After the store failed: raises Again, or ends the job where it failed too often."""
        async with self._database.write(self._workspace_id) as transaction:
            failures = await working.store_failed(transaction, self._attempt)
        if failures is None:
            await self.clear_if_called_off()
        elif failures < self._options.failures:
            raise Again(min(self._options.first_delay * 2 ** (failures - 1), _LONGEST_DELAY), reason)
        else:
            await self.fail(
                f"{reason} It was tried {failures} times. What is listed is whole; ask for another export later, with another key."
            )

    async def fail(self, message: str) -> None:
        """Ends the job with a message."""
        async with self._database.write(self._workspace_id) as transaction:
            ended = await working.fail(transaction, self._attempt, message)
        if not ended:
            await self.clear_if_called_off()

    async def clear_if_called_off(self) -> None:
        """Removes what the job has written, if it was called off."""
        await _clear_if_called_off(self._database, self._objects, self._workspace_id, self._job.id)


def _insist(*, still_ours: bool) -> None:
    if not still_ours:
        raise _NotOurs
