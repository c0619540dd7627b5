"""Working on an export: who may, how far it is, which files are finished, and how it ended.

A worker that begins, or goes on where another one stopped, counts up the job's attempt. Each later step is taken only if
the attempt is still the last one and the job still runs: then nobody else has it, and nobody has called it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, func, insert, select, text, update

from db.engine import Reads, Transaction
from db.models.exports import ExportJob, ExportPart, JobStatus
from db.models.live import ChangeKind, Topic
from db.queries.live import outbox
from db.statements import Rows, prepared, workspace

_GOES_ON = (JobStatus.QUEUED.value, JobStatus.RUNNING.value)


@dataclass(frozen=True)
class Attempt:
    """One worker's attempt at a job."""

    job_id: int
    number: int


@dataclass(frozen=True)
class Part:
    """A finished file. ``last_at`` and ``last_id``: its last fact; None where it has none."""

    index: int
    path: str
    rows: int
    size_bytes: int
    sha256: str
    last_at: datetime | None
    last_id: int | None


async def claim(transaction: Transaction, job_id: int) -> Any:
    """The job, from now on this worker's: its columns, ``attempt`` counted up. None where it has ended, or is not there."""
    done = (
        select(func.coalesce(func.sum(ExportPart.rows), 0))
        .where(ExportPart.workspace_id == transaction.workspace, ExportPart.export_job_id == job_id)
        .scalar_subquery()
    )
    columns: list[Any] = [ExportJob.__table__.c[name] for name in _JOB]
    statement = (
        update(ExportJob)
        .where(*_is(transaction, job_id), ExportJob.status.in_(_GOES_ON))
        .values(
            attempt=ExportJob.attempt + 1,
            status=JobStatus.RUNNING.value,
            started_at=func.coalesce(ExportJob.started_at, func.clock_timestamp()),
            rows_done=done,
        )
        .returning(*columns)
    )
    row = await transaction.row(statement)
    if row is not None:
        await _tell(transaction, job_id)
    return row


async def parts(transaction: Transaction | Reads, job_id: int) -> list[Part]:
    """The files that are finished, in order."""
    return [Part(*row) for row in await transaction.rows(_parts(), {"job": job_id})]


@prepared
def _parts() -> Any:
    columns = [getattr(ExportPart, name) for name in Part.__dataclass_fields__]
    mine = (ExportPart.workspace_id == workspace(), ExportPart.export_job_id == bindparam("job", type_=BigInteger))
    return select(*columns).where(*mine).order_by(ExportPart.index)


async def standing(reads: Reads, job_id: int) -> Any:
    """The ``status`` and the last ``attempt`` of a job; None where it is not there."""
    return await reads.row(_standing(), {"job": job_id})


@prepared
def _standing() -> Any:
    mine = (ExportJob.workspace_id == workspace(), ExportJob.id == bindparam("job", type_=BigInteger))
    return select(ExportJob.status, ExportJob.attempt).where(*mine)


async def counted(transaction: Transaction, attempt: Attempt, total: int) -> bool:
    """Writes down how many rows there are. Answers whether the job is still this attempt's."""
    return await _step(transaction, attempt, {"rows_total": func.greatest(total, ExportJob.rows_done)})


async def progress(transaction: Transaction, attempt: Attempt, rows: int) -> bool:
    """Writes down how many rows are written. Answers whether the job is still this attempt's."""
    return await _step(transaction, attempt, _done(rows))


async def save_part(transaction: Transaction, attempt: Attempt, part: Part, rows: int) -> bool:
    """Adds a file that is in the store, with which so many rows are written. Answers whether the job is still this attempt's."""
    if not await _change(transaction, attempt, {**_done(rows), "failures": 0}):  # locks the job
        return False
    values = {name: getattr(part, name) for name in Part.__dataclass_fields__}
    where = {"workspace_id": transaction.workspace_id, "export_job_id": attempt.job_id}
    await transaction.run(insert(ExportPart).values(**where, **values))
    await _tell(transaction, attempt.job_id)
    return True


