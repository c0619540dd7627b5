"""Events by id, and pages of a campaign's events for many campaigns at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Text, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages
from db.models.event_kinds import EventType
from db.models.events import Event, EventTotals
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    "campaign": (Event.campaign_id,),
    "channel": (Event.channel_id,),
    "audience": (Event.audience_id,),
    "value": (Event.value_amount, Event.value_currency),
    "data": (cast(Event.data, Text).label("data"),),
}
NEWEST = Order("events:newest", (Event.occurred_at, Event.id), descending=True)
_COUNTED = {
    EventType.IMPRESSION: EventTotals.impressions,
    EventType.CLICK: EventTotals.clicks,
    EventType.CONVERSION: EventTotals.conversions,
}


@dataclass(frozen=True)
class Filter:
    """Which events. All that is given must hold; the time is half-open."""

    types: tuple[EventType, ...] | None = None
    channel_id: int | None = None
    audience_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.types is not None:
            values["types"] = [kind.value for kind in self.types]
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of what is given."""
        return frozenset(self.values())


async def by_ids(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The events of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(selected), {"ids": ids})


@prepared
def _by_ids(selected: Fields) -> Query:
    return own(Event, NEEDS, selected).where(Event.id == any_(given_ids()))


async def of_campaigns(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's events, newest first, in the order of the ids: one statement for all."""
    statement = _of_campaigns(selected, which.given(), request.shape)
    rows = await reads.rows(statement, {"ids": ids, **which.values(), **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_campaigns(selected: Fields, given: frozenset[str], shape: Shape) -> Query:
    base = own(Event, NEEDS, selected).where(*_conditions(given))
    return page_per_parent(base, Event.campaign_id, NEWEST, shape)


async def count_of_campaigns(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many events each campaign has, in the order of the ids: of types and channels from the roll-up."""
    given = which.given()
    if given <= {"types", "channel_id"}:
        statement = _count_totals(
            frozenset(EventType if which.types is None else which.types), on_channel="channel_id" in given
        )
    else:
        statement = _count(given)
    return counted(await reads.rows(statement, {"ids": ids, **which.values()}), ids)


@prepared
def _count_totals(types: frozenset[EventType], *, on_channel: bool) -> Query:
    statement = (
        select(EventTotals.campaign_id, *(func.sum(_COUNTED[kind]) for kind in sorted(types)))
        .where(EventTotals.workspace_id == workspace(), EventTotals.campaign_id == any_(given_ids()))
        .group_by(EventTotals.campaign_id)
    )
    return statement.where(EventTotals.channel_id == _given("channel_id")) if on_channel else statement


@prepared
def _count(given: frozenset[str]) -> Query:
    own_ones = (Event.workspace_id == workspace(), Event.campaign_id == any_(given_ids()))
    return select(Event.campaign_id, func.count()).where(*own_ones, *_conditions(given)).group_by(Event.campaign_id)


def _given(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


def _moment(name: str) -> Any:
    return bindparam(name, type_=DateTime(timezone=True))


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    conditions = {
        "types": Event.type == any_(bindparam("types", type_=ARRAY(Text))),
        "channel_id": Event.channel_id == _given("channel_id"),
        "audience_id": Event.audience_id == _given("audience_id"),
        "start": Event.occurred_at >= _moment("start"),
        "end": Event.occurred_at < _moment("end"),
    }
    return [condition for name, condition in conditions.items() if name in given]
