"""Exports as a worker would have left them: jobs and files without anybody who works."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from db.engine import Database
from db.models.exports import JobStatus
from db.models.live import ChangeKind, Topic
from db.queries.live import outbox
from graph.ids import key_of

_FINAL = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)
_JOB = text(
    "INSERT INTO export_jobs (workspace_id, campaign_id, dataset, format, status, upto_id, rows_done, rows_total, error_message, "
    "manifest_path, created_by, started_at, finished_at) VALUES (:workspace, :campaign, 'EVENTS', :format, :status, 0, :done, :total, :error, "
    ":manifest, 'ada', now(), CASE WHEN :ended THEN now() END) RETURNING id"
)
_PART = text(
    "INSERT INTO export_parts (workspace_id, export_job_id, index, path, rows, size_bytes, sha256, last_at, last_id) "
    "VALUES (:workspace, :job, :index, :path, :rows, :size, :hash, now(), 1)"
)


async def put_job(
    database: Database,
    workspace_id: int,
    campaign: str,
    status: JobStatus = JobStatus.RUNNING,
    contents: Sequence[bytes] = (),
    kind: str = "CSV",
) -> int:
    """A job and its parts, each of one row: the key of the job. No file is written."""
    values = {
        "workspace": workspace_id,
        "campaign": key_of("Campaign", campaign),
        "format": kind,
        "status": status.value,
        "done": len(contents),
        "total": len(contents),
        "error": "The disk is full." if status == JobStatus.FAILED else None,
        "ended": status in _FINAL,
        "manifest": f"exports/{workspace_id}/manifest.json" if status == JobStatus.SUCCEEDED else None,
    }
    async with database.write(workspace_id) as transaction:
        job_id = int(await transaction.scalar(_JOB, values))
        for index, content in enumerate(contents):
            part = {
                "workspace": workspace_id,
                "job": job_id,
                "index": index,
                "path": path_of(workspace_id, job_id, index, kind),
                "rows": 1,
                "size": len(content),
                "hash": hashlib.sha256(content).hexdigest(),
            }
            await transaction.run(_PART, part)
    return job_id


def path_of(workspace_id: int, job_id: int, index: int, kind: str = "CSV") -> str:
    """Where a part is kept."""
    return f"exports/{workspace_id}/{job_id}/part-{index:05d}.{kind.lower()}"


def put_file(data_dir: Path, path: str, content: bytes) -> None:
    """A file in the folder of objects."""
    file = data_dir / "objects" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


async def set_status(database: Database, workspace_id: int, job_id: int, values: dict[str, Any]) -> None:
    """Changes a job as a worker does, and tells of it."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    ended = ", finished_at = now()" if values.get("status") in _FINAL else ""
    listed = ", manifest_path = 'exports/manifest.json'" if values.get("status") == JobStatus.SUCCEEDED else ""
    statement = text(f"UPDATE export_jobs SET {assignments}{ended}{listed} WHERE id = :id")
    async with database.write(workspace_id) as transaction:
        await transaction.run(statement, {**values, "id": job_id})
        await outbox.append(transaction, [outbox.Change(Topic.EXPORTS, job_id, ChangeKind.CHANGED)])
