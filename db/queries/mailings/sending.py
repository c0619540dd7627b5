"""What a sender does in the database: it finds work, claims recipients, and settles leases that are over.

A claim is a lease: recipients are QUEUED, ``claimed_by`` a worker, ``claimed_until`` some time. Just before a message is sent
its intent is written, and what came of it afterwards: see ``db.queries.mailings.outcomes``. So a lease that is over says all
there is to know: without an intent nothing was sent; with one, and without an outcome, nobody knows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from db.engine import Transaction
from db.models.email_words import LONGEST_REASON
from db.queries.mailings.statements import IDS, MAILING, UNSENT, UNTIL, WORKER, WORKSPACE, statement
from db.statements import Rows

# ruff: noqa: S608 - what is put into these statements are constants

SETTLED_AT_ONCE = 1_000
"""Leases that one look settles, at most."""
DUE_AT_ONCE = 100
"""Mailings that one look finds due, at most."""
UNKNOWN = (
    "Not known whether it was sent: the worker that was about to send it ended, or could not reach the database, before "
    "it could write down what came of it."
)


@dataclass(frozen=True, slots=True)
class Running:
    """A mailing that is RUNNING. ``wait``: seconds until anything more of it is claimed.

    ``is_back``: it says that it waits for the mail server, and did so for long enough.
    """

    workspace_id: int
    id: int
    is_limited: bool
    wait: float
    is_back: bool


@dataclass(frozen=True, slots=True)
class Leases:
    """What became of leases that were over."""

    given_back: int
    uncertain: int


async def due(transaction: Transaction, late_after: float) -> Rows:
    """Scheduled mailings whose time has come, of every workspace: ``workspace_id``, ``id``, ``scheduled_at``, ``found_at``,
    and ``is_late``: whether that was more than so many seconds ago."""
    found = statement(_DUE, "workspace_id id scheduled_at found_at is_late")
    return await transaction.rows(found, {"late_after": late_after, "most": DUE_AT_ONCE})


_DUE = """
    SELECT workspace_id, id, scheduled_at, now() AS found_at,
      scheduled_at < now() - make_interval(secs => CAST(:late_after AS double precision)) AS is_late
    FROM mailings WHERE status = 'SCHEDULED' AND scheduled_at <= now()
    ORDER BY scheduled_at, id LIMIT CAST(:most AS bigint)
"""


async def is_due(transaction: Transaction, mailing_id: int, status: str) -> bool:
    """Whether a mailing has a status and its time has come. It is locked then."""
    values = {"mailing": mailing_id, "status": status}
    return await transaction.row(statement(_IS_DUE, "id"), values) is not None


_IS_DUE = f"""
    SELECT id FROM mailings WHERE workspace_id = {WORKSPACE} AND id = {MAILING} AND status = CAST(:status AS text)
      AND scheduled_at <= now() FOR NO KEY UPDATE
"""


async def running(transaction: Transaction) -> list[Running]:
    """All mailings that are RUNNING, of every workspace, in a fixed order."""
    found = statement(_RUNNING, "workspace_id id is_limited wait is_back")
    return [Running(*row) for row in await transaction.rows(found)]


# All who are left may wait for their next attempt.
_RUNNING = """
    SELECT m.workspace_id, m.id, m.messages_per_minute IS NOT NULL AS is_limited,
      CAST(extract(epoch FROM greatest(now(), m.send_after, first.try_after) - now()) AS double precision) AS wait,
      m.status_reason IS NOT NULL AND (m.send_after IS NULL OR m.send_after <= now()) AS is_back
    FROM mailings m LEFT JOIN LATERAL (
      SELECT r.try_after FROM recipients r
      WHERE r.workspace_id = m.workspace_id AND r.mailing_id = m.id AND r.status = 'PENDING'
      ORDER BY r.try_after, r.id LIMIT 1) first ON true
    WHERE m.status = 'RUNNING' ORDER BY m.workspace_id, m.id
