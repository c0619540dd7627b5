"""Campaigns: look-ups, lists, and changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Text,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, page
from db.models.campaigns import WITHOUT_DATE, Campaign, CampaignStatus
from db.models.channels import CampaignChannel
from db.models.metrics import CampaignTotals
from db.models.spaces import Space
from db.queries import metrics
from db.queries.columns import Fields, Query, own
from db.queries.live import outbox
from db.queries.searching import mentions_all
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS = {
    "brand": (Campaign.brand_id,),
    "budget": (Campaign.budget_amount, Campaign.currency),
    "cost_per_impression": (Campaign.cost_per_impression, Campaign.currency),
}
NESTED = {"metrics": metrics.as_json}
"""What PostgreSQL may write below a campaign."""
ORDERS = {
    "NEWEST": Order("campaigns:newest", (Campaign.created_at, Campaign.id), descending=True),
    "OLDEST": Order("campaigns:oldest", (Campaign.created_at, Campaign.id)),
    "NAME": Order("campaigns:name", (func.lower(Campaign.name, type_=Text), Campaign.id)),
    "STARTS_ON": Order("campaigns:starts_on", (func.coalesce(Campaign.starts_on, WITHOUT_DATE), Campaign.id)),
}

_KEY = (Campaign.workspace_id, Campaign.key)
_SEARCHED = (Campaign.name, Campaign.key, Campaign.description, Campaign.objective)


@dataclass(frozen=True)
class Filter:
    """Which campaigns. All that is given must hold; ``search`` looks for each of its words."""

    status: tuple[CampaignStatus, ...] | None = None
    brand_id: int | None = None
    channel_id: int | None = None
    search: str | None = None
    active_on: date | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        words = (self.search or "").split()
        values = {
            "status": None if self.status is None else [status.value for status in self.status],
            "brand_id": self.brand_id,
            "channel_id": self.channel_id,
            "active_on": self.active_on,
            "words": words or None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of what is given."""
        return frozenset(self.values())


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The campaigns of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Campaign, NEEDS, fields).where(Campaign.id == any_(given_ids()))


async def by_keys(reads: Reads, fields: Fields, keys: Sequence[str]) -> Rows:
    """The campaigns of these keys, in any order, with ``key``; missing ones are left out."""
    return await reads.rows(_by_keys(fields), {"keys": keys})


@prepared
def _by_keys(fields: Fields) -> Query:
    return own(Campaign, NEEDS, fields | {"key"}).where(Campaign.key == any_(given_texts("keys")))


async def listed(reads: Reads, fields: Fields, which: Filter, by: str, request: PageRequest) -> Page:
    """One page of the workspace's campaigns. ``by``: one of ORDERS."""
    order = ORDERS[by]
    values = {**which.values(), **order.parameters(request)}
    return Page.of(order, request, await reads.rows(_listed(fields, which.given(), by, request.shape), values))


@prepared
def _listed(fields: Fields, given: frozenset[str], by: str, shape: Shape) -> Query:
    return page(own(Campaign, NEEDS, fields).where(*_conditions(given)), ORDERS[by], shape, NESTED)


async def count(reads: Reads, which: Filter) -> int:
    """How many campaigns the filter lets through."""
    return int((await reads.row(_count(which.given()), which.values()))[0])


@prepared
def _count(given: frozenset[str]) -> Query:
    own_ones = Campaign.workspace_id == workspace()
    return select(func.count()).select_from(Campaign).where(own_ones, *_conditions(given))


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    conditions = {
        "status": Campaign.status == any_(given_texts("status")),
        "brand_id": Campaign.brand_id == bindparam("brand_id", type_=BigInteger),
        "channel_id": _is_on(bindparam("channel_id", type_=BigInteger)),
        "active_on": _runs_on(bindparam("active_on", type_=Date)),
        "words": mentions_all(Campaign, given_texts("words"), *_SEARCHED),
    }
    return [condition for name, condition in conditions.items() if name in given]


