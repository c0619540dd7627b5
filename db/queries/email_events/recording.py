"""Recording what became of mails: each event once, whatever is sent twice; only what is new changes anything.

Recipients are locked first, by id. One statement then does all of it, whose parts wait for each other by reading each
other's rows: keys, leads, suppressed addresses, totals of mailings, and last the links, which triggers count. Each is
sorted, so that writers do not deadlock.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import text

from db.engine import Transaction
from db.errors import Problem, conflict, not_found
from db.models.base import SLOTS
from db.models.email_event_items import NewEmailEvent
from db.models.email_words import (
    BY_MACHINES,
    FIRSTS,
    LONGEST_REASON,
    MACHINE_SECONDS,
    EmailEventType,
    SuppressionReason,
)

UNKNOWN = not_found("No such recipient.", "recipient_id")
NOT_SENT = conflict("Nothing was sent to this recipient yet.", "recipient_id")
UNKNOWN_LINK = not_found("No such link in this mailing.", "link_id")
_URLS = ("link_url", "linkUrl", "url")
_MESSAGES = ("errorMessage", "error_message", "diagnosticCode", "diagnostic_code")
_AT_ONCE = timedelta(seconds=MACHINE_SECONDS)
_PERMANENT = frozenset({"permanent", "hard"})
_TEMPORARY = frozenset({"transient", "temporary", "soft"})
_REFUSED = re.compile(r"5\d\d", re.ASCII)


@dataclass
class Recorded:
    """How many events were new, how many were known by their key or stood twice in the batch, and why others were not taken."""

    accepted: int
    duplicates: int
    rejected: dict[int, list[Problem]] = field(default_factory=dict)
    """By position in the batch."""


async def record(transaction: Transaction, items: Sequence[NewEmailEvent]) -> Recorded:
    """Inserts what is new, and keeps of each recipient the first event of each type.

    The items are valid by themselves. An event of somebody to whom nothing was sent is rejected with CONFLICT, one of a
    recipient who is not there with NOT_FOUND. An open or click less than MACHINE_SECONDS after the sending is a
    machine's: it is kept, and changes nothing else. Whoever unsubscribes, complains, or whose address does not exist
    is not sent to any more.
    """
    if not items:
        return Recorded(0, 0)
    recipients = await _locked(transaction, items)
    links = await _Links.found(transaction, items, recipients)
    rejected: dict[int, list[Problem]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for place, item in enumerate(items):
        if item.key in rows:
            continue
        recipient = recipients.get(item.recipient_id)
        problem = _problem(item, recipient, links)
        if problem is None:
            rows[item.key] = _row(item, recipient, links)
        else:
            rejected[place] = [problem]
    for place in await _known(transaction, items, rejected):
        del rejected[place]
    accepted = await _write(transaction, list(rows.values())) if rows else 0
    return Recorded(accepted, len(items) - accepted - len(rejected), rejected)


async def _locked(transaction: Transaction, items: Sequence[NewEmailEvent]) -> dict[int, Any]:
    """The recipients of some events, as they are now and stay until the transaction ends."""
    values = {"workspace": transaction.workspace_id, "ids": sorted({item.recipient_id for item in items})}
    return {row.id: row for row in await transaction.rows(_LOCK, values)}


def _problem(item: NewEmailEvent, recipient: Any, links: "_Links") -> Problem | None:
    if recipient is None:
        return UNKNOWN
    if not recipient.is_sent:
        return NOT_SENT
    if item.link_id is not None and not links.has(recipient.mailing_id, item.link_id):
        return UNKNOWN_LINK
    return None


class _Links:
    """The links of the mailings whose clicks are recorded, by what events name them by."""

    def __init__(self, rows: Collection[Any]) -> None:
        self._ids = {(row.mailing_id, row.id) for row in rows}
        self._by_url = {(row.mailing_id, row.url): row.id for row in rows}

    @classmethod
    async def found(
        cls, transaction: Transaction, items: Sequence[NewEmailEvent], recipients: Mapping[int, Any]
    ) -> "_Links":
        """Those that some events may be about; asks for none where no event names one."""
        naming = {item.recipient_id for item in items if item.link_id is not None or _url_of(item) is not None}
        mailings = sorted({row.mailing_id for one in naming if (row := recipients.get(one)) is not None})
        if not mailings:
            return cls([])
        return cls(await transaction.rows(_LINKS, {"workspace": transaction.workspace_id, "mailings": mailings}))

    def has(self, mailing_id: int, link_id: int) -> bool:
        """Whether a link is one of a mailing's."""
        return (mailing_id, link_id) in self._ids

    def of(self, mailing_id: int, item: NewEmailEvent) -> int | None:
        """The link that a click names by id or by address; None for any other."""
        return self._by_url.get((mailing_id, _url_of(item) or "")) if item.link_id is None else item.link_id


def _url_of(item: NewEmailEvent) -> str | None:
    return _text_of(item.data, _URLS) if item.type is EmailEventType.CLICK else None


