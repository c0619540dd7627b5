"""The impression."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.queries.engagement import reading as engagements
from db.queries.impressions import reading
from graph.actors import Actor
from graph.brands import Brand, brands_of
from graph.campaigns.types import Campaign, campaigns_of
from graph.channels.types import Audience, Channel, audiences_of, channels_of
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.engagement.kinds import Types, kinds_of
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.selection import selection_of

if TYPE_CHECKING:
    from graph.engagement.types import Engagement


@strawberry.type(description="One ad view that our own ad server observed, and what became of it.")
class Impression(Node):
    """A view of a row of impressions."""

    id: strawberry.ID = global_id("Impression")
    key: str = strawberry.field(description="The sender's own key, unique in the workspace.")
    audience_label: str | None = strawberry.field(description="The audience as free text.")
    is_unique: bool = strawberry.field(
        description="As the ad server said, else whether it was the first recorded of this userId on this campaign; "
        "false without a userId."
    )
    is_viewable: bool | None = strawberry.field(description="Null: not measurable.")
    viewable_duration_ms: int | None = strawberry.field(description="How long it was in view, in milliseconds.")
    clicked: bool = strawberry.field(description="Whether it was clicked.")
    clicked_at: datetime | None = strawberry.field(description="The first click.")
    converted: bool = strawberry.field(description="Whether it converted.")
    converted_at: datetime | None = strawberry.field(description="The first conversion.")
    device_type: str | None = strawberry.field(description="As the ad server calls it.")
    location: str | None = strawberry.field(description="As the ad server calls it.")
    region: str | None = strawberry.field(description="As the ad server calls it.")
    placement: str | None = strawberry.field(description="As the ad server calls it.")
    cpi_rate: Decimal | None = strawberry.field(
        description="What this impression costs, in the campaign's currency: the rate that came with it or with its "
        "charge, else the campaign's price when the charge was recorded."
    )
    charged: bool = strawberry.field(description="Whether it was charged.")
    charged_at: datetime | None = strawberry.field(description="The first charge.")
    ip_address: str | None = strawberry.field(description="IPv4 or IPv6.")
    user_agent: str | None = strawberry.field(description="The browser's own words.")
    session_id: str | None = strawberry.field(description="As the ad server calls it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    campaign_id: strawberry.Private[int]
    brand_id: strawberry.Private[int | None]
    channel_id: strawberry.Private[int | None]
    audience_id: strawberry.Private[int | None]

    @level_field(description="The campaign it belongs to.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @level_field(description="The campaign's brand when it was recorded, if any.")
    async def brand(roots: Roots, info: Info) -> list[Brand | None]:  # noqa: N805
        return await brands_of(info, [root.brand_id for root in roots])

    @level_field(description="The channel it was shown on, if it was said.")
    async def channel(roots: Roots, info: Info) -> list[Channel | None]:  # noqa: N805
        return await channels_of(info, [root.channel_id for root in roots])

    @level_field(description="The audience it was shown to, if it was said.")
    async def audience(roots: Roots, info: Info) -> list[Audience | None]:  # noqa: N805
        return await audiences_of(info, [root.audience_id for root in roots])

    @strawberry.field(description="Who saw it; null where that is not known.")
    def actor(root: strawberry.Parent[Any]) -> Actor | None:  # noqa: N805 - the row is the actor's source too
        return None if root.user_id is None else root

    @level_field(description="Engagements that it led to and that stand, newest first.")
    async def engagements(
        roots: Roots,  # noqa: N805
        info: Info,
        types: Types = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Engagement", strawberry.lazy("graph.engagement.types")]]]:
        kinds, request = kinds_of(types), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            engagements.NEWEST,
            request,
            [root.id for root in roots],
            lambda fields, request: (engagements.of_impressions, (fields, kinds, request)),
            (engagements.count_of_impressions, (kinds,)),
        )


def impressions_of(info: Info, impression_ids: Sequence[int | None]) -> Any:
    """The impressions of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), impression_ids)
