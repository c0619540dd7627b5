"""Importing from a file: chunk by chunk, each in one transaction with the count of how far it is.

Whatever interrupts it, the same import goes on behind the last chunk that was committed, and every row is
counted once. The next chunk is read and converted while the database takes in this one. Rows that refer to rows behind
them wait in the database and go in at the end.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError

from db.engine import Database, Transaction
from db.models.event_items import CURRENCY
from db.queries import imports
from jobs.imports import mapping, translating, values
from jobs.imports.chunks import Chunk, chunks, rarely_collected
from jobs.imports.errors import ImportFailedError
from jobs.imports.files import Rows, Source, opened
from jobs.imports.impressions import IMPRESSIONS
from jobs.imports.rejects import Rejects
from jobs.imports.resolving import Found, Resolver
from jobs.imports.rows import Converter, Draft, Kind, Reject, Taken, Waiting

CHUNK = 5000
"""Rows in a transaction. Measured: 1,000 cost a third of the rate, 10,000 and 20,000 gain next to nothing."""


@dataclass(frozen=True)
class Job:
    """What to import and how. ``templates`` are by field, see ``mapping.parse``."""

    path: Path
    templates: Mapping[str, str] = field(default_factory=dict)
    campaign: str | None = None
    """The key of the campaign of all rows; None: each row names its own."""
    create_campaigns: bool = False
    time_zone: str | None = None
    """The zone of times without an offset; None: they are rejected."""
    rejects: Path | None = None
    """Where rejects go; None: beside the file."""
    chunk: int = CHUNK
    again: bool = False
    """Reads all rows again, of a run that is finished or that was interrupted."""
    kind: Kind = field(default=IMPRESSIONS, kw_only=True)
    channel: str | None = field(default=None, kw_only=True)
    """The name of the channel of all rows; None: each row names its own, or none."""
    create_channels: bool = field(default=False, kw_only=True)
    """Makes channels and audiences that are missing."""
    currency: str | None = field(default=None, kw_only=True)
    """The currency of values without one; None: they are rejected."""
    content: str | None = field(default=None, kw_only=True)
    """The slug of the content item that new posts become part of; None: each gets one of its own."""
    each: str | None = field(default=None, kw_only=True)
    """The field of a JSON line that holds a list, each of whose objects is a row."""
    translations: translating.Tables = field(default_factory=dict, kw_only=True)
    """What values become, by field, see ``translating.parse``."""

    @property
    def fixed(self) -> dict[str, str]:
        """What all rows refer to, by field."""
        named = {"campaign": self.campaign, "channel": self.channel, "content": self.content}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def made(self) -> set[str]:
        """The fields of references of which missing ones are made."""
        campaigns = {"campaign"} if self.create_campaigns else set()
        return campaigns | ({"channel", "audience"} if self.create_channels else set())


@dataclass(frozen=True)
class Counts:
    """How far a run is. The rows read are the accepted ones, the duplicates, the rejected ones and those that wait."""

    rows_read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejects_bytes: int = 0

    @property
    def waiting(self) -> int:
        """Rows that refer to others which were not there yet. None at the end of a run."""
        return self.rows_read - self.accepted - self.duplicates - self.rejected


@dataclass(frozen=True)
class Progress:
    """Reported before the first chunk and behind each one."""

    counts: Counts
    bytes_read: int
    bytes_total: int


class Outcome(StrEnum):
    """How an import ended."""

    FINISHED = "FINISHED"
    STOPPED = "STOPPED"
    """On request; the same import goes on from here."""
    KNOWN = "KNOWN"
    """It had been finished before; nothing was done."""


@dataclass(frozen=True)
class Result:
    """How an import ended, with the counts of the whole run and from which row it went on."""

    outcome: Outcome
    counts: Counts
    rejects: Path
    resumed_from: int = 0


async def import_file(
    database: Database,
    workspace_id: int,
    job: Job,
    progress: Callable[[Progress], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Runs an import to its end, or until ``stopping`` says so behind a chunk. Raises ImportFailedError."""
    rejects_path = job.rejects or job.path.with_name(job.path.name + ".rejects.jsonl")
    _check(job, rejects_path)
    with opened(job.path, job.each) as source, rarely_collected():
        before = _state_of(job.path)
        rows, templates = await asyncio.to_thread(_read, source, job)
        converter = _converter(rows, templates, job)
        fingerprint = await asyncio.to_thread(_fingerprint, job)
        work = _Run(database, workspace_id, job, fingerprint, Rejects(rejects_path, rows.named), converter)
        if await work.begin():
            return Result(Outcome.KNOWN, work.counts, rejects_path)
        resumed_from = work.counts.rows_read
        progress(Progress(work.counts, 0, before[0]))
        async with aclosing(chunks(rows, converter, resumed_from, job.chunk)) as upcoming:
            async for chunk in upcoming:
                await _kept(work.take_in(chunk))
                progress(Progress(work.counts, chunk.position, before[0]))
                if stopping():
                    return Result(Outcome.STOPPED, work.counts, rejects_path, resumed_from)
        if _state_of(job.path) != before:
            raise ImportFailedError(
                f"{job.path} was changed while it was read. Import it again; known rows do no harm."
            )
        while work.counts.waiting:
            await _kept(work.settle())
            progress(Progress(work.counts, before[0], before[0]))
            if stopping():
                return Result(Outcome.STOPPED, work.counts, rejects_path, resumed_from)
        await work.finish()
        return Result(Outcome.FINISHED, work.counts, rejects_path, resumed_from)


