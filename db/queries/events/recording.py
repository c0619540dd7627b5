"""Recording events: each once, whatever is sent twice, and only what is new feeds the roll-ups.

One statement does all of it. Its parts wait for each other by reading each other's rows, so that locks are taken in one
order by everybody (keys, channels of campaigns, users, users of campaigns, totals, buckets, each sorted), and writers do not deadlock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from sqlalchemy import TextClause, text

from db.engine import Transaction
from db.models.event_items import NewEvent
from db.models.event_kinds import EVENT_SLOTS
from db.queries.events import barrier

_COLUMNS = {
    "key": "text",
    "type": "text",
    "campaign_id": "bigint",
    "channel_id": "bigint",
    "audience_id": "bigint",
    "user_id": "text",
    "value_amount": "numeric",
    "value_currency": "text",
    "data": "text",
    "occurred_at": "timestamptz",
}


@dataclass(frozen=True)
class Outcome:
    """How many events were new, and how many were known by their key or stood twice in the batch."""

    accepted: int
    duplicates: int
    new_keys: frozenset[str] = frozenset()
    """The keys of those that were new, if they were asked for."""


async def record(transaction: Transaction, items: Sequence[NewEvent], *, want_keys: bool = False) -> Outcome:
    """Inserts what is new and adds it to the roll-ups. The items are valid, and what they refer to is there."""
    if not items:
        return Outcome(0, 0)
    await barrier.hold(transaction, {item.campaign_id for item in items})
    filled = _filled(items)
    slot = await transaction.server_pid() % EVENT_SLOTS
    values = {**filled, "workspace": transaction.workspace_id, "slot": slot}
    found = await transaction.row(_recording(tuple(filled), want_keys=want_keys), values)
    accepted = int(found.accepted)
    return Outcome(accepted, len(items) - accepted, frozenset(found.keys or ()) if want_keys else frozenset())


def _filled(items: Sequence[NewEvent]) -> dict[str, list[Any]]:
    """The items by column. Most sources fill a few only; empty ones are not sent."""
    columns: dict[str, list[Any]] = {name: [getattr(item, name) for item in items] for name in _COLUMNS}
    columns["data"] = [None if data is None else orjson.dumps(data).decode() for data in columns["data"]]
    return {name: column for name, column in columns.items() if column.count(None) < len(column)}


_COUNTS = (
    "count(*) FILTER (WHERE type = 'IMPRESSION') AS impressions, count(*) FILTER (WHERE type = 'CLICK') AS clicks, "
    "count(*) FILTER (WHERE type = 'CONVERSION') AS conversions"
)
_SUMS = ("impressions", "clicks", "conversions", "revenue")


def _added(table: str, names: Collection[str]) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)


@cache
def _recording(names: tuple[str, ...], *, want_keys: bool) -> TextClause:
    arrays = ", ".join(f"CAST(:{name} AS {_COLUMNS[name]}[])" for name in names)
    values = ", ".join("data::json" if name == "data" else name for name in names)
    users = _USERS if "user_id" in names else _NO_USERS
    keys = "(SELECT array_agg(key) FROM inserted)" if want_keys else "NULL"
    return text(f"""