"""


async def settle(transaction: Transaction) -> Leases:
    """Settles leases that are over, of every workspace. Whoever does the same at once takes others."""
    values = {"most": SETTLED_AT_ONCE, "unknown": UNKNOWN}
    row = await transaction.row(statement(_SETTLE, "given_back uncertain"), values)
    return Leases(row.given_back, row.uncertain)


_SETTLE = """
    WITH over AS MATERIALIZED (
      SELECT workspace_id, id FROM recipients WHERE claimed_until <= now()
      ORDER BY workspace_id, id LIMIT CAST(:most AS bigint) FOR NO KEY UPDATE SKIP LOCKED
    ), settled AS (
      UPDATE recipients r SET claimed_by = NULL, claimed_until = NULL, updated_at = now(),
        queued_at = CASE WHEN r.intent_at IS NOT NULL THEN r.queued_at END,
        uncertain_at = CASE WHEN r.intent_at IS NOT NULL AND r.sent_at IS NULL THEN now() END,
        error_message = CASE WHEN r.intent_at IS NOT NULL AND r.sent_at IS NULL
          THEN CAST(:unknown AS text) ELSE r.error_message END
      FROM over WHERE r.workspace_id = over.workspace_id AND r.id = over.id RETURNING r.intent_at, r.uncertain_at
    )
    SELECT count(*) FILTER (WHERE intent_at IS NULL) AS given_back, count(uncertain_at) AS uncertain FROM settled
"""


async def content(transaction: Transaction, mailing_id: int) -> Any:
    """What a started mailing sends, which does not change: ``from_address``, ``subject``, ``html``, ``text``, and
    ``link_ids``, in the order of their positions."""
    found = statement(_CONTENT, "from_address subject html text link_ids")
    return await transaction.row(found, {"mailing": mailing_id})


_CONTENT = f"""
    SELECT from_address, subject, html, text, ARRAY(SELECT k.id FROM tracked_links k
      WHERE k.workspace_id = m.workspace_id AND k.mailing_id = m.id ORDER BY k.position) AS link_ids
    FROM mailings m WHERE workspace_id = {WORKSPACE} AND id = {MAILING}
