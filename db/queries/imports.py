"""Import runs: how far a file was read, advanced together with the rows it counts."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from db.engine import Transaction
from db.models.imports import ImportRun

COUNTS = ("rows_read", "accepted", "duplicates", "rejected", "rejects_bytes")
"""What a run counts. Each is a column."""


async def begin(transaction: Transaction, fingerprint: str) -> Any:
    """The run of this fingerprint, made where it is new, locked until the transaction ends: COUNTS, finished_at."""
    fresh = insert(ImportRun).values(workspace_id=transaction.workspace_id, fingerprint=fingerprint)
    await transaction.run(fresh.on_conflict_do_nothing())
    return await locked(transaction, fingerprint)


async def locked(transaction: Transaction, fingerprint: str) -> Any:
    """The run, locked until the transaction ends; None where there is none."""
    columns = [getattr(ImportRun, name) for name in (*COUNTS, "finished_at")]
    statement = select(*columns).where(*_is(transaction, fingerprint)).with_for_update()
    return await transaction.row(statement)


async def save(transaction: Transaction, fingerprint: str, counts: dict[str, int]) -> None:
    """Writes the counts of a run that is locked."""
    await transaction.run(update(ImportRun).where(*_is(transaction, fingerprint)).values(**counts))


async def finish(transaction: Transaction, fingerprint: str) -> None:
    """Marks a run as finished."""
    done = update(ImportRun).where(*_is(transaction, fingerprint)).values(finished_at=datetime.now(UTC))
    await transaction.run(done)


async def restart(transaction: Transaction, fingerprint: str) -> None:
    """Sets a run back to its beginning. What it recorded stays and will be known."""
    nothing: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "finished_at": None}
    await transaction.run(update(ImportRun).where(*_is(transaction, fingerprint)).values(**nothing))


def _is(transaction: Transaction, fingerprint: str) -> tuple[Any, Any]:
    return ImportRun.workspace_id == transaction.workspace, ImportRun.fingerprint == fingerprint
