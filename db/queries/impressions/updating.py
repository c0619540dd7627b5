"""What becomes of impressions later: views, clicks, conversions and charges, in any order and more than once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Text, any_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Problem, not_found
from db.models.campaigns import Campaign
from db.models.impression_items import ImpressionChange, ImpressionState
from db.models.impressions import Impression
from db.queries import rollups
from db.queries.impressions.counting import counters

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
    rows = await _lock(transaction, list(changes.values()))
    by_id = {row.id: row for row in rows}
    by_key = {row.key: row for row in rows}
    states = {row.id: _state(row) for row in rows}
    outcome = Outcome()
    for position, change in changes.items():
        row = by_id.get(change.id) if change.key is None else by_key.get(change.key)
        if row is None:
            outcome.refused[position] = not_found("No such impression.", "id" if change.key is None else "key")
        else:
            _take_in(outcome, states, position, change, row)
    await _write(transaction, [(row, states[row.id]) for row in rows if states[row.id] != _state(row)])
    return outcome


def _take_in(
    outcome: Outcome, states: dict[int, ImpressionState], position: int, change: ImpressionChange, row: Any
) -> None:
    before = states[row.id]
    problem = before.refuses(change)
    if problem is not None:
        outcome.refused[position] = problem
        return
    states[row.id] = before.after(change, row.price)
    if states[row.id] == before:
        outcome.duplicates += 1
    else:
        outcome.accepted += 1


def _state(row: Any) -> ImpressionState:
    return ImpressionState(*(getattr(row, name) for name in _COLUMNS))


async def _lock(transaction: Transaction, changes: Sequence[ImpressionChange]) -> Any:
    # All at once and sorted by id, so that two batches that touch the same impressions wait and do not deadlock.
    ids = [change.id for change in changes if change.id is not None]
    ids += await _ids_of_keys(transaction, [change.key for change in changes if change.key is not None])
    columns = [Impression.campaign_id, Impression.occurred_at, Impression.is_unique]
    columns += [getattr(Impression, name) for name in _COLUMNS]
    statement = (
        select(Impression.id, Impression.key, *columns, Campaign.cost_per_impression.label("price"))
        .join(
            Campaign,
            (Campaign.workspace_id == Impression.workspace_id) & (Campaign.id == Impression.campaign_id),
        )
        .where(
            Impression.workspace_id == transaction.workspace,
            Impression.id == any_(literal(ids, ARRAY(BigInteger))),
        )
        .order_by(Impression.id)
        .with_for_update(of=Impression, key_share=True)
    )
    return await transaction.rows(statement)


async def _ids_of_keys(transaction: Transaction, keys: Sequence[str]) -> list[int]:
    statement = select(Impression.id).where(
        Impression.workspace_id == transaction.workspace, Impression.key == any_(literal(keys, ARRAY(Text)))
    )
    return [row.id for row in await transaction.rows(statement)] if keys else []


async def _write(transaction: Transaction, changed: Sequence[tuple[Any, ImpressionState]]) -> None:
    if not changed:
        return
    values: dict[str, Any] = {name: [getattr(state, name) for _, state in changed] for name in _COLUMNS}
    values |= {"id": [row.id for row, _ in changed], "workspace": transaction.workspace_id}
    await transaction.run(_UPDATE, values)
    deltas = rollups.Deltas()
    for row, state in changed:
        deltas.add(row.campaign_id, row.occurred_at, counters(row.is_unique, state))
        before = counters(row.is_unique, _state(row))
        deltas.add(row.campaign_id, row.occurred_at, ((name, -amount) for name, amount in before))
    await rollups.add(transaction, deltas)


_UPDATE = text(
    f"UPDATE impressions SET {', '.join(f'{name} = new.{name}' for name in _COLUMNS)} "  # noqa: S608 - names only
    f"FROM unnest(CAST(:id AS bigint[]), {', '.join(f'CAST(:{n} AS {kind}[])' for n, kind in _COLUMNS.items())}) "
    f"AS new (id, {', '.join(_COLUMNS)}) WHERE impressions.workspace_id = :workspace AND impressions.id = new.id"
)
