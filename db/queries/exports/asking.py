"""Asking for an export, and calling it off."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from db import queue
from db.engine import Transaction
from db.errors import Problem, ProblemCode, Refused, conflict, not_found
from db.models.exports import ExportDataset, ExportFormat, ExportJob, JobStatus
from db.models.live import ChangeKind, Topic
from db.queries.events import barrier
from db.queries.live import outbox

ENTRYPOINT = "export"
"""The name under which the queue's workers know these jobs."""
MOST_UNFINISHED = 100
"""Exports of a workspace, or of a restricted API client, that have not ended."""

# Where the keys of the facts stand: all that are committed are at most that, and later ones are more. Unlike the largest
# key of a workspace it costs the same for everybody, restricted API clients included, whose policies a scan would go through.
_SEQUENCES = {
    ExportDataset.EVENTS: "events_id_seq",
    ExportDataset.IMPRESSIONS: "impressions_id_seq",
    ExportDataset.ENGAGEMENTS: "engagements_id_seq",
}
_UNIQUE = (ExportJob.workspace_id, ExportJob.key)


@dataclass(frozen=True)
class Wanted:
    """What is asked for. Two that have the same ``key`` must be the same in all else."""

    campaign_id: int
    dataset: ExportDataset
    format: ExportFormat
    window_from: datetime | None
    window_to: datetime | None
    client_id: str | None
    key: str | None

    def values(self) -> dict[str, Any]:
        """By column."""
        return {
            "campaign_id": self.campaign_id,
            "dataset": self.dataset.value,
            "format": self.format.value,
            "window_from": self.window_from,
            "window_to": self.window_to,
            "client_id": self.client_id,
            "key": self.key,
        }


async def start(transaction: Transaction, wanted: Wanted, created_by: str) -> int:
    """Puts an export in the queue and answers its id; where the key is known, that of the first one.

    The campaign is there. Raises Refused where the key belongs to something else.
    """
    known = await _of_key(transaction, wanted)
    if known is not None:
        return known
    await _insist_on_room(transaction)
    # Held until the commit, and short: nobody records events of the campaign meanwhile.
    if wanted.dataset == ExportDataset.EVENTS:
        await barrier.settled(transaction, wanted.campaign_id)
    values = {
        **wanted.values(),
        "upto_id": await _upto(transaction, wanted.dataset),
        "created_by": created_by,
        "api_client_id": transaction.client_id,
    }
    job_id = await _inserted(transaction, values)
    if job_id is None:
        # Somebody else came first, and is committed: a new statement sees it.
        known = await _of_key(transaction, wanted)
        if known is None:
            raise _taken()
        return known
    await queue.enqueue(transaction, ENTRYPOINT, {"workspace": transaction.workspace_id, "export": job_id})
    await _tell(transaction, job_id)
    return job_id


async def _of_key(transaction: Transaction, wanted: Wanted) -> int | None:
    """The export of the same key, if there is one. Raises Refused where it is of something else."""
    if wanted.key is None:
        return None
    asked = wanted.values()
    columns = [getattr(ExportJob, name) for name in asked]
    statement = select(ExportJob.id, *columns).where(
        ExportJob.workspace_id == transaction.workspace, ExportJob.key == wanted.key
    )
    row = await transaction.row(statement)
    if row is None:
        return None
    if any(getattr(row, name) != value for name, value in asked.items()):
        raise _taken()
    return int(row.id)


async def _insist_on_room(transaction: Transaction) -> None:
    """Refuses what would make others wait too long: the queue is first come, first served. A race may let in a few more."""
    waiting = (ExportJob.workspace_id == transaction.workspace, ExportJob.finished_at.is_(None))
    if int(await transaction.scalar(select(func.count()).select_from(ExportJob).where(*waiting))) >= MOST_UNFINISHED:
        message = f"At most {MOST_UNFINISHED} exports may be unfinished. Wait for some, or cancel them."
        raise Refused([Problem(ProblemCode.LIMIT_REACHED, message, ())])


def _taken() -> Refused:
    return Refused([conflict("This key belongs to another export, of something else.", "key")])


async def _upto(transaction: Transaction, dataset: ExportDataset) -> int:
    position = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_SEQUENCES[dataset]}")  # noqa: S608
    return int(await transaction.scalar(position))


async def _inserted(transaction: Transaction, values: Mapping[str, Any]) -> int | None:
    """The id of a new job; None where its key is taken."""
    statement = (
        insert(ExportJob)
        .values(workspace_id=transaction.workspace_id, status=JobStatus.QUEUED.value, **values)
        .on_conflict_do_nothing(index_elements=_UNIQUE)
        .returning(ExportJob.id)
    )
    found: int | None = await transaction.scalar(statement)
    return found


async def cancel(transaction: Transaction, job_id: int) -> None:
    """Calls an export off; whoever works on it removes what it wrote. Again changes nothing.

    Raises Refused where there is none, or it has ended in another way.
    """
    own = (ExportJob.workspace_id == transaction.workspace, ExportJob.id == job_id)
    row = await transaction.row(select(ExportJob.status).where(*own).with_for_update())
    if row is None:
        raise Refused([not_found("No such export.", "id")])
    if row.status == JobStatus.CANCELLED:
        return
    if row.status in (JobStatus.SUCCEEDED, JobStatus.FAILED):
        raise Refused([conflict(f"The export has ended already: it is {row.status}.", "id")])
    # Not now(), which is when the transaction began: a worker may have started the job since then.
    ended = {"status": JobStatus.CANCELLED.value, "finished_at": func.clock_timestamp()}
    await transaction.run(update(ExportJob).where(*own).values(ended))
    await _tell(transaction, job_id)


async def _tell(transaction: Transaction, job_id: int) -> None:
    await outbox.append(transaction, [outbox.Change(Topic.EXPORTS, job_id, ChangeKind.CHANGED)])
