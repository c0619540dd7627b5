"""What becomes of impressions later: views, clicks, conversions and charges, in any order and more than once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Text, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.impression_items import ImpressionChange, ImpressionState
from db.models.impressions import Impression
from db.queries import campaigns, rollups
from db.queries.impressions.counting import counters
from db.queries.live import outbox
from db.statements import Rows

_COLUMNS = {
    "is_viewable": "boolean",
    "viewable_duration_ms": "integer",
    "clicked_at": "timestamptz",
    "converted_at": "timestamptz",
    "charged_at": "timestamptz",
    "cpi_rate": "numeric",
}


@dataclass
class Outcome:
    """How many changes changed something, how many did not, and which were refused, by position."""

    accepted: int = 0
    duplicates: int = 0
    refused: dict[int, Problem] = field(default_factory=dict)


async def update(transaction: Transaction, changes: Mapping[int, ImpressionChange]) -> Outcome:
    """Takes in changes that are valid by themselves, keyed by their position in the input."""
    rows, prices = await _lock(transaction, list(changes.values()))
    by_id = {row.id: row for row in rows}
    by_key = {row.key: row for row in rows}
    states = {row.id: _state(row) for row in rows}
    outcome = Outcome()
    for position, change in changes.items():
        row = by_id.get(change.id) if change.key is None else by_key.get(change.key)
        if row is None:
            outcome.refused[position] = not_found("No such impression.", "id" if change.key is None else "key")
        else:
            _take_in(outcome, states, position, change, row, prices[row.campaign_id])
    await _write(transaction, [(row, states[row.id]) for row in rows if states[row.id] != _state(row)])
    return outcome


def _take_in(
    outcome: Outcome,
    states: dict[int, ImpressionState],
    position: int,
    change: ImpressionChange,
    row: Any,
    price: Decimal | None,
) -> None:
    before = states[row.id]
    problem = before.refuses(change)
    if problem is not None:
        outcome.refused[position] = problem
        return
    states[row.id] = before.after(change, price)
    if states[row.id] == before:
        outcome.duplicates += 1
    else:
        outcome.accepted += 1


def _state(row: Any) -> ImpressionState:
    return ImpressionState(*(getattr(row, name) for name in _COLUMNS))


async def _lock(
    transaction: Transaction, changes: Sequence[ImpressionChange]
) -> tuple[Rows, dict[int, Decimal | None]]:
    """The impressions, locked, and the prices of their campaigns.

    Campaigns before impressions, and each sorted by id: two batches that touch the same wait and do not deadlock.
    """
    named = await _named(transaction, changes)
    owners = await campaigns.for_recording(transaction, sorted({row.campaign_id for row in named}))
    columns = [Impression.campaign_id, Impression.occurred_at, Impression.is_unique, Impression.engagement_count]
    columns += [getattr(Impression, name) for name in _COLUMNS]
    statement = (
        select(Impression.id, Impression.key, *columns)
        .where(
            Impression.workspace_id == transaction.workspace,
            Impression.id == any_(literal([row.id for row in named], ARRAY(BigInteger))),
        )
        .order_by(Impression.id)
        .with_for_update(key_share=True)
    )
    return await transaction.rows(statement), {owner.id: owner.cost_per_impression for owner in owners}


async def _named(transaction: Transaction, changes: Sequence[ImpressionChange]) -> list[Any]:
    ids = [change.id for change in changes if change.id is not None]
    keys = [change.key for change in changes if change.key is not None]
    by_id = Impression.id == any_(literal(ids, ARRAY(BigInteger)))
    by_key = Impression.key == any_(literal(keys, ARRAY(Text)))
    statement = select(Impression.id, Impression.campaign_id).where(Impression.workspace_id == transaction.workspace)
    # One after the other, and not OR: each goes through its own index.
    found = list(await transaction.rows(statement.where(by_id))) if ids else []
    return found + list(await transaction.rows(statement.where(by_key))) if keys else found


async def _write(transaction: Transaction, changed: Sequence[tuple[Any, ImpressionState]]) -> None:
    if not changed:
        return
    values: dict[str, Any] = {name: [getattr(state, name) for _, state in changed] for name in _COLUMNS}
    values |= {"id": [row.id for row, _ in changed], "workspace": transaction.workspace_id}
    await transaction.run(_UPDATE, values)
    deltas = rollups.Deltas()
    for row, state in changed:
        engaged = row.engagement_count > 0
        deltas.add(row.campaign_id, row.occurred_at, counters(row.is_unique, state, engaged=engaged))
        before = counters(row.is_unique, _state(row), engaged=engaged)
        deltas.add(row.campaign_id, row.occurred_at, ((name, -amount) for name, amount in before))
    await rollups.add(transaction, deltas)
    await outbox.numbers_changed(transaction, deltas.totals())


_UPDATE = text(
    f"UPDATE impressions SET {', '.join(f'{name} = new.{name}' for name in _COLUMNS)} "  # noqa: S608 - names only
    f"FROM unnest(CAST(:id AS bigint[]), {', '.join(f'CAST(:{n} AS {kind}[])' for n, kind in _COLUMNS.items())}) "
    f"AS new (id, {', '.join(_COLUMNS)}) WHERE impressions.workspace_id = :workspace AND impressions.id = new.id"
)