def _text_of(data: Any, names: Sequence[str]) -> str | None:
    """The first text under one of some names."""
    if not isinstance(data, dict):
        return None
    return next((value for name in names if isinstance(value := data.get(name), str) and value.strip()), None)


def _row(item: NewEmailEvent, recipient: Any, links: _Links) -> dict[str, Any]:
    """An event as it is written, with what follows from it for its address."""
    is_bounce = item.type is EmailEventType.BOUNCE
    at_once = item.type in BY_MACHINES and item.occurred_at < recipient.sent_at + _AT_ONCE
    message = _text_of(item.data, _MESSAGES) if is_bounce else None
    reason = _reason(item)
    return {
        "key": item.key,
        "mailing_id": recipient.mailing_id,
        "recipient_id": item.recipient_id,
        "type": item.type.value,
        "link_id": links.of(recipient.mailing_id, item),
        "data": None if item.data is None else orjson.dumps(item.data).decode(),
        "user_agent": item.user_agent,
        "ip_address": item.ip_address,
        "is_machine": item.is_machine or at_once,
        "occurred_at": item.occurred_at,
        "address": recipient.address,
        "lead_address": recipient.lead_address if reason in _BY_PEOPLE else recipient.address,
        "reason": None if reason is None else reason.value,
        "message": None if message is None else message[:LONGEST_REASON],
    }


def _reason(item: NewEmailEvent) -> SuppressionReason | None:
    """Why nothing is sent to the address after this; None where that does not follow."""
    if item.type is EmailEventType.UNSUBSCRIBE:
        return SuppressionReason.UNSUBSCRIBED
    if item.type is EmailEventType.COMPLAIN:
        return SuppressionReason.COMPLAINED
    if item.type is EmailEventType.BOUNCE and is_hard(item.data):
        return SuppressionReason.BOUNCED
    return None


_BY_PEOPLE = (SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED)
"""What a person says holds for the address that it was said from, and for the one that the lead has by now."""


def is_hard(data: Any) -> bool:
    """Whether what is said of a bounce makes it final: its type, or else SMTP's reply code or an enhanced status code (RFC 3463).

    A type that says so wins over a code: full mailboxes are refused with 5.2.2, and written to again.
    """
    if not isinstance(data, dict):
        return False
    said = {name: str(value).strip() for name, value in data.items() if isinstance(value, str | int)}
    types = {said.get(name, "").lower() for name in ("bounceType", "bounce_type")}
    if not types.isdisjoint(_PERMANENT):
        return True
    return types.isdisjoint(_TEMPORARY) and (
        any(_REFUSED.fullmatch(said.get(name, "")) is not None for name in ("errorCode", "error_code"))
        or any(said.get(name, "").startswith("5.") for name in ("status", "enhancedStatus", "enhanced_status"))
    )


async def _known(
    transaction: Transaction, items: Sequence[NewEmailEvent], rejected: Mapping[int, list[Problem]]
) -> list[int]:
    """Those of the rejected events that are duplicates, whatever else they say now."""
    if not rejected:
        return []
    values = {"workspace": transaction.workspace_id, "keys": sorted({items[place].key for place in rejected})}
    keys = {row.key for row in await transaction.rows(_KEYS, values)}
    return [place for place in rejected if items[place].key in keys]