WITH given AS (
  SELECT (SELECT CAST(:workspace AS bigint)) AS workspace_id, CAST(:slot AS smallint) AS slot
), inserted AS (
  INSERT INTO events (workspace_id, {", ".join(names)})
  SELECT (SELECT workspace_id FROM given), {values}
  FROM unnest({arrays}) WITH ORDINALITY AS new ({", ".join(names)}, place) ORDER BY key, place
  ON CONFLICT (workspace_id, key) DO NOTHING
  RETURNING key, campaign_id, coalesce(channel_id, 0) AS channel_id, user_id, type, occurred_at,
    CASE WHEN type = 'CONVERSION' THEN coalesce(value_currency, '') ELSE '' END AS currency,
    CASE WHEN type = 'CONVERSION' THEN coalesce(value_amount, 0) ELSE 0 END AS revenue
), linked AS (
  INSERT INTO campaign_channels (workspace_id, campaign_id, channel_id)
  SELECT (SELECT workspace_id FROM given), campaign_id, channel_id FROM inserted
  WHERE channel_id <> 0 AND (campaign_id, channel_id) NOT IN (
    SELECT campaign_id, channel_id FROM campaign_channels
    WHERE workspace_id = (SELECT workspace_id FROM given) AND campaign_id = ANY (CAST(:campaign_id AS bigint[])))
  GROUP BY campaign_id, channel_id ORDER BY campaign_id, channel_id ON CONFLICT DO NOTHING RETURNING 1
), {users}, added AS (
  SELECT campaign_id, channel_id, currency, {_COUNTS}, sum(revenue) AS revenue, 0 AS unique_users, 0 AS campaign_unique_users
  FROM inserted GROUP BY campaign_id, channel_id, currency
  UNION ALL SELECT campaign_id, channel_id, '', 0, 0, 0, 0, count(*), 0 FROM paired GROUP BY campaign_id, channel_id
  UNION ALL SELECT campaign_id, 0, '', 0, 0, 0, 0, 0, count(*) FROM reached GROUP BY campaign_id
), totals AS (
  INSERT INTO event_totals (workspace_id, slot, campaign_id, channel_id, currency, {", ".join(_SUMS)}, unique_users, campaign_unique_users)
  SELECT (SELECT workspace_id FROM given), (SELECT slot FROM given), campaign_id, channel_id, currency,
    {", ".join(f"sum({name})" for name in _SUMS)}, sum(unique_users), sum(campaign_unique_users)
  FROM added WHERE (SELECT count(*) FROM linked) >= 0
  GROUP BY campaign_id, channel_id, currency ORDER BY campaign_id, channel_id, currency
  ON CONFLICT (workspace_id, campaign_id, channel_id, currency, slot)
  DO UPDATE SET {_added("event_totals", (*_SUMS, "unique_users", "campaign_unique_users"))} RETURNING 1
), buckets AS (
  INSERT INTO event_buckets (workspace_id, slot, campaign_id, channel_id, currency, starts_at, {", ".join(_SUMS)})
  SELECT (SELECT workspace_id FROM given), (SELECT slot FROM given), campaign_id, channel_id, currency,
    date_bin('15 minutes', occurred_at, '2000-01-01 00:00+00') AS starts_at, {_COUNTS}, sum(revenue)
  FROM inserted WHERE (SELECT count(*) FROM totals) >= 0
  GROUP BY campaign_id, starts_at, channel_id, currency ORDER BY campaign_id, starts_at, channel_id, currency
  ON CONFLICT (workspace_id, campaign_id, starts_at, channel_id, currency, slot)
  DO UPDATE SET {_added("event_buckets", _SUMS)} RETURNING 1
)
SELECT (SELECT count(*) FROM inserted) AS accepted, {keys} AS keys, (SELECT count(*) FROM buckets) AS buckets
""")  # noqa: S608 - names and constants only


_USERS = """paired AS (
  INSERT INTO event_users (workspace_id, campaign_id, channel_id, user_id)
  SELECT (SELECT workspace_id FROM given), campaign_id, channel_id, user_id FROM inserted WHERE user_id IS NOT NULL
  GROUP BY campaign_id, channel_id, user_id ORDER BY campaign_id, channel_id, user_id
  ON CONFLICT DO NOTHING RETURNING campaign_id, channel_id, user_id
), reached AS (
  INSERT INTO campaign_event_users (workspace_id, campaign_id, user_id)
  SELECT (SELECT workspace_id FROM given), campaign_id, user_id FROM paired
  GROUP BY campaign_id, user_id ORDER BY campaign_id, user_id
  ON CONFLICT DO NOTHING RETURNING campaign_id
)"""
_NO_USERS = """paired AS (SELECT 0::bigint AS campaign_id, 0::bigint AS channel_id WHERE false),
reached AS (SELECT 0::bigint AS campaign_id WHERE false)"""
