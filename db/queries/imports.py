"""Import runs: how far a file was read, advanced together with the rows it counts, and the rows that have to wait."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, any_, delete, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from db.engine import Transaction
from db.models.imports import ImportRun, ImportWaiting
from db.statements import Rows

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
    await transaction.run(delete(ImportWaiting).where(*_waits(transaction, fingerprint)))
    nothing: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "finished_at": None}
    await transaction.run(update(ImportRun).where(*_is(transaction, fingerprint)).values(**nothing))


async def wait(transaction: Transaction, fingerprint: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keeps rows for later: each with its line, its key, the key it waits for, and itself as JSON."""
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("line", "key", "waits_for", "row")}
    of_run = {"workspace": transaction.workspace_id, "fingerprint": fingerprint}
    if rows:
        await transaction.run(_WAIT, {**of_run, **columns})


async def ready(transaction: Transaction, fingerprint: str, limit: int) -> Rows:
    """Some of the rows that wait for a comment that is there, or for such a row. Each comes behind its parent."""
    of_run = {"workspace": transaction.workspace_id, "fingerprint": fingerprint}
    return await transaction.rows(_READY, {**of_run, "limit": limit})


async def waiting(transaction: Transaction, fingerprint: str, limit: int) -> Rows:
    """The first rows that wait, by line."""
    statement = select(ImportWaiting.line, ImportWaiting.row).where(*_waits(transaction, fingerprint))
    return await transaction.rows(statement.order_by(ImportWaiting.line).limit(limit))


async def leave(transaction: Transaction, fingerprint: str, lines: Sequence[int]) -> None:
    """Rows of these lines wait no longer."""
    lines_of_run = ImportWaiting.line == any_(literal(lines, ARRAY(BigInteger)))
    await transaction.run(delete(ImportWaiting).where(*_waits(transaction, fingerprint), lines_of_run))


_WAIT = text(
    "INSERT INTO import_waiting (workspace_id, fingerprint, line, key, waits_for, row) "
    "SELECT CAST(:workspace AS bigint), :fingerprint, new.* FROM unnest(CAST(:line AS bigint[]), CAST(:key AS text[]), "
    "CAST(:waits_for AS text[]), CAST(:row AS text[])) AS new"
)
# The recursion ends with the rows that are asked for: PostgreSQL goes on only as long as the outer query takes rows.
_READY = text(
    "WITH RECURSIVE ready AS ("
    "SELECT line, key, row FROM import_waiting w WHERE w.workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND w.fingerprint = :fingerprint AND EXISTS (SELECT FROM engagements e WHERE e.key = w.waits_for "
    "AND e.workspace_id = (SELECT CAST(:workspace AS bigint)) AND e.type = 'COMMENT') "
    "UNION SELECT w.line, w.key, w.row FROM ready CROSS JOIN LATERAL (SELECT * FROM import_waiting w "
    "WHERE w.workspace_id = (SELECT CAST(:workspace AS bigint)) AND w.fingerprint = :fingerprint "
    "AND w.waits_for = ready.key OFFSET 0) w) "
    "SELECT line, row FROM ready LIMIT :limit"
)
# OFFSET 0 keeps the lookup by index for each row: joined at large, all that waits would be read once a level.


def _waits(transaction: Transaction, fingerprint: str) -> tuple[Any, Any]:
    return ImportWaiting.workspace_id == transaction.workspace, ImportWaiting.fingerprint == fingerprint


def _is(transaction: Transaction, fingerprint: str) -> tuple[Any, Any]:
    return ImportRun.workspace_id == transaction.workspace, ImportRun.fingerprint == fingerprint