def _is_on(channel_id: Any) -> ColumnElement[bool]:
    there = (CampaignChannel.workspace_id == Campaign.workspace_id, CampaignChannel.campaign_id == Campaign.id)
    return exists().where(*there, CampaignChannel.channel_id == channel_id).correlate(Campaign)


def _runs_on(day: Any) -> ColumnElement[bool]:
    begun = or_(Campaign.starts_on.is_(None), Campaign.starts_on <= day)
    not_over = or_(Campaign.ends_on.is_(None), Campaign.ends_on >= day)
    return and_(begun, not_over)


async def create(transaction: Transaction, values: Mapping[str, Any]) -> int:
    """Inserts a campaign and answers its id."""
    statement = insert(Campaign).values(workspace_id=transaction.workspace_id, **values).returning(Campaign.id)
    return int(await transaction.scalar(statement))


async def create_missing(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts campaigns, all with the same columns, and leaves alone those whose key is there. No race is lost."""
    if rows:
        values = [{"workspace_id": transaction.workspace_id, **row} for row in rows]
        await transaction.run(upsert(Campaign).values(values).on_conflict_do_nothing(index_elements=_KEY))


async def remove_untouched(transaction: Transaction, keys: Sequence[str], created_by: str) -> int:
    """Removes campaigns that nobody has changed and that have no numbers yet; answers how many."""
    totals = exists().where(
        CampaignTotals.workspace_id == Campaign.workspace_id, CampaignTotals.campaign_id == Campaign.id
    )
    spaces = exists().where(Space.workspace_id == Campaign.workspace_id, Space.campaign_id == Campaign.id)
    statement = delete(Campaign).where(
        Campaign.workspace_id == transaction.workspace,
        Campaign.key == any_(literal(list(keys), ARRAY(Text))),
        Campaign.created_by == created_by,
        Campaign.updated_at == Campaign.created_at,
        ~totals,
        ~spaces,
    )
    return await transaction.run(statement)


async def ids_of_keys(transaction: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """The campaigns' ids by key; missing ones are left out."""
    statement = select(Campaign.key, Campaign.id).where(
        Campaign.workspace_id == transaction.workspace, Campaign.key == any_(literal(list(keys), ARRAY(Text)))
    )
    return {row.key: row.id for row in await transaction.rows(statement)}


async def locked(transaction: Transaction, campaign_id: int, *, against_recording: bool) -> Any:
    """The whole row of a campaign, locked until the transaction ends; None where there is none.

    ``against_recording`` also waits for, and keeps out, everybody who records its impressions.
    """
    statement = (
        select(*Campaign.__table__.columns)
        .where(Campaign.workspace_id == transaction.workspace, Campaign.id == campaign_id)
        .with_for_update(key_share=not against_recording)
    )
    return await transaction.row(statement)


async def change(transaction: Transaction, campaign_id: int, values: Mapping[str, Any]) -> None:
    """Writes new values into a campaign that is locked."""
    await transaction.run(
        update(Campaign)
        .where(Campaign.workspace_id == transaction.workspace, Campaign.id == campaign_id)
        .values(updated_at=datetime.now(UTC), **values)
    )
    await outbox.numbers_changed(transaction, [campaign_id])


async def has_spent(transaction: Transaction, campaign_id: int) -> bool:
    """Whether an impression of the campaign was charged already."""
    charged = select(func.sum(CampaignTotals.impressions_charged)).where(
        CampaignTotals.workspace_id == transaction.workspace, CampaignTotals.campaign_id == campaign_id
    )
    return bool(await transaction.scalar(charged))


async def for_recording(transaction: Transaction, ids: Sequence[int]) -> Rows:
    """What recording impressions needs of its campaigns: id, brand_id, currency, cost_per_impression.

    Holds them: their currency cannot change until the transaction ends.
    """
    statement = select(Campaign.id, Campaign.brand_id, Campaign.currency, Campaign.cost_per_impression).where(
        Campaign.workspace_id == transaction.workspace,
        Campaign.id == any_(literal(list(ids), ARRAY(BigInteger))),
    )
    statement = statement.order_by(Campaign.id).with_for_update(read=True, key_share=True)
    return await transaction.rows(statement)