"""


async def claim(transaction: Transaction, mailing_id: int, worker: int, lease: float, most: int) -> Rows:
    """Claims recipients of a mailing that is RUNNING and not held back, longest waiting first, for so many seconds.

    Answers ``id``, ``email_address``, ``attempts``, ``is_suppressed`` and of the lead ``name``, ``key``, ``attributes`` (JSON,
    or None). Those whose address is suppressed are not claimed, but have failed.
    """
    values = {"mailing": mailing_id, "worker": worker, "lease": lease, "most": most}
    columns = "id email_address attempts is_suppressed name key attributes"
    return await transaction.rows(statement(_CLAIM, columns), values)


# Locked in the order of the index, and by nobody twice: SKIP LOCKED.
_CLAIM = f"""
    WITH picked AS MATERIALIZED (
      SELECT r.id, r.address, r.lead_id FROM recipients r
      WHERE r.workspace_id = {WORKSPACE} AND r.mailing_id = {MAILING} AND r.status = 'PENDING' AND r.try_after <= now()
        AND EXISTS (SELECT FROM mailings WHERE workspace_id = {WORKSPACE} AND id = {MAILING} AND status = 'RUNNING'
          AND (send_after IS NULL OR send_after <= now()))
      ORDER BY r.try_after, r.id LIMIT CAST(:most AS bigint) FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE recipients r SET updated_at = now(),
      queued_at = CASE WHEN s.address IS NULL THEN now() END,
      claimed_by = CASE WHEN s.address IS NULL THEN {WORKER} END,
      claimed_until = CASE WHEN s.address IS NULL THEN {UNTIL} END,
      failed_at = CASE WHEN s.address IS NOT NULL THEN now() END,
      is_suppressed = s.address IS NOT NULL,
      error_message = CASE WHEN s.address IS NOT NULL THEN {UNSENT} ELSE r.error_message END
    FROM picked p JOIN leads l ON l.workspace_id = {WORKSPACE} AND l.id = p.lead_id
      LEFT JOIN suppressions s ON s.workspace_id = {WORKSPACE} AND s.address = p.address
    WHERE r.workspace_id = {WORKSPACE} AND r.id = p.id
    RETURNING r.id AS id, r.email_address AS email_address, r.attempts AS attempts, r.is_suppressed AS is_suppressed,
      l.name AS name, l.key AS key, CAST(l.attributes AS text) AS attributes
"""


async def claim_limited(
    transaction: Transaction, mailing_id: int, worker: int, lease: float, most: int
) -> tuple[Rows, float] | None:
    """The same of a mailing with a rate: what it allows for about a second, and after how many seconds there will be more.
    None: it is held back, or somebody else is at it just now.

    ``send_after`` moves on by the time for which these are enough, whoever claims. What was not claimed in time is made up
    for, but for no more than a second of it.
    """
    limit = await transaction.row(statement(_LIMIT, "messages_per_minute"), {"mailing": mailing_id})
    if limit is None:
        return None
    rate = limit.messages_per_minute
    rows = await claim(transaction, mailing_id, worker, lease, min(most, max(1, rate // 60)))
    count = sum(not row.is_suppressed for row in rows)
    moved = await transaction.row(statement(_MOVE_ON, "wait"), {"mailing": mailing_id, "seconds": count * 60 / rate})
    return rows, moved.wait if count else 0.0


_MINE = f"workspace_id = {WORKSPACE} AND id = {MAILING}"
_WAIT = "CAST(greatest(0, extract(epoch FROM send_after - now())) AS double precision) AS wait"
_LIMIT = f"""
    SELECT messages_per_minute FROM mailings WHERE {_MINE} AND status = 'RUNNING' AND messages_per_minute IS NOT NULL
      AND (send_after IS NULL OR send_after <= now()) FOR NO KEY UPDATE SKIP LOCKED
"""
_MOVE_ON = f"""
    UPDATE mailings SET status_reason = NULL, send_after = greatest(coalesce(send_after, now()), now() - interval '1 second')
      + make_interval(secs => CAST(:seconds AS double precision)) WHERE {_MINE} RETURNING {_WAIT}
"""


async def renew(transaction: Transaction, ids: Collection[int], worker: int, lease: float) -> None:
    """Renews the leases of recipients that a worker is still at."""
    await transaction.rows(statement(_RENEW), {"ids": sorted(ids), "worker": worker, "lease": lease})


_RENEW = f"""
    UPDATE recipients SET claimed_until = {UNTIL} WHERE workspace_id = {WORKSPACE} AND id = {IDS} AND claimed_by = {WORKER}
"""


async def hold_back(transaction: Transaction, mailing_ids: Collection[int], seconds: float, reason: str) -> None:
    """Claims nothing of some mailings for a while, and says why."""
    values = {"ids": sorted(mailing_ids), "seconds": seconds, "reason": reason[:LONGEST_REASON]}
    await transaction.rows(statement(_HOLD_BACK), values)


async def let_go(transaction: Transaction, mailing_id: int) -> None:
    """Says no more why a mailing waits that is held back no longer."""
    await transaction.rows(statement(_LET_GO), {"mailing": mailing_id})


_HOLD_BACK = f"""
    WITH locked AS MATERIALIZED (
      SELECT id FROM mailings WHERE workspace_id = {WORKSPACE} AND id = {IDS} AND status = 'RUNNING'
      ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE mailings m SET status_reason = CAST(:reason AS text),
      send_after = greatest(m.send_after, now() + make_interval(secs => CAST(:seconds AS double precision)))
    FROM locked WHERE m.workspace_id = {WORKSPACE} AND m.id = locked.id
"""
_LET_GO = f"""
    UPDATE mailings SET status_reason = NULL WHERE {_MINE} AND status = 'RUNNING' AND status_reason IS NOT NULL
      AND (send_after IS NULL OR send_after <= now())
"""
