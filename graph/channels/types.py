"""Channels, audiences, and campaigns on channels."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.models.channels import ChannelKind
from db.queries import campaigns, channels
from db.queries.events.metrics import CAMPAIGN_CHANNELS, CHANNELS
from graph.context import Info
from graph.events.metrics import EventMetrics, EventMetricsPoint, metrics_of, series_of
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.platforms import Platform
from graph.selection import selection_of
from graph.windows import TimeBucket, TimeWindow

if TYPE_CHECKING:
    from graph.campaigns.types import Campaign

strawberry.enum(ChannelKind, name="ChannelKind", description="What sort of channel it is.")

_NUMBERS = "What the ad platforms reported {}; of all time without a window."
_SERIES = (
    "What the ad platforms reported {}, step by step, in order of time, zero-filled; at most 1000 points. An open end of "
    "the window stops where the first or last event occurred."
)


@strawberry.type(description="Where campaigns run. The platforms' events name it.")
class Channel(Node):
    """A view of a row of channels."""

    id: strawberry.ID = global_id("Channel")
    name: str = strawberry.field(description="Unique in the workspace.")
    kind: ChannelKind = strawberry.field(description="What sort of channel it is.")
    platform: Platform | None = strawberry.field(description="Whose platform it is, if anybody's.")
    created_at: datetime = strawberry.field(description="When it was created.")

    @level_field(description=_NUMBERS.format("on this channel, of all campaigns together"))
    async def metrics(roots: Roots, info: Info, window: TimeWindow | None = None) -> list[EventMetrics]:  # noqa: N805
        return await metrics_of(info, CHANNELS, _ids(roots), window)

    @level_field(description=_SERIES.format("on this channel"))
    async def metric_series(
        roots: Roots,  # noqa: N805
        info: Info,
        bucket: TimeBucket = TimeBucket.DAY,
        window: TimeWindow | None = None,
    ) -> list[list[EventMetricsPoint]]:
        return await series_of(info, CHANNELS, _ids(roots), bucket, window)


@strawberry.type(description="Whom something is shown to. Restricted API clients see none.")
class Audience(Node):
    """A view of a row of audiences."""

    id: strawberry.ID = global_id("Audience")
    name: str = strawberry.field(description="Unique in the workspace.")
    description: str | None = strawberry.field(description="Free text.")
    created_at: datetime = strawberry.field(description="When it was created.")


@strawberry.type(description="One campaign on one channel.")
class CampaignChannel(Node):
    """A view of a row of campaign_channels."""

    id: strawberry.ID = global_id("CampaignChannel")
    created_at: datetime = strawberry.field(
        description="When the campaign was put on the channel, or its first event or impression there was recorded."
    )

    campaign_id: strawberry.Private[int]
    channel_id: strawberry.Private[int]

    @level_field(description="The campaign.")
    async def campaign(
        roots: Roots,  # noqa: N805
        info: Info,
    ) -> list[Annotated["Campaign", strawberry.lazy("graph.campaigns.types")]]:
        fields = (selection_of(info).names,)
        return await info.context.loaders.one_each(campaigns.by_ids, fields, [root.campaign_id for root in roots])

    @level_field(description="The channel.")
    async def channel(roots: Roots, info: Info) -> list[Channel]:  # noqa: N805
        return await channels_of(info, [root.channel_id for root in roots])

    @level_field(description=_NUMBERS.format("of the campaign on the channel"))
    async def metrics(roots: Roots, info: Info, window: TimeWindow | None = None) -> list[EventMetrics]:  # noqa: N805
        return await metrics_of(info, CAMPAIGN_CHANNELS, _ids(roots), window)

    @level_field(description=_SERIES.format("of the campaign on the channel"))
    async def metric_series(
        roots: Roots,  # noqa: N805
        info: Info,
        bucket: TimeBucket = TimeBucket.DAY,
        window: TimeWindow | None = None,
    ) -> list[list[EventMetricsPoint]]:
        return await series_of(info, CAMPAIGN_CHANNELS, _ids(roots), bucket, window)


@strawberry.type(description="A channel and its numbers, at its place among the others.")
class ChannelPerformance:
    """A view of a row of the ranking."""

    id: strawberry.Private[int]
    window: strawberry.Private[TimeWindow | None]

    @level_field(description="The channel.")
    async def channel(roots: Roots, info: Info) -> list[Channel]:  # noqa: N805
        return await channels_of(info, _ids(roots))

    @level_field(description="Its numbers, over the window of the ranking.")
    async def metrics(roots: Roots, info: Info) -> list[EventMetrics]:  # noqa: N805
        return await metrics_of(info, CHANNELS, _ids(roots), roots[0].window)


def channels_of(info: Info, channel_ids: Sequence[int | None]) -> Any:
    """The channels of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(channels.by_ids, (selection_of(info).names,), channel_ids)


def audiences_of(info: Info, audience_ids: Sequence[int | None]) -> Any:
    """The audiences of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(channels.audiences_by_ids, (selection_of(info).names,), audience_ids)


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]
