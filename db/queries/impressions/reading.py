"""Impressions by id, and pages of a campaign's impressions for many campaigns at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text, and_, any_, bindparam, func, literal, not_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages
from db.models.impressions import Impression
from db.models.metrics import CampaignTotals
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    # As a text, which is the same wherever it is written.
    "ip_address": (func.host(Impression.ip_address, type_=Text).label("ip_address"),),
    "campaign": (Impression.campaign_id,),
    "brand": (Impression.brand_id,),
    "channel": (Impression.channel_id,),
    "audience": (Impression.audience_id,),
    "actor": (Impression.user_id, Impression.profile_id, Impression.profile_type),
}
Given = tuple[tuple[str, bool | None], ...]
"""The members of a filter that are given, and which way the flags among them."""
NEWEST = Order("impressions:newest", (Impression.occurred_at, Impression.id), descending=True)


@dataclass(frozen=True)
class Filter:
    """Which impressions. All that is given must hold; the time is half-open."""

    start: datetime | None = None
    end: datetime | None = None
    clicked: bool | None = None
    converted: bool | None = None
    viewable: bool | None = None
    charged: bool | None = None
    device_type: str | None = None
    placement: str | None = None
    user_id: str | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def shape(self) -> Given:
        """What is given, without the values that do not change the statement."""
        return tuple((name, value if isinstance(value, bool) else None) for name, value in self.values().items())


async def by_ids(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The impressions of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(selected), {"ids": ids})


@prepared
def _by_ids(selected: Fields) -> Query:
    return own(Impression, NEEDS, selected).where(Impression.id == any_(given_ids()))


async def ids_of_keys(transaction: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """The impressions' ids by key; missing ones are left out."""
    statement = select(Impression.key, Impression.id).where(
        Impression.workspace_id == transaction.workspace, Impression.key == any_(literal(list(keys), ARRAY(Text)))
    )
    return {row.key: row.id for row in await transaction.rows(statement)}


async def of_campaigns(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's impressions, newest first, in the order of the ids: one statement for all."""
    statement = _of_campaigns(selected, which.shape(), request.shape)
    rows = await reads.rows(statement, {"ids": ids, **which.values(), **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_campaigns(selected: Fields, which: Given, shape: Shape) -> Query:
    base = own(Impression, NEEDS, selected).where(*_conditions(which))
    return page_per_parent(base, Impression.campaign_id, NEWEST, shape)


async def count_of_campaigns(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many impressions each campaign has, in the order of the ids. All of them: from the roll-up."""
    given = which.shape()
    return counted(await reads.rows(_count(given) if given else _count_all(), {"ids": ids, **which.values()}), ids)


@prepared
def _count_all() -> Query:
    return (
        select(CampaignTotals.campaign_id, func.sum(CampaignTotals.impressions))
        .where(CampaignTotals.workspace_id == workspace(), CampaignTotals.campaign_id == any_(given_ids()))
        .group_by(CampaignTotals.campaign_id)
    )


@prepared
def _count(which: Given) -> Query:
    own_ones = (Impression.workspace_id == workspace(), Impression.campaign_id == any_(given_ids()))
    return (
        select(Impression.campaign_id, func.count())
        .where(*own_ones, *_conditions(which))
        .group_by(Impression.campaign_id)
    )


def _conditions(which: Given) -> list[ColumnElement[bool]]:
    return [_CONDITIONS[name](held) for name, held in which]


def _flag(column: Any) -> Callable[[bool | None], ColumnElement[bool]]:
    # As a bare column or its NOT, and not a comparison: that is what a partial index matches.
    return lambda wanted: and_(column) if wanted else not_(column)


def _text(column: Any) -> Callable[[bool | None], ColumnElement[bool]]:
    return lambda _: column == bindparam(column.key, type_=Text)


_MOMENT = DateTime(timezone=True)
_CONDITIONS: dict[str, Callable[[bool | None], ColumnElement[bool]]] = {
    "start": lambda _: Impression.occurred_at >= bindparam("start", type_=_MOMENT),
    "end": lambda _: Impression.occurred_at < bindparam("end", type_=_MOMENT),
    "clicked": _flag(Impression.clicked),
    "converted": _flag(Impression.converted),
    "charged": _flag(Impression.charged),
    # Null means that it could not be measured: neither viewable nor not viewable.
    "viewable": lambda wanted: Impression.is_viewable.is_(wanted),
    "device_type": _text(Impression.device_type),
    "placement": _text(Impression.placement),
    "user_id": _text(Impression.user_id),
}
"""The condition of each member of a filter; what a flag has to be is part of the statement."""
