"""Engagements by id, and pages of those of campaigns and impressions, for many at once."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, any_, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads, Rows
from db.keyset import Order, Page, PageRequest, page, page_per_parent
from db.models.engagement import Engagement
from db.models.engagement_kinds import EngagementType, ReactionType
from db.models.impressions import Impression
from db.models.metrics import CampaignTotals
from db.queries.columns import pick
from db.queries.engagement.counting import COUNTERS

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


async def by_ids(reads: Reads, kinds: Kinds, selected: Collection[str], ids: Sequence[int]) -> Rows:
    """The engagements of these ids and kinds, in any order; missing ones are left out. Tombstones are there."""
    statement = select(*picked(selected)).where(
        Engagement.workspace_id == reads.workspace,
        Engagement.id == any_(literal(list(ids), ARRAY(BigInteger))),
        Engagement.type.in_([kind.value for kind in kinds]),
        Engagement.is_listed,
    )
    return await reads.rows(statement)


async def reactions(reads: Reads, selected: Collection[str], ids: Sequence[int]) -> Rows:
    """The likes, saves and bookmarks of these ids."""
    return await by_ids(reads, REACTIONS, selected, ids)


async def shares(reads: Reads, selected: Collection[str], ids: Sequence[int]) -> Rows:
    """The shares of these ids."""
    return await by_ids(reads, SHARES, selected, ids)


async def comments(reads: Reads, selected: Collection[str], ids: Sequence[int]) -> Rows:
    """The comments of these ids, tombstones too."""
    return await by_ids(reads, COMMENTS, selected, ids)


async def of_campaigns(
    reads: Reads, selected: Collection[str], kinds: Kinds, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's engagements that stand, newest first, in the order of the ids.

    One statement, in which each campaign's page is merged from one of each kind: a rare kind costs no more.
    """
    campaigns = func.unnest(literal(list(ids), ARRAY(BigInteger))).table_valued("id").render_derived("campaigns")
    types = _unnested([kind.value for kind in kinds])
    one = select(*picked(selected)).where(
        Engagement.workspace_id == reads.workspace,
        Engagement.campaign_id == campaigns.c.id,
        Engagement.type == types.c.type,
        STANDS,
    )
    each = page(one, NEWEST, request).correlate(campaigns, types).lateral("each")
    merged = select(each).select_from(types.join(each, true())).order_by(*_position(each, request))
    children = merged.limit(request.size + 1).correlate(campaigns).lateral("children")
    statement = (
        select(campaigns.c.id.label("parent_id"), children)
        .select_from(campaigns.join(children, true()))
        .order_by(campaigns.c.id, *_position(children, request))
    )
    return paged(NEWEST, request, await reads.rows(statement), ids)


def _unnested(types: Sequence[str]) -> Any:
    return func.unnest(literal(list(types), ARRAY(Text))).table_valued("type").render_derived("types")


def _position(rows: Any, request: PageRequest) -> list[ColumnElement[Any]]:
    columns = [rows.c.cursor_0, rows.c.cursor_1]
    return [column.asc() if request.backward else column.desc() for column in columns]


def paged(order: Order, request: PageRequest, rows: Rows, ids: Sequence[int]) -> list[Page]:
    """The pages of several parents, in the order of the ids, out of rows that say whose they are."""
    mine: dict[int, list[Any]] = {}
    for row in rows:
        mine.setdefault(row.parent_id, []).append(row)
    return [Page.of(order, request, mine.get(parent_id, [])) for parent_id in ids]


async def count_of_campaigns(reads: Reads, kinds: Kinds, ids: Sequence[int]) -> list[int]:
    """How many engagements of these kinds stand on each campaign, in the order of the ids: from the roll-up."""
    sums = [func.sum(getattr(CampaignTotals, COUNTERS[kind])) for kind in kinds]
    statement = (
        select(CampaignTotals.campaign_id, *sums)
        .where(
            CampaignTotals.workspace_id == reads.workspace,
            CampaignTotals.campaign_id == any_(literal(list(ids), ARRAY(BigInteger))),
        )
        .group_by(CampaignTotals.campaign_id)
    )
    return counted(await reads.rows(statement), ids)


def counted(rows: Rows, ids: Sequence[int]) -> list[int]:
    """For each id, in order, the sum of what its row holds behind the id; 0 without a row."""
    counts = {row[0]: sum(map(int, row[1:])) for row in rows}
    return [counts.get(one, 0) for one in ids]


async def of_impressions(
    reads: Reads, selected: Collection[str], kinds: Kinds, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each impression's engagements that stand, newest first, in the order of the ids."""
    base = select(*picked(selected)).where(*_of_impressions(reads, kinds))
    rows = await reads.rows(page_per_parent(base, Engagement.impression_id, NEWEST, request, ids))
    return paged(NEWEST, request, rows, ids)


async def count_of_impressions(reads: Reads, kinds: Kinds, ids: Sequence[int]) -> list[int]:
    """How many engagements of these kinds each impression led to, in the order of the ids."""
    wanted = any_(literal(list(ids), ARRAY(BigInteger)))
    statement: Select[*tuple[Any, ...]]
    if set(kinds) == set(ALL):
        statement = select(Impression.id, Impression.engagement_count).where(
            Impression.workspace_id == reads.workspace, Impression.id == wanted
        )
    else:
        statement = (
            select(Engagement.impression_id, func.count())
            .where(*_of_impressions(reads, kinds), Engagement.impression_id == wanted)
            .group_by(Engagement.impression_id)
        )
    return counted(await reads.rows(statement), ids)


def _of_impressions(reads: Reads, kinds: Kinds) -> list[ColumnElement[bool]]:
    found = [Engagement.workspace_id == reads.workspace, Engagement.impression_id.is_not(None), STANDS]
    if set(kinds) != set(ALL):
        found.append(Engagement.type == any_(literal([kind.value for kind in kinds], ARRAY(Text))))
    return found
