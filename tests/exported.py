"""Exports for the tests: the facts, the jobs, the work, and what came of it."""

import asyncio
import hashlib
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from db.engine import Database
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.models.exports import ExportDataset, ExportFormat
from db.queries.events import recording
from db.queries.exports import asking, working
from db.queries.exports.asking import Wanted
from jobs.exports.run import Options, export
from jobs.objects import Objects

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SMALL = Options(part_rows=3, chunk_rows=2, progress_every=0)


def event(number: int, campaign: int, **values: Any) -> NewEvent:
    """An event, so many minutes after noon."""
    return NewEvent(f"e{number}", EventType.CLICK, campaign, NOON + timedelta(minutes=number), **values)


async def record(database: Database, workspace: int, *events: NewEvent) -> None:
    async with database.write(workspace) as transaction:
        await recording.record(transaction, events)


async def ask(
    database: Database,
    workspace: int,
    campaign: int,
    format_: ExportFormat = ExportFormat.JSONL,
    dataset: ExportDataset = ExportDataset.EVENTS,
    window: tuple[datetime | None, datetime | None] = (None, None),
) -> int:
    """The id of a new job."""
    wanted = Wanted(campaign, dataset, format_, *window, client_id="acme", key=None)
    async with database.write(workspace) as transaction:
        return await asking.start(transaction, wanted, "ada")


async def cancel(database: Database, workspace: int, job: int) -> None:
    async with database.write(workspace) as transaction:
        await asking.cancel(transaction, job)


async def run(database: Database, objects: Objects, workspace: int, job: int, options: Options = SMALL) -> None:
    """Works on a job in this process, as the worker does."""
    await export(database, objects, workspace, job, asyncio.Event(), options)


async def job_row(database: Database, workspace: int, job: int) -> Any:
    async with database.write(workspace) as transaction:
        return await transaction.row(text("SELECT * FROM export_jobs WHERE id = :id"), {"id": job})


async def ended(database: Database, workspace: int, job: int, worker: "subprocess.Popen[bytes] | None" = None) -> Any:
    """The job, once it has ended. What is waited for is another process, which must live, or may be."""
    while worker is None or worker.poll() is None:
        row = await job_row(database, workspace, job)
        if row.finished_at is not None:
            return row
        await asyncio.sleep(0.02)
    raise AssertionError("the worker ended, and the job did not")


async def hashes(database: Database, workspace: int, job: int) -> list[tuple[int, int, str]]:
    """Rows, size and hash of each part."""
    return [(part.rows, part.size_bytes, part.sha256) for part in await parts_of(database, workspace, job)]


async def parts_of(database: Database, workspace: int, job: int) -> list[working.Part]:
    async with database.write(workspace) as transaction:
        return await working.parts(transaction, job)


async def contents(database: Database, objects: Objects, workspace: int, job: int) -> list[bytes]:
    """The bytes of each part, which are what the list of parts says."""
    found = []
    for part in await parts_of(database, workspace, job):
        content = await objects.read(part.path)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part.size_bytes, part.sha256)
        found.append(content)
    return found


async def manifest_path(objects: Objects, workspace: int, job: int) -> str:
    """Where the only manifest of a job is."""
    [path] = [one for one in await objects.listed(f"exports/{workspace}/{job}") if "/manifest-" in one]
    return path


async def manifest_of(objects: Objects, workspace: int, job: int) -> Any:
    """What the manifest of a job says; it is named by its hash."""
    path = await manifest_path(objects, workspace, job)
    content = await objects.read(path)
    assert path.endswith(f"/manifest-{hashlib.sha256(content).hexdigest()[:12]}.json")
    return orjson.loads(content)


def rows(parts: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows of parts in JSON Lines."""
    return [orjson.loads(line) for part in parts for line in part.splitlines()]
