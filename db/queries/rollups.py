"""Keeping the roll-ups: every write that changes a fact adds what changed, in its own transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from db.engine import Transaction
from db.models.base import SLOTS
from db.models.metrics import ADDITIVE, WHOLE

QUARTER = 900
"""Seconds in a bucket."""

_TYPES = {name: "numeric" if name == "spend" else "bigint" for name in (*ADDITIVE, *WHOLE)}


@dataclass
class Deltas:
    """What a transaction adds to the roll-ups: per campaign and quarter of an hour, and per campaign as a whole."""

    buckets: dict[tuple[int, int], dict[str, int | Decimal]] = field(default_factory=dict)
    whole: dict[int, dict[str, int | Decimal]] = field(default_factory=dict)

    def add(self, campaign_id: int, occurred_at: datetime, counters: Iterable[tuple[str, int | Decimal]]) -> None:
        """Adds to the counters of the bucket into which a fact falls."""
        bucket = (campaign_id, int(occurred_at.timestamp() // QUARTER))
        counts = self.buckets.get(bucket)
        if counts is None:
            counts = self.buckets[bucket] = {}
        for name, amount in counters:
            counts[name] = counts.get(name, 0) + amount

    def add_whole(self, campaign_id: int, name: str, amount: int) -> None:
        """Adds to one of WHOLE, the counters that belong to no bucket."""
        counts = self.whole.setdefault(campaign_id, {})
        counts[name] = counts.get(name, 0) + amount

    def totals(self) -> dict[int, dict[str, int | Decimal]]:
        """All of it per campaign."""
        totals = {campaign_id: dict(counts) for campaign_id, counts in self.whole.items()}
        for (campaign_id, _), counts in self.buckets.items():
            total = totals.setdefault(campaign_id, {})
            for name, amount in counts.items():
                total[name] = total.get(name, 0) + amount
        return totals


async def add(transaction: Transaction, deltas: Deltas) -> None:
    """Adds the deltas to this writer's slot. Totals first, then buckets, each in key order: no deadlock.

    The slot follows the connection, so that few writers make few rows and many writers spread out.
    """
    slot = await transaction.server_pid() % SLOTS
    totals = sorted((key, counts) for key, counts in deltas.totals().items() if any(counts.values()))
    if totals:
        values = _columns([counts for _, counts in totals])
        statement = _upsert("campaign_totals", ("campaign_id",), tuple(values))
        await transaction.run(statement, values | _owner(transaction, slot, [key for key, _ in totals]))
    buckets = sorted((key, counts) for key, counts in deltas.buckets.items() if any(counts.values()))
    if buckets:
        values = _columns([counts for _, counts in buckets])
        statement = _upsert("campaign_buckets", ("campaign_id", "starts_at"), tuple(values))
        values["starts_at"] = [datetime.fromtimestamp(start * QUARTER, UTC) for (_, start), _ in buckets]
        await transaction.run(statement, values | _owner(transaction, slot, [key for (key, _), _ in buckets]))


def _owner(transaction: Transaction, slot: int, campaign_ids: list[int]) -> dict[str, Any]:
    return {"workspace": transaction.workspace_id, "slot": slot, "campaign_id": campaign_ids}


def _columns(rows: list[dict[str, int | Decimal]]) -> dict[str, Any]:
    """What the rows add to each counter. Those to which none adds anything are left out."""
    columns = {name: [row.get(name, 0) for row in rows] for name in _TYPES}
    return {name: column for name, column in columns.items() if any(column)}


_KEYS = {"campaign_id": "bigint", "starts_at": "timestamptz"}


@cache
def _upsert(table: str, key: tuple[str, ...], names: tuple[str, ...]) -> TextClause:
    columns = [*key, *names]
    arrays = ", ".join(f"CAST(:{name} AS {_KEYS.get(name) or _TYPES[name]}[])" for name in columns)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)
    return text(
        f"INSERT INTO {table} (workspace_id, slot, {', '.join(columns)}) "  # noqa: S608 - names of columns only
        f"SELECT CAST(:workspace AS bigint), CAST(:slot AS smallint), new.* FROM unnest({arrays}) AS new "
        f"ON CONFLICT (workspace_id, {', '.join(key)}, slot) DO UPDATE SET {sums}"
    )
