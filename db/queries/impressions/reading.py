"""Impressions by id, and pages of a campaign's impressions for many campaigns at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Text, and_, any_, func, literal, not_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads, Rows, Transaction
from db.keyset import Order, Page, PageRequest, page_per_parent
from db.models.impressions import Impression
from db.models.metrics import CampaignTotals
from db.queries.columns import pick

NEEDS = {
    "campaign": (Impression.campaign_id,),
    "brand": (Impression.brand_id,),
    "actor": (Impression.user_id, Impression.profile_id, Impression.profile_type),
}
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

    def lets_all_through(self) -> bool:
        """Whether nothing is asked for."""
        return all(getattr(self, field.name) is None for field in fields(self))


async def by_ids(reads: Reads, selected: Collection[str], ids: Sequence[int]) -> Rows:
    """The impressions of these ids, in any order; missing ones are left out."""
    statement = select(*pick(Impression, NEEDS, selected)).where(
        Impression.workspace_id == reads.workspace,
        Impression.id == any_(literal(list(ids), ARRAY(BigInteger))),
    )
    return await reads.rows(statement)


async def ids_of_keys(transaction: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """The impressions' ids by key; missing ones are left out."""
    statement = select(Impression.key, Impression.id).where(
        Impression.workspace_id == transaction.workspace, Impression.key == any_(literal(list(keys), ARRAY(Text)))
    )
    return {row.key: row.id for row in await transaction.rows(statement)}


async def of_campaigns(
    reads: Reads, selected: Collection[str], which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each campaign's impressions, newest first, in the order of the ids: one statement for all."""
    base = select(*pick(Impression, NEEDS, selected)).where(
        Impression.workspace_id == reads.workspace, *_conditions(which)
    )
    rows = await reads.rows(page_per_parent(base, Impression.campaign_id, NEWEST, request, ids))
    mine: dict[int, list[object]] = {}
    for row in rows:
        mine.setdefault(row.parent_id, []).append(row)
    return [Page.of(NEWEST, request, mine.get(id, [])) for id in ids]  # type: ignore[arg-type]  # noqa: A001


async def count_of_campaigns(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many impressions each campaign has, in the order of the ids. All of them: from the roll-up."""
    wanted = any_(literal(list(ids), ARRAY(BigInteger)))
    if which.lets_all_through():
        statement = (
            select(CampaignTotals.campaign_id, func.sum(CampaignTotals.impressions))
            .where(CampaignTotals.workspace_id == reads.workspace, CampaignTotals.campaign_id == wanted)
            .group_by(CampaignTotals.campaign_id)
        )
    else:
        statement = (
            select(Impression.campaign_id, func.count())
            .where(
                Impression.workspace_id == reads.workspace,
                Impression.campaign_id == wanted,
                *_conditions(which),
            )
            .group_by(Impression.campaign_id)
        )
    counts = {row[0]: int(row[1]) for row in await reads.rows(statement)}
    return [counts.get(campaign_id, 0) for campaign_id in ids]


def _conditions(which: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.start is not None:
        found.append(Impression.occurred_at >= which.start)
    if which.end is not None:
        found.append(Impression.occurred_at < which.end)
    flags = (
        (Impression.clicked, which.clicked),
        (Impression.converted, which.converted),
        (Impression.charged, which.charged),
    )
    # As a bare column or its NOT, and not a comparison: that is what a partial index matches.
    found.extend(and_(column) if wanted else not_(column) for column, wanted in flags if wanted is not None)
    if which.viewable is not None:
        # Null means that it could not be measured: neither viewable nor not viewable.
        found.append(Impression.is_viewable.is_(which.viewable))
    texts = (
        (Impression.device_type, which.device_type),
        (Impression.placement, which.placement),
        (Impression.user_id, which.user_id),
    )
    found.extend(column == wanted for column, wanted in texts if wanted is not None)
    return found
