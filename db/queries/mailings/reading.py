"""Mailings by id and key, and pages and counts of them. Deleted ones are nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, DateTime, Text, any_, bindparam, cast, false, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys, page_per_parent, pages
from db.models.email_words import MailingStatus
from db.models.mailings import Mailing
from db.queries.columns import Fields, Query, counted, own
from db.queries.searching import mentions_all
from db.queries.windows import ALL_TIME, Window
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    "campaign": (Mailing.campaign_id,),
    "template": (Mailing.template_id,),
}
NEWEST = Order("mailings:newest", (Mailing.id,), descending=True)
FEW = 5_000
"""Up to so many of a window are looked at one by one; of more, so many are met on the way that the list is walked instead."""
_LIVE = Mailing.deleted_at.is_(None)
_EQUAL: dict[str, Any] = {"created_by": Text, "campaign_id": BigInteger}
_WINDOWS = {"scheduled": Mailing.scheduled_at, "started": Mailing.started_at}
Way = list[ColumnElement[bool]]


@dataclass(frozen=True)
class Filter:
    """Which mailings. All that is given must hold. ``words``: each stands somewhere in name or key."""

    statuses: tuple[MailingStatus, ...] | None = None
    words: tuple[str, ...] = ()
    created_by: str | None = None
    campaign_id: int | None = None
    scheduled: Window = ALL_TIME
    started: Window = ALL_TIME

    def looks(self) -> "_Which":
        """What its statement looks like."""
        statuses = None if self.statuses is None else tuple(sorted({status.value for status in self.statuses}))
        windows: list[tuple[str, bool, bool]] = []
        for name in _WINDOWS:
            window = getattr(self, name)
            if window != ALL_TIME:
                windows.append((name, window.start is not None, window.end is not None))
        equal = frozenset(name for name in _EQUAL if getattr(self, name) is not None)
        return _Which(statuses, bool(self.words), equal, tuple(windows))

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _EQUAL} | {"words": list(self.words)}
        for name in _WINDOWS:
            window = getattr(self, name)
            values |= {f"{name}_from": window.start, f"{name}_to": window.end}
        return values


class _Which(NamedTuple):
    statuses: tuple[str, ...] | None
    words: bool
    equal: frozenset[str]
    windows: tuple[tuple[str, bool, bool], ...]
    """The name of each window, whether it has a start, and whether it has an end."""


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The mailings of these ids, in any order; missing and deleted ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Mailing, NEEDS, fields).where(Mailing.id == any_(given_ids()), _LIVE)


async def by_keys(reads: Reads, fields: Fields, keys: Sequence[str]) -> Rows:
    """The mailings of these keys, in any order, with ``key``; missing and deleted ones are left out."""
    return await reads.rows(_by_keys(fields), {"keys": keys})


@prepared
def _by_keys(fields: Fields) -> Query:
    return own(Mailing, NEEDS, fields | {"key"}).where(Mailing.key == any_(given_texts("keys")), _LIVE)


async def listed(reads: Reads, fields: Fields, which: Filter, request: PageRequest) -> Page:
    """One page of the workspace's mailings."""
    values = {**which.values(), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, which.looks(), request.shape), values))


@prepared
def _listed(fields: Fields, which: _Which, shape: Shape) -> Query:
    statement, ways = own(Mailing, NEEDS, fields), _ways(which)
    if len(ways) == 1:
        return page(statement.where(*ways[0]), NEWEST, shape)
    ids = select(Mailing.id).where(Mailing.workspace_id == workspace())
    keys = [page_of_keys(ids.where(*way), NEWEST, shape) for way in ways]
    return page(statement.where(is_one_of(Mailing.id, keys)), NEWEST, shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many mailings the filter lets through."""
    return int((await reads.row(_count(which.looks()), which.values()))[0])


@prepared
def _count(which: _Which) -> Query:
    statement = select(func.count()).select_from(Mailing).where(Mailing.workspace_id == workspace())
    if which.statuses is not None:
        statement = statement.where(Mailing.status.in_(which.statuses))
    return statement.where(*_others(which))


async def of_campaigns(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the mailings of each campaign, in the order of the ids: one statement for all."""
    rows = await reads.rows(_of_campaigns(fields, request.shape), {"ids": ids, **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_campaigns(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(Mailing, NEEDS, fields).where(_LIVE), Mailing.campaign_id, NEWEST, shape)


async def count_of_campaigns(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many mailings each campaign has, in the order of the ids."""
    return counted(await reads.rows(_count_of_campaigns(), {"ids": ids}), ids)


@prepared
def _count_of_campaigns() -> Query:
    mine = (Mailing.workspace_id == workspace(), Mailing.campaign_id == any_(given_ids()), _LIVE)
    return select(Mailing.campaign_id, func.count()).where(*mine).group_by(Mailing.campaign_id)


def _ways(which: _Which) -> list[Way]:
    """Conditions, each of which an index finds in order, and which together let through what the filter does."""
    others = _others(which)
    if which.statuses is None:
        walked = [others]
    else:
        walked = [[Mailing.status == status, *others] for status in which.statuses] or [[false()]]
    if not which.windows:
        return walked
    mine = (Mailing.workspace_id == workspace(), _LIVE, *_within(*which.windows[0]))
    found = func.array(select(Mailing.id).where(*mine).limit(FEW + 1).scalar_subquery(), type_=ARRAY(BigInteger))
    # Worked out once, before the rest: what lies in the window, and with that which of the ways are gone.
    those = select(found.label("ids")).cte("those").prefix_with("MATERIALIZED", dialect="postgresql")
    ids: Any = select(those.c.ids).scalar_subquery()
    few = func.cardinality(ids) <= FEW
    looked_at = [[few, Mailing.id == any_(cast(ids, ARRAY(BigInteger))), *way] for way in walked]
    return [*looked_at, *([~few, *way] for way in walked)]


def _others(which: _Which) -> Way:
    conditions: Way = [_LIVE]
    conditions += [
        getattr(Mailing, name) == bindparam(name, type_=type_) for name, type_ in _EQUAL.items() if name in which.equal
    ]
    for window in which.windows:
        conditions += _within(*window)
    if which.words:
        conditions.append(mentions_all(Mailing, given_texts("words"), Mailing.name, Mailing.key))
    return conditions


def _within(name: str, has_start: bool, has_end: bool) -> Way:
    column, moment = _WINDOWS[name], DateTime(timezone=True)
    conditions: Way = []
    if has_start:
        conditions.append(column >= bindparam(f"{name}_from", type_=moment))
    if has_end:
        conditions.append(column < bindparam(f"{name}_to", type_=moment))
    return conditions
