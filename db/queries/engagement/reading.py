"""Engagements by id, and pages of those of campaigns and impressions, for many at once."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, any_, case, func, select, true

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, answered, page, page_per_parent, pages, unnested
from db.models.engagement import Engagement
from db.models.engagement_kinds import EngagementType, ReactionType
from db.models.impressions import Impression
from db.models.metrics import CampaignTotals
from db.queries.columns import Fields, Query, counted, pick
from db.queries.engagement.counting import COUNTERS
from db.statements import Rows, given_ids, given_texts, prepared, workspace

Kinds = tuple[EngagementType, ...]
REACTIONS: Kinds = tuple(EngagementType(kind.value) for kind in ReactionType)
SHARES: Kinds = (EngagementType.SHARE,)
COMMENTS: Kinds = (EngagementType.COMMENT,)
ALL: Kinds = tuple(EngagementType)

STANDS = Engagement.deleted_at.is_(None)


def _shown(column: Any) -> ColumnElement[Any]:
    """A column of which a tombstone shows nothing: it says who it was or what."""
    return case((STANDS, column)).label(column.key)


_PERSONAL = ("body", "source", "device_type", "location")
NEEDS: dict[str, tuple[Any, ...]] = {
    "campaign": (Engagement.campaign_id,),
    "brand": (Engagement.brand_id,),
    "impression": (_shown(Engagement.impression_id),),
    "actor": tuple(_shown(column) for column in (Engagement.user_id, Engagement.profile_id, Engagement.profile_type)),
    "parent": (Engagement.parent_id,),
    "root": (Engagement.root_id,),
    **{name: (_shown(getattr(Engagement, name)),) for name in _PERSONAL},
}
NEWEST = Order("engagements:newest", (Engagement.occurred_at, Engagement.id), descending=True)
_TYPE_NAME = case(
    (Engagement.type == "COMMENT", "Comment"), (Engagement.type == "SHARE", "Share"), else_="Reaction"
).label("typename")


def picked(selected: Collection[str]) -> list[ColumnElement[Any]]:
    """The columns for some fields of an engagement, with ``typename``: which type of the graph it is."""
    return [*pick(Engagement, NEEDS, set(selected) - {"typename"}), _TYPE_NAME]


async def by_ids(reads: Reads, kinds: Kinds, selected: Fields, ids: Sequence[int]) -> Rows:
    """The engagements of these ids and kinds, in any order; missing ones are left out. Tombstones are there."""
    return await reads.rows(_by_ids(selected), {"ids": ids, "kinds": kinds})


@prepared
def _by_ids(selected: Fields) -> Query:
    return _own(selected).where(Engagement.id == any_(given_ids()), Engagement.is_listed, _is_of_kinds())


async def reactions(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The likes, saves and bookmarks of these ids."""
    return await by_ids(reads, REACTIONS, selected, ids)


async def shares(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The shares of these ids."""
    return await by_ids(reads, SHARES, selected, ids)


async def comments(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The comments of these ids, tombstones too."""
    return await by_ids(reads, COMMENTS, selected, ids)


async def of_campaigns(
    reads: Reads, selected: Fields, kinds: Kinds, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's engagements that stand, newest first, in the order of the ids."""
    values = {"ids": ids, "kinds": kinds, **NEWEST.parameters(request)}
    return pages(NEWEST, request, await reads.rows(_of_campaigns(selected, request.shape), values), ids)


@prepared
def _of_campaigns(selected: Fields, shape: Shape) -> Query:
    # Each campaign's page is merged from one of each kind: a rare kind costs no more.
    campaigns = unnested()
    types = func.unnest(given_texts("kinds")).table_valued("type").render_derived("types")
    one = _own(selected).where(Engagement.campaign_id == campaigns.c.id, Engagement.type == types.c.type, STANDS)
    each = page(one, NEWEST, shape).correlate(campaigns, types).lateral("each")
    merged = select(each).select_from(types.join(each, true())).order_by(*_position(each, shape))
    children = merged.limit(shape.size + 1).correlate(campaigns).lateral("children")
    return (
        select(campaigns.c.id.label("parent_id"), *answered(children, shape))
        .select_from(campaigns.join(children, true()))
        .order_by(campaigns.c.id, *_position(children, shape))
    )


def _position(rows: Any, shape: Shape) -> list[ColumnElement[Any]]:
    columns = [rows.c.cursor_0, rows.c.cursor_1]
    return [column.asc() if shape.backward else column.desc() for column in columns]


async def count_of_campaigns(reads: Reads, kinds: Kinds, ids: Sequence[int]) -> list[int]:
    """How many engagements of these kinds stand on each campaign, in the order of the ids: from the roll-up."""
    return counted(await reads.rows(_count_of_campaigns(kinds), {"ids": ids}), ids)


@prepared
def _count_of_campaigns(kinds: Kinds) -> Query:
    return (
        select(CampaignTotals.campaign_id, *(func.sum(getattr(CampaignTotals, COUNTERS[kind])) for kind in kinds))
        .where(CampaignTotals.workspace_id == workspace(), CampaignTotals.campaign_id == any_(given_ids()))
        .group_by(CampaignTotals.campaign_id)
    )


async def of_impressions(
    reads: Reads, selected: Fields, kinds: Kinds, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each impression's engagements that stand, newest first, in the order of the ids."""
    values = {"ids": ids, "kinds": kinds, **NEWEST.parameters(request)}
    rows = await reads.rows(_of_impressions(selected, _are_all(kinds), request.shape), values)
    return pages(NEWEST, request, rows, ids)


@prepared
def _of_impressions(selected: Fields, of_all: bool, shape: Shape) -> Query:
    base = _own(selected).where(*_led_to(of_all))
    return page_per_parent(base, Engagement.impression_id, NEWEST, shape)


async def count_of_impressions(reads: Reads, kinds: Kinds, ids: Sequence[int]) -> list[int]:
    """How many engagements of these kinds each impression led to, in the order of the ids."""
    statement = _count_of_impressions(_are_all(kinds))
    return counted(await reads.rows(statement, {"ids": ids, "kinds": kinds}), ids)


@prepared
def _count_of_impressions(of_all: bool) -> Query:
    if of_all:
        return select(Impression.id, Impression.engagement_count).where(
            Impression.workspace_id == workspace(), Impression.id == any_(given_ids())
        )
    own_ones = (Engagement.workspace_id == workspace(), Engagement.impression_id == any_(given_ids()))
    return (
        select(Engagement.impression_id, func.count())
        .where(*own_ones, *_led_to(of_all))
        .group_by(Engagement.impression_id)
    )


def _own(selected: Fields) -> Query:
    return select(*picked(selected)).where(Engagement.workspace_id == workspace())


def _are_all(kinds: Kinds) -> bool:
    return set(kinds) == set(ALL)


def _led_to(of_all: bool) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Engagement.impression_id.is_not(None), STANDS]
    return found if of_all else [*found, _is_of_kinds()]


def _is_of_kinds() -> ColumnElement[bool]:
    return Engagement.type == any_(given_texts("kinds"))
