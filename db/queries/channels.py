"""Channels, audiences, and campaigns on channels: look-ups, lists, counts, changes."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Text, any_, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, page, page_per_parent, pages
from db.models.channels import Audience, CampaignChannel, Channel
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, prepared, workspace

BY_NAME = {
    Channel: Order("channels:name", (Channel.name, Channel.id)),
    Audience: Order("audiences:name", (Audience.name, Audience.id)),
}
OLDEST = Order("campaign_channels:oldest", (CampaignChannel.created_at, CampaignChannel.id))
"""The order in which a campaign came to its channels."""
NEEDS = {"campaign": (CampaignChannel.campaign_id,), "channel": (CampaignChannel.channel_id,)}
Named = type[Channel] | type[Audience]
"""What is told by its name."""


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The channels of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(Channel, fields), {"ids": ids})


async def audiences_by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The audiences of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(Audience, fields), {"ids": ids})


async def campaign_channels_by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The campaigns on channels of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(CampaignChannel, fields), {"ids": ids})


@prepared
def _by_ids(model: type[Any], fields: Fields) -> Query:
    needs = NEEDS if model is CampaignChannel else {}
    return own(model, needs, fields).where(model.id == any_(given_ids()))


async def listed(reads: Reads, model: Named, fields: Fields, request: PageRequest) -> Page:
    """One page of the workspace's channels or audiences, by name."""
    order = BY_NAME[model]
    rows = await reads.rows(_listed(model, fields, request.shape), order.parameters(request))
    return Page.of(order, request, rows)


@prepared
def _listed(model: Named, fields: Fields, shape: Shape) -> Query:
    return page(own(model, {}, fields), BY_NAME[model], shape)


async def count(reads: Reads, model: Named) -> int:
    """How many channels or audiences the workspace has."""
    return int((await reads.row(_count(model)))[0])


@prepared
def _count(model: Named) -> Query:
    return select(func.count()).select_from(model).where(model.workspace_id == workspace())


async def of_campaigns(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the channels that each campaign is on, in the order of the ids: one statement for all."""
    rows = await reads.rows(_of_campaigns(fields, request.shape), {"ids": ids, **OLDEST.parameters(request)})
    return pages(OLDEST, request, rows, ids)


@prepared
def _of_campaigns(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(CampaignChannel, NEEDS, fields), CampaignChannel.campaign_id, OLDEST, shape)


async def count_of_campaigns(reads: Reads, ids: Sequence[int]) -> list[int]:
    """On how many channels each campaign is, in the order of the ids."""
    return counted(await reads.rows(_count_of_campaigns(), {"ids": ids}), ids)


@prepared
def _count_of_campaigns() -> Query:
    return (
        select(CampaignChannel.campaign_id, func.count())
        .where(CampaignChannel.workspace_id == workspace(), CampaignChannel.campaign_id == any_(given_ids()))
        .group_by(CampaignChannel.campaign_id)
    )


async def create_channel(transaction: Transaction, name: str, kind: str, platform: str | None) -> int:
    """Inserts a channel and answers its id."""
    values = {"workspace_id": transaction.workspace_id, "name": name, "kind": kind, "platform": platform}
    return int(await transaction.scalar(insert(Channel).values(values).returning(Channel.id)))


async def create_audience(transaction: Transaction, name: str, description: str | None) -> int:
    """Inserts an audience and answers its id."""
    values = {"workspace_id": transaction.workspace_id, "name": name, "description": description}
    return int(await transaction.scalar(insert(Audience).values(values).returning(Audience.id)))


async def create_missing(transaction: Transaction, model: Named, names: Collection[str], **values: Any) -> None:
    """Inserts channels or audiences of these names and leaves alone those that are there. No race is lost."""
    rows = [{"workspace_id": transaction.workspace_id, "name": name, **values} for name in sorted(names)]
    if rows:
        unique = (model.workspace_id, model.name)
        await transaction.run(upsert(model).values(rows).on_conflict_do_nothing(index_elements=unique))


async def ids_of_names(transaction: Transaction, model: Named, names: Collection[str]) -> dict[str, int]:
    """The ids by name; missing ones are left out."""
    statement = select(model.name, model.id).where(
        model.workspace_id == transaction.workspace, model.name == any_(literal(list(names), ARRAY(Text)))
    )
    return {row.name: row.id for row in await transaction.rows(statement)}


async def link(transaction: Transaction, pairs: Collection[tuple[int, int]]) -> None:
    """Puts campaigns on channels, pairs of their ids, where they are not yet."""
    if pairs:
        ordered = sorted(pairs)
        values = {
            "workspace": transaction.workspace_id,
            "campaign_id": [campaign_id for campaign_id, _ in ordered],
            "channel_id": [channel_id for _, channel_id in ordered],
        }
        await transaction.run(_LINK, values)


async def linked(transaction: Transaction, campaign_id: int, channel_id: int) -> int:
    """The id of a campaign on a channel, which is put there if it is not yet."""
    await link(transaction, [(campaign_id, channel_id)])
    statement = select(CampaignChannel.id).where(
        CampaignChannel.workspace_id == transaction.workspace,
        CampaignChannel.campaign_id == campaign_id,
        CampaignChannel.channel_id == channel_id,
    )
    return int(await transaction.scalar(statement))


# Looked up first: nearly always they are there, and an insert that conflicts draws an id all the same.
_LINK = text(
    "INSERT INTO campaign_channels (workspace_id, campaign_id, channel_id) "
    "SELECT CAST(:workspace AS bigint), new.* "
    "FROM unnest(CAST(:campaign_id AS bigint[]), CAST(:channel_id AS bigint[])) AS new (campaign_id, channel_id) "
    "WHERE NOT EXISTS (SELECT FROM campaign_channels there WHERE there.workspace_id = (SELECT CAST(:workspace AS bigint)) "
    "AND there.campaign_id = new.campaign_id AND there.channel_id = new.channel_id) "
    "ORDER BY new.campaign_id, new.channel_id ON CONFLICT DO NOTHING"
)
