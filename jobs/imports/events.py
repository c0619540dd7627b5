"""Rows that are events, as ad platforms report them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db.engine import Transaction
from db.errors import Problem, invalid
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.queries.events import recording
from jobs.imports import values
from jobs.imports.references import AUDIENCE, CAMPAIGN, CHANNEL, WITH_CHANNEL
from jobs.imports.rows import EMPTY, UNRESOLVED, Draft, Kind, Taken, add_problems

FIELDS = (
    "key",
    "type",
    "user_id",
    "value",
    "currency",
    "data",
    "occurred_at",
    CAMPAIGN.field,
    CHANNEL.field,
    AUDIENCE.field,
)
_TYPE = values.one_of("type", values.with_plurals(EventType), EventType.CLICK)
_STANDS_IN = "XXX"  # for a currency that is missing, so that the amount can be checked too


def _build(found: dict[str, Any], problems: list[Problem], now: datetime) -> NewEvent:
    kind = found.get("type")
    if kind is None:
        add_problems(problems, [invalid(EMPTY, "type")])
    amount = found.get("value")
    item = NewEvent(
        found.get("key", ""),
        kind or EventType.CLICK,
        UNRESOLVED,
        found["occurred_at"],
        user_id=found.get("user_id"),
        value_amount=amount,
        # A currency without a value says nothing: reports have the column filled in every row.
        value_currency=None if amount is None else _currency(found, problems),
        data=found.get("data"),
    )
    # Cheap where nothing is wrong, which is nearly always.
    if wrong := item.problems(now):
        add_problems(problems, wrong)
    return item


def _currency(found: dict[str, Any], problems: list[Problem]) -> str:
    currency = found.get("currency")
    if currency is None:
        missing = "A value needs a currency; --currency says which one, where a row does not."
        add_problems(problems, [invalid(missing, "currency")])
    return currency or _STANDS_IN


async def _record(transaction: Transaction, drafts: Sequence[Draft]) -> Taken:
    done = await recording.record(transaction, [draft.item for draft in drafts])
    return Taken(done.accepted, done.duplicates)


EVENTS = Kind(
    "events",
    FIELDS,
    ("key", "type", "occurred_at"),
    _build,
    _record,
    {"type": _TYPE, "value": values.amount},
    WITH_CHANNEL,
    documents=("data",),
)
