"""Intents and outcomes of messages: what a sender writes just before it sends each, and what it knows afterwards.

Both are written for all connections of a sender at once. Nothing here sends, and nothing here is ever guessed: an outcome is
written only for the intent that it is of.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from db.engine import CHANGE, Transaction
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import LONGEST_REASON, EmailEventType
from db.queries.email_events.recording import record
from db.queries.mailings import barrier
from db.queries.mailings.statements import IDS, UNSENT, UNTIL, WORKER, WORKSPACE, statement

# ruff: noqa: S608 - what is put into these statements are constants

_BEGIN = f"{CHANGE}; SET LOCAL plan_cache_mode = force_generic_plan"


class OutcomeKind(StrEnum):
    """What came of a message, or of the claim of a recipient that nothing was sent to."""

    SENT = "SENT"
    RETRY = "RETRY"
    """Refused for now: to be tried again after a while."""
    GIVEN_BACK = "GIVEN_BACK"
    """Certainly not sent, for no reason of its own: anybody may claim it again."""
    FAILED = "FAILED"
    BOUNCED = "BOUNCED"
    """The server refused the address itself."""
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a recipient's claim."""

    id: int
    intent_at: datetime | None
    """Of which intent; None where there was none."""
    kind: OutcomeKind
    attempts: int
    """How often it was refused for now, this time included."""
    message: str | None = None
    elapsed: float = 0
    """Seconds from the intent until this was known."""
    delay: float = 0
    """Seconds until it is tried again."""
    code: int = 0
    """The reply's, where the address was refused."""


def begin(mailing_ids: Collection[int]) -> str:
    """How a transaction begins that intends messages of some mailings, or of none. These stay in their status until it ends:
    once a pause is committed, nothing more is intended."""
    # Planning the same again and again, for other lists, would take as long as running it.
    return "; ".join((_BEGIN, barrier.hold(mailing_ids))) if mailing_ids else _BEGIN


async def intend(
    transaction: Transaction, ids: Collection[int], worker: int, lease: float, *, again: bool = False
) -> dict[int, datetime]:
    """Writes that messages are about to be sent. Answers when, for those that may be: the claim is still the worker's, the
    mailing runs, and the address is not suppressed. The transaction is one that ``begin`` began.

    ``again``: the same was tried before, and nobody knows whether it was committed.
    """
    values = {"ids": sorted(ids), "worker": worker, "lease": lease, "again": again}
    return {row.id: row.intent_at for row in await transaction.rows(statement(_INTEND, "id intent_at"), values)}


# Recipients are looked up one by one, by a subquery that locks: the planner may not read all of a workspace for a few. Nor may
# it read what is claimed: that is little, but while somebody reads an old snapshot, its index keeps all that ever was.
_INTEND = f"""
    WITH wanted AS MATERIALIZED (
      SELECT found.id, found.mailing_id FROM unnest(CAST(:ids AS bigint[])) AS i (id) CROSS JOIN LATERAL (
        SELECT id, mailing_id FROM recipients WHERE workspace_id = {WORKSPACE} AND id = i.id OFFSET 0) found
    ), running AS MATERIALIZED (
      SELECT id FROM mailings WHERE workspace_id = {WORKSPACE} AND id = ANY (ARRAY(SELECT mailing_id FROM wanted))
        AND status = 'RUNNING'
    ), locked AS MATERIALIZED (
      SELECT mine.id FROM (SELECT id FROM wanted WHERE mailing_id IN (SELECT id FROM running)) i CROSS JOIN LATERAL (
        SELECT r.id FROM recipients r
        WHERE r.workspace_id = {WORKSPACE} AND r.id = i.id AND r.claimed_by = {WORKER}
          AND coalesce(r.claimed_until, '-infinity') > now()
          AND (r.intent_at IS NULL OR CAST(:again AS boolean))
          AND NOT EXISTS (SELECT FROM suppressions s WHERE s.workspace_id = {WORKSPACE} AND s.address = r.address)
        FOR NO KEY UPDATE OF r) mine
    )
    UPDATE recipients r SET intent_at = clock_timestamp(), claimed_until = {UNTIL}, updated_at = now()
    FROM locked WHERE r.workspace_id = {WORKSPACE} AND r.id = {IDS} AND r.id = locked.id
    RETURNING r.id AS id, r.intent_at AS intent_at
"""


