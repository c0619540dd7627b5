"""The root fields that find campaigns."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.campaigns import CampaignStatus
from db.queries import campaigns
from graph import ids
from graph.campaigns.types import Campaign, campaign_of
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.searches import search_of
from graph.selection import selection_of


@strawberry.enum(description="The order of a list of campaigns.")
class CampaignOrder(StrEnum):
    """Ties are broken by age."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    NAME = "NAME"
    STARTS_ON = "STARTS_ON"


@strawberry.input(description="Which campaigns. All that is given must hold.")
class CampaignFilter:
    """A filter as an argument. Null is the same as left out."""

    status: list[CampaignStatus] | None = strawberry.field(default=None, description="One of these.")
    brand_id: strawberry.ID | None = strawberry.field(default=None, description="Of this brand.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="On this channel.")
    search: str | None = strawberry.field(
        default=None,
        description="Each of these words in name, key, description or objective; case does not matter. At most 200 characters.",
    )
    active_on: date | None = strawberry.field(
        default=None, description="Started on or before this day and not yet over. A missing date does not bound."
    )


def filter_of(given: CampaignFilter | None) -> campaigns.Filter:
    """The filter that an argument means."""
    if given is None:
        return campaigns.Filter()
    return campaigns.Filter(
        status=None if given.status is None else tuple(given.status),
        brand_id=None if given.brand_id is None else ids.argument("Brand", given.brand_id, "filter.brandId"),
        channel_id=None if given.channel_id is None else ids.argument("Channel", given.channel_id, "filter.channelId"),
        search=search_of(given.search),
        active_on=given.active_on,
    )


@strawberry.type
class CampaignQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The campaign of an id; null where there is none.")
    def campaign(self, info: Info, id: strawberry.ID) -> Campaign | None:  # noqa: A002
        return campaign_of(info, ids.argument("Campaign", id))

    @strawberry.field(description="The campaign that has this key; null where there is none.")
    def campaign_by_key(
        self, info: Info, key: Annotated[str, strawberry.argument(description="The caller's own key.")]
    ) -> Campaign | None:
        fields: Any = (selection_of(info).names,)
        return info.context.loaders.one(campaigns.by_keys, fields, key, by="key")

    @strawberry.field(description="The workspace's campaigns.")
    async def campaigns(
        self,
        info: Info,
        filter: CampaignFilter | None = None,  # noqa: A002
        order_by: CampaignOrder | None = CampaignOrder.NEWEST,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Campaign]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        by = (order_by or CampaignOrder.NEWEST).value
        return await connection(
            info,
            campaigns.ORDERS[by],
            request,
            lambda fields, request: campaigns.listed(reads, fields, which, by, request),
            lambda: campaigns.count(reads, which),
        )
