"""Idempotency keys: claimed by a transaction, kept with what it changes, found again, and swept."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Boolean, LargeBinary, Text, column, text

from db.engine import Database, Transaction
from db.statements import prepared

_CLASS = 731_630
"""Any constant will do; see ``db.queries.events.barrier``."""
_AT_ONCE = 1_000
"""Keys that one transaction sweeps."""


@dataclass(frozen=True)
class Kept:
    """What was answered to a request."""

    request: bytes
    answer: bytes
    is_reachable: bool
    """Whether all that was granted to who asked then still is."""


@dataclass(frozen=True)
class Claim:
    """What a transaction has found of a key."""

    is_free: bool
    """Whether no other transaction runs for the key. None will until this one ends."""
    kept: Kept | None


async def claim(transaction: Transaction, digest: bytes) -> Claim:
    """Claims a key for as long as the transaction runs, if nobody else has. Waits for nobody.

    The answer of who ended at this very moment may be missing in what is found; then ``keep`` finds it.
    """
    lock = int.from_bytes(digest[:8], "big", signed=True)
    row = await transaction.row(_claim(), {"digest": digest, "lock": lock, "client": transaction.client_id})
    kept = None if row.answer is None else Kept(row.request, row.answer, row.is_reachable)
    return Claim(row.is_free, kept)


async def take_turn(transaction: Transaction, *, alone: bool) -> None:
    """Waits until nobody of the workspace runs alone; ``alone``: until nobody runs who took a turn. Comes before all locks but ``claim``'s.

    For transactions of several changes: each of those locks in order, and all together do not.
    """
    await transaction.run(_ALONE if alone else _BESIDE, {"workspace": transaction.workspace_id})


async def keep(transaction: Transaction, digest: bytes, request: bytes, answer: bytes, lasts: timedelta) -> bool:
    """Keeps an answer, with all that the transaction changes. False where another is kept: roll back, and take that."""
    values = {"digest": digest, "request": request, "answer": answer, "client": transaction.client_id}
    return await transaction.row(_keep(), {**values, "lasts": str(int(lasts.total_seconds()))}) is not None


async def sweep(database: Database) -> int:
    """Removes some of the keys whose time has passed, in every workspace; answers how many. Call it until it answers 0."""
    async with database.everywhere() as transaction:
        return await transaction.run(_SWEEP, {"most": _AT_ONCE})


_GRANTED = (
    "ARRAY(SELECT campaign_id FROM api_client_campaigns WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND api_client_id = CAST(:client AS bigint) ORDER BY campaign_id)"
)


@prepared
def _claim() -> Any:
    found = text(
        "SELECT is_free, request, answer, granted IS NULL OR granted <@ " + _GRANTED + " AS is_reachable "
        "FROM pg_try_advisory_xact_lock(CAST(:lock AS bigint)) AS lock (is_free) LEFT JOIN idempotency_keys "
        "ON workspace_id = (SELECT CAST(:workspace AS bigint)) AND digest = CAST(:digest AS bytea) AND expires_at > now()"
    )
    columns = (column("request", LargeBinary), column("answer", LargeBinary), column("is_reachable", Boolean))
    return found.columns(column("is_free", Boolean), *columns)


# What is there already stands, unless its time has passed: then it is as good as swept.
@prepared
def _keep() -> Any:
    kept = text(
        "INSERT INTO idempotency_keys AS known (workspace_id, digest, request, answer, api_client_id, granted, expires_at) "
        "SELECT CAST(:workspace AS bigint), CAST(:digest AS bytea), CAST(:request AS bytea), CAST(:answer AS bytea), "
        f"CAST(:client AS bigint), CASE WHEN CAST(:client AS bigint) IS NOT NULL THEN {_GRANTED} END, "
        "now() + make_interval(secs => CAST(CAST(:lasts AS text) AS bigint)) "
        "ON CONFLICT (workspace_id, digest) DO UPDATE SET request = excluded.request, answer = excluded.answer, "
        "granted = excluded.granted, created_at = excluded.created_at, expires_at = excluded.expires_at "
        "WHERE known.expires_at <= now() RETURNING 'kept' AS kept"
    )
    return kept.columns(column("kept", Text))


_BESIDE = text(f"SELECT pg_advisory_xact_lock_shared({_CLASS}, (CAST(:workspace AS bigint) % 2147483647)::int)")
_ALONE = text(f"SELECT pg_advisory_xact_lock({_CLASS}, (CAST(:workspace AS bigint) % 2147483647)::int)")

# Workspace by workspace, as the index is. Keys that somebody writes just now are left for the next time.
_SWEEP = text(
    "DELETE FROM idempotency_keys USING (SELECT workspaces.id AS workspace_id, expired.digest FROM workspaces CROSS JOIN LATERAL "
    "(SELECT digest FROM idempotency_keys WHERE idempotency_keys.workspace_id = workspaces.id AND expires_at <= now() "
    "ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED) AS expired LIMIT :most) AS gone "
    "WHERE idempotency_keys.workspace_id = gone.workspace_id AND idempotency_keys.digest = gone.digest"
)