async def give_up(transaction: Transaction, ids: Collection[int], worker: int, *, again: bool = False) -> set[int]:
    """Ends a worker's claims that got no intent: suppressed addresses have failed, the others wait again. Those that are
    not the worker's any more are left alone. Answers the mailings of which some wait: they are likely to be paused.

    ``again``: an intent that was written when this was tried before is taken back, since nobody was told of it.
    """
    values = {"ids": sorted(ids), "worker": worker, "again": again}
    rows = await transaction.rows(statement(_GIVE_UP, "mailing_id is_suppressed"), values)
    return {row.mailing_id for row in rows if not row.is_suppressed}


_GIVE_UP = f"""
    WITH unsent AS MATERIALIZED (
      SELECT id, address FROM recipients WHERE workspace_id = {WORKSPACE} AND id = {IDS} AND claimed_by = {WORKER}
        AND (intent_at IS NULL OR (CAST(:again AS boolean) AND sent_at IS NULL)) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE recipients r SET claimed_by = NULL, claimed_until = NULL, queued_at = NULL, intent_at = NULL, updated_at = now(),
      failed_at = CASE WHEN s.address IS NOT NULL THEN now() END,
      is_suppressed = s.address IS NOT NULL,
      error_message = CASE WHEN s.address IS NOT NULL THEN {UNSENT} ELSE r.error_message END
    FROM unsent LEFT JOIN suppressions s ON s.workspace_id = {WORKSPACE} AND s.address = unsent.address
    WHERE r.workspace_id = {WORKSPACE} AND r.id = {IDS} AND r.id = unsent.id
    RETURNING r.mailing_id AS mailing_id, r.is_suppressed AS is_suppressed
"""


async def write(transaction: Transaction, outcomes: Sequence[Outcome], worker: int) -> None:
    """Writes what came of claims. What an event has said of a message meanwhile stays; what was settled as uncertain, since
    the lease was over, is resolved: such a one is not tried again."""
    plain = [outcome for outcome in outcomes if outcome.kind != OutcomeKind.BOUNCED]
    bounced = [outcome for outcome in outcomes if outcome.kind == OutcomeKind.BOUNCED]
    if plain and bounced:
        # All before the first is written, which locks totals: who records events takes recipients and totals in this order.
        await transaction.rows(statement(_LOCK), {"ids": sorted(outcome.id for outcome in outcomes)})
    if plain:
        await transaction.rows(statement(_WRITE), {**_columns(plain), "worker": worker})
    if bounced:
        await _bounce(transaction, bounced, worker)


_LOCK = f"SELECT FROM recipients WHERE workspace_id = {WORKSPACE} AND id = {IDS} ORDER BY id FOR NO KEY UPDATE"