async def _write(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    return int(await transaction.scalar(_RECORD, {"workspace": transaction.workspace_id, **columns}))


_LOCK = text(
    "SELECT id, mailing_id, address, coalesce(sent_at, intent_at) AS sent_at, (SELECT leads.address FROM leads "
    "WHERE leads.workspace_id = recipients.workspace_id AND leads.id = recipients.lead_id) AS lead_address, "
    "sent_at IS NOT NULL OR (intent_at IS NOT NULL AND NOT is_suppressed) AS is_sent "
    "FROM recipients WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND id = ANY (CAST(:ids AS bigint[])) "
    "ORDER BY id FOR NO KEY UPDATE"
)
# Of two links with the same address the first one is found: the later row of a key is the one that stays.
_LINKS = text(
    "SELECT id, mailing_id, url FROM tracked_links WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND mailing_id = ANY (CAST(:mailings AS bigint[])) ORDER BY mailing_id, position DESC"
)
_KEYS = text(
    "SELECT key FROM email_events WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND key = ANY (CAST(:keys AS text[]))"
)
_COLUMNS = {
    "key": "text",
    "mailing_id": "bigint",
    "recipient_id": "bigint",
    "type": "text",
    "link_id": "bigint",
    "data": "text",
    "user_agent": "text",
    "ip_address": "text",
    "is_machine": "boolean",
    "occurred_at": "timestamptz",
    "address": "text",
    "lead_address": "text",
    "reason": "text",
    "message": "text",
}
_KINDS = {
    "opened_at": f"type IN ('{EmailEventType.OPEN}', '{EmailEventType.CLICK}')",  # a click counts as an open
    **{column: f"type = '{kind}'" for kind, column in FIRSTS.items() if kind is not EmailEventType.OPEN},
}
"""Which events each time of a recipient is the first of."""
_FOUND = ", ".join(f"min(occurred_at) FILTER (WHERE {which}) AS {column}" for column, which in _KINDS.items())
_KEPT = ", ".join(f"{column} = least(mine.{column}, firsts.{column})" for column in _KINDS)
_EARLIER = " OR ".join(f"firsts.{column} < coalesce(mine.{column}, 'infinity')" for column in _KINDS)
_WHO = "CROSS JOIN LATERAL (VALUES (done.address), (done.lead_address)) AS who (address)"
# An event that came of a mail is evidence that it was sent: what was said of that before holds no more. Recipients and leads are named by arrays, too: joined alone, a
# plan that was made for a small workspace would read all of theirs. The totals are locked before triggers add to them: those of
# email_events and of recipients come one after the other, and together would take them in any order.
_RECORD = text(f"""
WITH given AS (
  SELECT (SELECT CAST(:workspace AS bigint)) AS workspace_id
), new AS MATERIALIZED (
  SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})
    WITH ORDINALITY AS new ({", ".join(_COLUMNS)}, place)
), inserted AS (
  INSERT INTO email_events (workspace_id, key, mailing_id, recipient_id, type, link_id, data, user_agent, ip_address, is_machine, occurred_at)
  SELECT (SELECT workspace_id FROM given), key, mailing_id, recipient_id, type, link_id, data::jsonb, user_agent, ip_address::inet,
    is_machine, occurred_at
  FROM new ORDER BY key
  ON CONFLICT (workspace_id, key) DO NOTHING
  RETURNING key
), done AS (
  SELECT new.* FROM inserted JOIN new USING (key) WHERE NOT is_machine
), firsts AS (
  SELECT recipient_id, {_FOUND},
    (array_agg(message ORDER BY occurred_at, key) FILTER (WHERE message IS NOT NULL))[1] AS message
  FROM done GROUP BY recipient_id
), changed AS (
  UPDATE recipients AS mine SET sent_at = coalesce(mine.sent_at, mine.intent_at), {_KEPT},
    error_message = CASE WHEN mine.sent_at IS NULL AND mine.failed_at IS NULL THEN firsts.message
      ELSE coalesce(mine.error_message, firsts.message) END, updated_at = now()
  FROM firsts WHERE mine.workspace_id = (SELECT workspace_id FROM given) AND mine.id = ANY (CAST(:recipient_id AS bigint[]))
    AND mine.id = firsts.recipient_id AND (mine.sent_at IS NULL OR {_EARLIER} OR (mine.error_message IS NULL AND firsts.message IS NOT NULL))
  RETURNING 1
), leaving AS (
  SELECT who.address, min(occurred_at) AS at FROM done {_WHO}
  WHERE type = '{EmailEventType.UNSUBSCRIBE}' AND (SELECT count(*) FROM changed) >= 0 GROUP BY who.address
), theirs AS MATERIALIZED (
  SELECT leads.id, leaving.at FROM leads JOIN leaving USING (address)
  WHERE leads.workspace_id = (SELECT workspace_id FROM given) AND leads.address = ANY (ARRAY(SELECT address FROM leaving))
  ORDER BY leads.id FOR NO KEY UPDATE OF leads
), unsubscribed AS (
  UPDATE leads SET unsubscribed_at = theirs.at, updated_at = now() FROM theirs
  WHERE leads.workspace_id = (SELECT workspace_id FROM given) AND leads.id = ANY (ARRAY(SELECT id FROM theirs)) AND leads.id = theirs.id
    AND (leads.unsubscribed_at IS NULL OR leads.unsubscribed_at > theirs.at)
  RETURNING 1
), suppressed AS (
  INSERT INTO suppressions (workspace_id, address, reason, recipient_id, since)
  SELECT DISTINCT ON (who.address) (SELECT workspace_id FROM given), who.address, reason, recipient_id, occurred_at
  FROM done {_WHO} WHERE reason IS NOT NULL AND (SELECT count(*) FROM unsubscribed) >= 0
  ORDER BY who.address, occurred_at, place
  ON CONFLICT (workspace_id, address) DO NOTHING RETURNING 1
), held AS (
  INSERT INTO mailing_totals AS totals (workspace_id, mailing_id, slot)
  SELECT DISTINCT (SELECT workspace_id FROM given), mailing_id, pg_backend_pid() % {SLOTS} FROM done
  WHERE (SELECT count(*) FROM suppressed) >= 0 ORDER BY mailing_id
  ON CONFLICT (workspace_id, mailing_id, slot) DO UPDATE SET sent = totals.sent RETURNING 1
)
SELECT (SELECT count(*) FROM inserted) + 0 * (SELECT count(*) FROM held)
""")  # noqa: S608 - names and constants only
