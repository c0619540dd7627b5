"""The event."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import strawberry
from strawberry.scalars import JSON

from graph.campaigns.types import Campaign, campaigns_of
from graph.channels.types import Audience, Channel, audiences_of, channels_of
from graph.context import Info
from graph.events.kinds import EventType
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.money import Money


@strawberry.type(description="What an ad platform reported. Never changed once it is recorded.")
class Event(Node):
    """A view of a row of events."""

    id: strawberry.ID = global_id("Event")
    key: str = strawberry.field(description="The sender's own key, unique in the workspace.")
    type: EventType = strawberry.field(description="What happened.")
    user_id: str | None = strawberry.field(description="Whom the platform says it was, if it does.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    campaign_id: strawberry.Private[int]
    channel_id: strawberry.Private[int | None]
    audience_id: strawberry.Private[int | None]
    value_amount: strawberry.Private[Decimal | None]

    @level_field(description="The campaign it is about.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @level_field(description="The channel it happened on, if it was said.")
    async def channel(roots: Roots, info: Info) -> list[Channel | None]:  # noqa: N805
        return await channels_of(info, [root.channel_id for root in roots])

    @level_field(description="The audience it happened in, if it was said.")
    async def audience(roots: Roots, info: Info) -> list[Audience | None]:  # noqa: N805
        return await audiences_of(info, [root.audience_id for root in roots])

    @strawberry.field(description="What it was worth, if it was said. Of conversions it is the revenue.")
    def value(root: strawberry.Parent[Any]) -> Money | None:  # noqa: N805
        if root.value_amount is None:
            return None
        return Money(amount=root.value_amount, currency=root.value_currency)

    @strawberry.field(description="What else the platform said, as it came.")
    def data(root: strawberry.Parent[Any]) -> JSON | None:  # noqa: N805 - a row, whose data is a text
        return None if root.data is None else orjson.loads(root.data)