# An intent is known by its time: PostgreSQL's, to the microsecond, and later than any before of the same recipient.
_MATCHED = f"""
    WITH known AS MATERIALIZED (
      SELECT o.*, mine.was_sent, mine.was_settled
      FROM unnest(CAST(:ids AS bigint[]), CAST(:intents AS timestamptz[]), CAST(:kinds AS text[]), CAST(:messages AS text[]),
        CAST(:elapsed AS double precision[]), CAST(:delays AS double precision[]), CAST(:attempts AS integer[]))
        AS o (id, intent_at, kind, message, elapsed, delay, attempts)
      CROSS JOIN LATERAL (
        SELECT r.sent_at IS NOT NULL AS was_sent, r.uncertain_at IS NOT NULL AS was_settled FROM recipients r
        WHERE r.workspace_id = {WORKSPACE} AND r.id = o.id AND r.intent_at IS NOT DISTINCT FROM o.intent_at
          AND (r.claimed_by = {WORKER} OR (r.claimed_by IS NULL AND r.intent_at IS NOT NULL))
        FOR NO KEY UPDATE) mine
    ), decided AS (
      SELECT *, CASE WHEN was_sent THEN 'SENT' WHEN was_settled AND kind IN ('RETRY', 'GIVEN_BACK') THEN 'FAILED'
        ELSE kind END AS so FROM known
    )
"""
_WRITE = f"""
    {_MATCHED}
    UPDATE recipients r SET claimed_by = NULL, claimed_until = NULL, updated_at = now(), attempts = d.attempts,
      sent_at = CASE WHEN d.so = 'SENT'
        THEN coalesce(r.sent_at, least(clock_timestamp(), r.intent_at + make_interval(secs => d.elapsed))) END,
      failed_at = CASE WHEN d.so = 'FAILED' THEN now() ELSE r.failed_at END,
      uncertain_at = CASE WHEN d.so IN ('SENT', 'UNCERTAIN') THEN coalesce(r.uncertain_at,
        CASE WHEN d.so = 'UNCERTAIN' THEN now() END) END,
      intent_at = CASE WHEN d.so NOT IN ('RETRY', 'GIVEN_BACK') THEN r.intent_at END,
      queued_at = CASE WHEN d.so NOT IN ('RETRY', 'GIVEN_BACK') THEN r.queued_at END,
      try_after = CASE WHEN d.so = 'RETRY' THEN now() + make_interval(secs => d.delay) ELSE r.try_after END,
      error_message = CASE WHEN d.was_sent OR d.so = 'GIVEN_BACK' THEN r.error_message WHEN d.so = 'SENT' THEN NULL
        ELSE coalesce(d.message, r.error_message) END
    FROM decided d WHERE r.workspace_id = {WORKSPACE} AND r.id = {IDS} AND r.id = d.id
"""


async def _bounce(transaction: Transaction, bounced: Sequence[Outcome], worker: int) -> None:
    """Records hard bounces as events, which sets all their times and suppresses the addresses."""
    rows = await transaction.rows(statement(_END, "id"), {**_columns(bounced), "worker": worker})
    mine = {row.id for row in rows}
    events = [_event(outcome) for outcome in bounced if outcome.id in mine]
    recorded = await record(transaction, events)
    if recorded.rejected:
        reasons = "; ".join(problem.message for problems in recorded.rejected.values() for problem in problems)
        raise ValueError(f"bounces could not be recorded: {reasons}")


_END = f"""
    {_MATCHED}
    UPDATE recipients r SET claimed_by = NULL, claimed_until = NULL, updated_at = now(), attempts = d.attempts,
      error_message = d.message
    FROM decided d WHERE r.workspace_id = {WORKSPACE} AND r.id = {IDS} AND r.id = d.id RETURNING r.id AS id
"""


def _event(outcome: Outcome) -> NewEmailEvent:
    data = {"bounceType": "Permanent", "errorCode": outcome.code, "errorMessage": outcome.message}
    began = outcome.intent_at or datetime.now(UTC)  # by the clock that the other times of a recipient are of
    return NewEmailEvent(
        key=f"smtp:{outcome.id}",
        recipient_id=outcome.id,
        type=EmailEventType.BOUNCE,
        occurred_at=began + timedelta(seconds=outcome.elapsed),
        data=data,
    )


def _columns(outcomes: Iterable[Outcome]) -> dict[str, list[Any]]:
    rows = sorted(outcomes, key=lambda outcome: outcome.id)  # in this order they are locked
    return {
        "ids": [row.id for row in rows],
        "intents": [row.intent_at for row in rows],
        "kinds": [row.kind.value for row in rows],
        "messages": [None if row.message is None else row.message[:LONGEST_REASON] for row in rows],
        "elapsed": [float(row.elapsed) for row in rows],
        "delays": [float(row.delay) for row in rows],
        "attempts": [row.attempts for row in rows],
    }
