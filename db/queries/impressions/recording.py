"""Recording impressions: each once, whatever is sent twice, and only what is new feeds the roll-ups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text

from db.engine import Transaction
from db.models.impression_items import ImpressionState, NewImpression
from db.queries import campaigns, channels, rollups
from db.queries.impressions.counting import counters
from db.queries.live import outbox

# In a race every round loses only to transactions that have committed since, so more than a few never happen.
_ROUNDS = 50

_COLUMNS = {
    "campaign_id": "bigint",
    "brand_id": "bigint",
    "channel_id": "bigint",
    "audience_id": "bigint",
    "key": "text",
    "user_id": "text",
    "profile_id": "text",
    "profile_type": "text",
    "is_unique": "boolean",
    "is_viewable": "boolean",
    "viewable_duration_ms": "integer",
    "clicked_at": "timestamptz",
    "converted_at": "timestamptz",
    "device_type": "text",
    "location": "text",
    "region": "text",
    "placement": "text",
    "audience_label": "text",
    "cpi_rate": "numeric",
    "charged_at": "timestamptz",
    "ip_address": "text",
    "user_agent": "text",
    "session_id": "text",
    "occurred_at": "timestamptz",
}


@dataclass(frozen=True)
class Outcome:
    """How many impressions were new, and how many were known by their key or stood twice in the batch."""

    accepted: int
    duplicates: int


async def record(transaction: Transaction, items: Sequence[NewImpression]) -> Outcome:
    """Inserts what is new and adds it to the roll-ups. The items are valid and their campaigns exist.

    Fills in what the items leave open: brand, the rate of a charge, whether an impression is unique.
    Locks are taken in one order by everybody (campaigns, users, keys, channels, roll-ups, each sorted), so writers do not
    deadlock.
    """
    first = {item.key: item for item in reversed(items)}
    await _complete(transaction, first.values())
    fresh = await _insert_fresh(transaction, first)
    await rollups.add(transaction, fresh)
    await outbox.numbers_changed(transaction, fresh.totals())
    accepted = sum(int(counts.get("impressions", 0)) for counts in fresh.buckets.values())
    return Outcome(accepted, len(items) - accepted)


async def _complete(transaction: Transaction, items: Any) -> None:
    ids = sorted({item.campaign_id for item in items})
    owners = {row.id: row for row in await campaigns.for_recording(transaction, ids)}
    for item in items:
        campaign = owners[item.campaign_id]
        item.brand_id = campaign.brand_id
        if item.charged_at is not None and item.cpi_rate is None:
            item.cpi_rate = campaign.cost_per_impression


async def _insert_fresh(transaction: Transaction, items: Mapping[str, NewImpression]) -> rollups.Deltas:
    fresh = sorted(items.values(), key=lambda item: item.key)
    for _ in range(_ROUNDS):
        await transaction.run(text("SAVEPOINT recording"))
        deltas = rollups.Deltas()
        if not fresh:
            return deltas
        unique = await _mark_unique(transaction, fresh, deltas)
        lost = await _insert(transaction, fresh, unique)
        if not lost:
            await channels.link(transaction, {(i.campaign_id, i.channel_id) for i in fresh if i.channel_id is not None})
            _count(deltas, fresh, unique)
            return deltas
        # Some keys are known, or somebody recorded them meanwhile. What was claimed for them must not stand.
        # The insert itself says which: a look-up beforehand went through the wrong index, and so through the whole
        # workspace for each batch, wherever the statistics did not know a new workspace yet.
        await transaction.run(text("ROLLBACK TO SAVEPOINT recording"))
        fresh = [item for item in fresh if item.key not in lost]
    raise RuntimeError("recording lost every race for its keys")


async def _mark_unique(transaction: Transaction, items: Sequence[NewImpression], deltas: rollups.Deltas) -> list[bool]:
    """Claims the users that are new to their campaign, counts them as reach, and says which items are unique.

    An item is unique if the ad server says so, else if it is the first of its user: the first that was
    recorded and, within one batch, the first that occurred. Never without a user.
    """
    new = await _claim(transaction, sorted({(i.campaign_id, i.user_id) for i in items if i.user_id is not None}))
    for campaign_id, _ in new:
        deltas.add_whole(campaign_id, "reach", 1)
    unique = [False] * len(items)
    for position in sorted(range(len(items)), key=lambda position: items[position].occurred_at):
        item = items[position]
        if item.user_id is not None:
            user = (item.campaign_id, item.user_id)
            unique[position] = user in new if item.is_unique is None else item.is_unique
            new.discard(user)
    return unique


async def _claim(transaction: Transaction, users: list[tuple[int, str]]) -> set[tuple[int, str]]:
    if not users:
        return set()
    values = {
        "workspace": transaction.workspace_id,
        "campaign_id": [campaign_id for campaign_id, _ in users],
        "user_id": [user_id for _, user_id in users],
    }
    return {(row.campaign_id, row.user_id) for row in await transaction.rows(_CLAIM, values)}


async def _insert(transaction: Transaction, items: Sequence[NewImpression], unique: list[bool]) -> set[str]:
    """Inserts the items, as far as their keys are new, and answers the keys that are not."""
    columns: dict[str, Any] = {name: [getattr(item, name) for item in items] for name in _COLUMNS}
    columns["is_unique"] = unique
    # Most sources fill a few columns only; empty ones are not sent.
    filled = {name: column for name, column in columns.items() if column.count(None) < len(column)}
    values = {**filled, "workspace": transaction.workspace_id}
    # One value and not a row for each key: nearly always all of them are new.
    inserted: list[str] = await transaction.scalar(_inserting(tuple(filled)), values) or []
    return {item.key for item in items}.difference(inserted) if len(inserted) < len(items) else set()


def _count(deltas: rollups.Deltas, items: Sequence[NewImpression], unique: list[bool]) -> None:
    """Adds what the items count. Those of one bucket that count alike, which are most, are counted together."""
    kinds = [
        (
            item.campaign_id,
            item.occurred_at.timestamp() // rollups.QUARTER,
            is_unique,
            item.is_viewable,
            item.clicked_at is None,
            item.converted_at is None,
            None if item.charged_at is None else (item.cpi_rate,),
        )
        for item, is_unique in zip(items, unique, strict=True)
    ]
    examples = dict(zip(kinds, items, strict=True))
    for kind, number in Counter(kinds).items():
        one = examples[kind]
        each = counters(kind[2], _state(one))
        deltas.add(one.campaign_id, one.occurred_at, ((name, amount * number) for name, amount in each))


def _state(item: NewImpression) -> ImpressionState:
    return ImpressionState(
        item.is_viewable,
        item.viewable_duration_ms,
        item.clicked_at,
        item.converted_at,
        item.charged_at,
        item.cpi_rate,
    )


_CLAIM = text(
    "INSERT INTO campaign_users (workspace_id, campaign_id, user_id) "
    "SELECT CAST(:workspace AS bigint), new.* "
    "FROM unnest(CAST(:campaign_id AS bigint[]), CAST(:user_id AS text[])) AS new "
    "ON CONFLICT DO NOTHING RETURNING campaign_id, user_id"
)


@cache
def _inserting(names: tuple[str, ...]) -> TextClause:
    arrays = ", ".join(f"CAST(:{name} AS {_COLUMNS[name]}[])" for name in names)
    values = ", ".join(f"{name}::inet" if name == "ip_address" else name for name in names)
    return text(
        f"WITH inserted AS (INSERT INTO impressions (workspace_id, {', '.join(names)}) "  # noqa: S608 - names only
        f"SELECT CAST(:workspace AS bigint), {values} FROM unnest({arrays}) AS new ({', '.join(names)}) "
        "ON CONFLICT (workspace_id, key) DO NOTHING RETURNING key) SELECT array_agg(key) FROM inserted"
    )