async def succeed(transaction: Transaction, attempt: Attempt, rows: int, manifest_path: str) -> bool:
    """Ends the job well. Answers whether it was still this attempt's."""
    done = {"rows_done": rows, "rows_total": rows, "manifest_path": manifest_path}
    return await _end(transaction, attempt, JobStatus.SUCCEEDED, done)


async def fail(transaction: Transaction, attempt: Attempt, message: str) -> bool:
    """Ends the job with a message for whoever asked for it. Answers whether it was still this attempt's."""
    return await _end(transaction, attempt, JobStatus.FAILED, {"error_message": message})


async def store_failed(transaction: Transaction, attempt: Attempt) -> int | None:
    """Counts a failure of the object store. Answers how many there were since the last part; None where the job is not
    this attempt's any more."""
    counting = (
        update(ExportJob)
        .where(*_is_still(transaction, attempt))
        .values(failures=ExportJob.failures + 1)
        .returning(ExportJob.failures)
    )
    found: int | None = await transaction.scalar(counting)
    return found


async def forget_parts(transaction: Transaction, job_id: int) -> None:
    """Removes the files of a job that was called off from its list."""
    mine = (ExportPart.workspace_id == transaction.workspace, ExportPart.export_job_id == job_id)
    await transaction.run(delete(ExportPart).where(*mine))
    await _tell(transaction, job_id)


async def unfinished(transaction: Transaction) -> Rows:
    """``workspace_id`` and ``id`` of the jobs that something is still to be done about, of every workspace: those that
    have not ended, and those that were called off and still have files."""
    return await transaction.rows(_UNFINISHED)


_UNFINISHED = text(
    "SELECT workspace_id, id FROM export_jobs j WHERE finished_at IS NULL OR (status = 'CANCELLED' AND EXISTS "
    "(SELECT FROM export_parts p WHERE p.workspace_id = j.workspace_id AND p.export_job_id = j.id)) "
    "ORDER BY workspace_id, id"
)
_JOB = (
    *("id", "campaign_id", "client_id", "dataset", "format", "window_from", "window_to", "upto_id"),
    *("attempt", "rows_done", "rows_total", "created_at", "api_client_id"),
)


def _is(transaction: Transaction, job_id: int) -> tuple[Any, Any]:
    return ExportJob.workspace_id == transaction.workspace, ExportJob.id == job_id


def _is_still(transaction: Transaction, attempt: Attempt) -> tuple[Any, ...]:
    runs = ExportJob.status == JobStatus.RUNNING.value
    return (*_is(transaction, attempt.job_id), ExportJob.attempt == attempt.number, runs)


def _done(rows: int) -> Mapping[str, Any]:
    # What changes may have become more than were counted.
    return {"rows_done": rows, "rows_total": func.greatest(ExportJob.rows_total, rows)}


async def _change(transaction: Transaction, attempt: Attempt, values: Mapping[str, Any]) -> bool:
    changing = update(ExportJob).where(*_is_still(transaction, attempt)).values(**values)
    return await transaction.run(changing) == 1


async def _step(transaction: Transaction, attempt: Attempt, values: Mapping[str, Any]) -> bool:
    mine = await _change(transaction, attempt, values)
    if mine:
        await _tell(transaction, attempt.job_id)
    return mine


async def _end(transaction: Transaction, attempt: Attempt, status: JobStatus, values: Mapping[str, Any]) -> bool:
    # Not now(), which is when the transaction began.
    ended = {"status": status.value, "finished_at": func.clock_timestamp(), **values}
    return await _step(transaction, attempt, ended)


async def _tell(transaction: Transaction, job_id: int) -> None:
    await outbox.append(transaction, [outbox.Change(Topic.EXPORTS, job_id, ChangeKind.CHANGED)])
