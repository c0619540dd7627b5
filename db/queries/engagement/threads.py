"""Comments in their threads: a page of each parent's, whatever is above or below, one statement for all parents."""

from collections.abc import Sequence

from sqlalchemy import any_, func, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages
from db.models.engagement import Engagement
from db.models.metrics import CampaignTotals
from db.queries.columns import Fields, Query, counted
from db.queries.engagement.reading import picked
from db.statements import given_ids, prepared, workspace

_TIME = (Engagement.occurred_at, Engagement.id)
ORDERS = {
    "NEWEST": Order("comments:newest", _TIME, descending=True),
    "OLDEST": Order("comments:oldest", _TIME),
    "MOST_REPLIES": Order("comments:most_replies", (Engagement.reply_count, *_TIME), descending=True),
}


async def of_campaigns(reads: Reads, selected: Fields, by: str, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of each campaign's top-level comments, tombstones too, in the order of the ids. ``by``: one of ORDERS."""
    values = {"ids": ids, **ORDERS[by].parameters(request)}
    return pages(ORDERS[by], request, await reads.rows(_of_campaigns(selected, by, request.shape), values), ids)


@prepared
def _of_campaigns(selected: Fields, by: str, shape: Shape) -> Query:
    base = _listed(selected).where(Engagement.type == "COMMENT", Engagement.parent_id.is_(None))
    return page_per_parent(base, Engagement.campaign_id, ORDERS[by], shape)


async def replies(reads: Reads, selected: Fields, by: str, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the direct replies to each comment, tombstones too, in the order of the ids. ``by``: one of ORDERS."""
    values = {"ids": ids, **ORDERS[by].parameters(request)}
    return pages(ORDERS[by], request, await reads.rows(_replies(selected, by, request.shape), values), ids)


@prepared
def _replies(selected: Fields, by: str, shape: Shape) -> Query:
    base = _listed(selected).where(Engagement.parent_id.is_not(None))
    return page_per_parent(base, Engagement.parent_id, ORDERS[by], shape)


def _listed(selected: Fields) -> Query:
    return select(*picked(selected)).where(Engagement.workspace_id == workspace(), Engagement.is_listed)


async def count_of_campaigns(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many top-level comments each campaign lists, in the order of the ids: from the roll-up."""
    return counted(await reads.rows(_count_of_campaigns(), {"ids": ids}), ids)


@prepared
def _count_of_campaigns() -> Query:
    return (
        select(CampaignTotals.campaign_id, func.sum(CampaignTotals.threads))
        .where(CampaignTotals.workspace_id == workspace(), CampaignTotals.campaign_id == any_(given_ids()))
        .group_by(CampaignTotals.campaign_id)
    )


async def count_replies(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many direct replies each comment lists, in the order of the ids. Kept with the comment."""
    return counted(await reads.rows(_count_replies(), {"ids": ids}), ids)


@prepared
def _count_replies() -> Query:
    return select(Engagement.id, Engagement.listed_reply_count).where(
        Engagement.workspace_id == workspace(), Engagement.id == any_(given_ids())
    )
