"""Comments in their threads: a page of each parent's, whatever is above or below, one statement for all parents."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, page_per_parent
from db.models.engagement import Engagement
from db.models.metrics import CampaignTotals
from db.queries.engagement.reading import counted, paged, picked

_TIME = (Engagement.occurred_at, Engagement.id)
ORDERS = {
    "NEWEST": Order("comments:newest", _TIME, descending=True),
    "OLDEST": Order("comments:oldest", _TIME),
    "MOST_REPLIES": Order("comments:most_replies", (Engagement.reply_count, *_TIME), descending=True),
}


async def of_campaigns(
    reads: Reads, selected: Collection[str], by: str, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's top-level comments, tombstones too, in the order of the ids. ``by``: one of ORDERS."""
    order = ORDERS[by]
    base = _listed(reads, selected).where(Engagement.type == "COMMENT", Engagement.parent_id.is_(None))
    rows = await reads.rows(page_per_parent(base, Engagement.campaign_id, order, request, ids))
    return paged(order, request, rows, ids)


async def replies(
    reads: Reads, selected: Collection[str], by: str, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of the direct replies to each comment, tombstones too, in the order of the ids. ``by``: one of ORDERS."""
    order = ORDERS[by]
    base = _listed(reads, selected).where(Engagement.parent_id.is_not(None))
    rows = await reads.rows(page_per_parent(base, Engagement.parent_id, order, request, ids))
    return paged(order, request, rows, ids)


def _listed(reads: Reads, selected: Collection[str]) -> Select[*tuple[Any, ...]]:
    return select(*picked(selected)).where(Engagement.workspace_id == reads.workspace, Engagement.is_listed)


async def count_of_campaigns(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many top-level comments each campaign lists, in the order of the ids: from the roll-up."""
    statement = (
        select(CampaignTotals.campaign_id, func.sum(CampaignTotals.threads))
        .where(
            CampaignTotals.workspace_id == reads.workspace,
            CampaignTotals.campaign_id == any_(literal(list(ids), ARRAY(BigInteger))),
        )
        .group_by(CampaignTotals.campaign_id)
    )
    return counted(await reads.rows(statement), ids)


async def count_replies(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many direct replies each comment lists, in the order of the ids. Kept with the comment."""
    statement = select(Engagement.id, Engagement.listed_reply_count).where(
        Engagement.workspace_id == reads.workspace, Engagement.id == any_(literal(list(ids), ARRAY(BigInteger)))
    )
    return counted(await reads.rows(statement), ids)