async def _kept(work: Awaitable[None]) -> None:
    """Says in a sentence that the database failed. The chunk is rolled back, the chunks before it stay."""
    try:
        await work
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        raise ImportFailedError(f"The database failed ({reason}). The same import goes on where it was.") from error


def _check(job: Job, rejects: Path) -> None:
    if job.chunk < 1:
        raise ImportFailedError("A chunk has at least one row.")
    for name in job.fixed:
        if name in job.templates or name in job.translations:
            raise ImportFailedError(f"Name one {name} for all rows, or map the field {name}: not both.")
    if job.currency is not None and not CURRENCY.fullmatch(job.currency):
        raise ImportFailedError("--currency: A currency is three capital letters, ISO 4217.")
    if rejects.resolve() == job.path.resolve():
        raise ImportFailedError("The rejects need a file of their own.")


def _state_of(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _read(source: Source, job: Job) -> tuple[Rows, Mapping[str, str]]:
    return (source, job.templates) if job.kind.read is None else job.kind.read(source)


def _converter(source: Rows, templates: Mapping[str, str], job: Job) -> Converter:
    fields, fixed = job.kind.fields, job.fixed
    required = [*job.kind.required, *(one.field for one in job.kind.references if one.required)]
    zone = None if job.time_zone is None else values.time_zone(job.time_zone)
    required = [name for name in required if name not in fixed]
    for_all = [*(one.field for one in job.kind.references), *job.kind.for_all]
    getters = mapping.compiled(source, fields, templates, required, for_all)
    translating.translated(getters, job.translations)
    made = (name for name, template in templates.items() if mapping.is_text(name, template))
    defaults = {} if job.currency is None else {"currency": job.currency}
    return Converter(job.kind, getters, zone, fixed, defaults, texts=set(fields if source.is_csv else made))


def _fingerprint(job: Job) -> str:
    """Names the run: the same file with the same options is the same run."""
    options = {
        "kind": job.kind.name,
        "templates": dict(job.templates),
        "campaign": job.campaign,
        "create_campaigns": job.create_campaigns,
        "time_zone": job.time_zone,
    }
    # Left out where they are not given: runs from before there were these go on.
    newer = ("channel", "create_channels", "content", "currency", "each", "translations")
    options |= {name: value for name in newer if (value := getattr(job, name))}
    options |= {"options": dict(job.kind.options)} if job.kind.options else {}
    with job.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(orjson.dumps(options, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


class _Run:
    def __init__(
        self,
        database: Database,
        workspace_id: int,
        job: Job,
        fingerprint: str,
        rejects: Rejects,
        converter: Converter,
    ) -> None:
        self.counts = Counts()
        self._database = database
        self._workspace_id = workspace_id
        self._job = job
        self._fingerprint = fingerprint
        self._rejects = rejects
        self._converter = converter
        self._resolver = Resolver(converter.references, job.made)

    async def begin(self) -> bool:
        """Finds how far the run is. Answers whether it is finished already."""
        async with self._database.write(self._workspace_id) as transaction:
            await self._resolver.require(transaction, self._job.fixed)
            found = await imports.begin(transaction, self._fingerprint)
            if self._job.again:
                await imports.restart(transaction, self._fingerprint)
                return False
        self.counts = _counts(found)
        if found.finished_at is None:
            self._rejects.check(self.counts.rejects_bytes)
        return found.finished_at is not None

    async def take_in(self, chunk: Chunk) -> None:
        """Records a chunk, writes its rejects and counts both: in one transaction."""
        async with self._database.write(self._workspace_id) as transaction:
            await self._lock(transaction)
            found, taken = await self._record(transaction, chunk.drafts)
            await imports.wait(transaction, self._fingerprint, [_as_read(one) for one in taken.waiting])
            counts = await self._count(transaction, taken, chunk.malformed, chunk.drafts, read=chunk.rows)
        self._went_in(found, counts)

    async def settle(self) -> None:
        """Takes in a chunk of the rows that waited and whose parents came. Where there are none, rejects a chunk."""
        async with self._database.write(self._workspace_id) as transaction:
            await self._lock(transaction)
            size = self._job.chunk
            rows = await imports.ready(transaction, self._fingerprint, size)
            rows = rows or await imports.waiting(transaction, self._fingerprint, size)
            now = datetime.now(UTC)
            drafts = [self._converter(orjson.loads(row.row), row.line, now) for row in rows]
            found, taken = await self._record(transaction, drafts)
            for one in taken.waiting:
                one.draft.problems = [one.problem]
            await imports.leave(transaction, self._fingerprint, [row.line for row in rows])
            counts = await self._count(transaction, taken, [], drafts)
        self._went_in(found, counts)

    async def _record(self, transaction: Transaction, drafts: Sequence[Draft]) -> tuple[Found, Taken]:
        """Records the drafts that are right. Answers ids that were not known before, and what came of the drafts."""
        found = await self._resolver.resolve(transaction, drafts)
        right = [draft for draft in drafts if not draft.problems]
        return found, await self._job.kind.record(transaction, right) if right else Taken()

    async def _count(
        self,
        transaction: Transaction,
        taken: Taken,
        malformed: Sequence[Reject],
        drafts: Sequence[Draft],
        *,
        read: int = 0,
    ) -> Counts:
        rejects = [*malformed, *(draft.rejected() for draft in drafts if draft.problems)]
        counts = Counts(
            self.counts.rows_read + read,
            self.counts.accepted + taken.accepted,
            self.counts.duplicates + taken.duplicates,
            self.counts.rejected + len(rejects),
            self._rejects.write(self.counts.rejects_bytes, sorted(rejects, key=lambda reject: reject.line)),
        )
        await imports.save(transaction, self._fingerprint, asdict(counts))
        return counts

    def _went_in(self, found: Found, counts: Counts) -> None:
        """Only now that it is committed: what was rolled back must not be remembered."""
        self._resolver.remember(found)
        self.counts = counts

    async def finish(self) -> None:
        """Marks the run as finished."""
        async with self._database.write(self._workspace_id) as transaction:
            await self._lock(transaction)
            self._rejects.write(self.counts.rejects_bytes, [])
            await imports.finish(transaction, self._fingerprint)
        self._rejects.drop_if_empty(self.counts.rejects_bytes)

    async def _lock(self, transaction: Transaction) -> None:
        """Takes the run's turn, or finds that somebody else went on with it. Nobody writes rejects without."""
        found = await imports.locked(transaction, self._fingerprint)
        if found is None or found.finished_at is not None or _counts(found) != self.counts:
            raise ImportFailedError("Another import of the same file is running; this one leaves it the rest.")


def _counts(row: Any) -> Counts:
    return Counts(*(getattr(row, name) for name in imports.COUNTS))


def _as_read(waiting: Waiting) -> dict[str, Any]:
    draft = waiting.draft
    row = orjson.dumps(draft.row).decode()
    return {"line": draft.line, "key": draft.item.key, "waits_for": waiting.waits_for, "row": row}
