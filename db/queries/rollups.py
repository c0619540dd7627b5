"""Keeping the roll-ups: every write that changes a fact adds what changed, in its own transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from db.engine import Transaction
from db.models.metrics import ADDITIVE, SLOTS

QUARTER = 900
"""Seconds in a bucket."""

_TYPES = {name: "numeric" if name == "spend" else "bigint" for name in (*ADDITIVE, "reach")}


@dataclass
class Deltas:
    """What a transaction adds to the roll-ups: per campaign and quarter of an hour, and reach per campaign."""

    buckets: dict[tuple[int, int], dict[str, int | Decimal]] = field(default_factory=dict)
    reach: dict[int, int] = field(default_factory=dict)

    def add(self, campaign_id: int, occurred_at: datetime, counters: Iterable[tuple[str, int | Decimal]]) -> None:
        """Adds to the counters of the bucket into which a fact falls."""
        bucket = (campaign_id, int(occurred_at.timestamp() // QUARTER))
        counts = self.buckets.get(bucket)
        if counts is None:
            counts = self.buckets[bucket] = {}
        for name, amount in counters:
            counts[name] = counts.get(name, 0) + amount

    def totals(self) -> dict[int, dict[str, int | Decimal]]:
        """The same, per campaign over all buckets, with reach."""
        totals: dict[int, dict[str, int | Decimal]] = {id: {"reach": n} for id, n in self.reach.items()}  # noqa: A001
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
        values = _columns([counts for _, counts in totals], (*ADDITIVE, "reach"))
        await transaction.run(_ADD_TOTALS, values | _owner(transaction, slot, [key for key, _ in totals]))
    buckets = sorted((key, counts) for key, counts in deltas.buckets.items() if any(counts.values()))
    if buckets:
        values = _columns([counts for _, counts in buckets], ADDITIVE)
        values["starts_at"] = [datetime.fromtimestamp(start * QUARTER, UTC) for (_, start), _ in buckets]
        await transaction.run(_ADD_BUCKETS, values | _owner(transaction, slot, [key for (key, _), _ in buckets]))


def _owner(transaction: Transaction, slot: int, campaign_ids: list[int]) -> dict[str, Any]:
    return {"workspace": transaction.workspace_id, "slot": slot, "campaign_id": campaign_ids}


def _columns(rows: list[dict[str, int | Decimal]], names: Iterable[str]) -> dict[str, Any]:
    return {name: [row.get(name, 0) for row in rows] for name in names}


def _upsert(table: str, key: dict[str, str], names: tuple[str, ...]) -> Any:
    columns = [*key, *names]
    arrays = ", ".join(f"CAST(:{name} AS {key.get(name) or _TYPES[name]}[])" for name in columns)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)
    return text(
        f"INSERT INTO {table} (workspace_id, slot, {', '.join(columns)}) "  # noqa: S608 - names of columns only
        f"SELECT CAST(:workspace AS bigint), CAST(:slot AS smallint), new.* FROM unnest({arrays}) AS new "
        f"ON CONFLICT (workspace_id, {', '.join(key)}, slot) DO UPDATE SET {sums}"
    )


_ADD_TOTALS = _upsert("campaign_totals", {"campaign_id": "bigint"}, (*ADDITIVE, "reach"))
_ADD_BUCKETS = _upsert("campaign_buckets", {"campaign_id": "bigint", "starts_at": "timestamptz"}, ADDITIVE)
