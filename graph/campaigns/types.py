"""The campaign and what hangs on it."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.campaigns import CampaignStatus
from db.queries import campaigns, metrics
from db.queries import channels as campaign_channels
from db.queries.engagement import engagers, threads
from db.queries.engagement import reading as engagements
from db.queries.engagement.engagers import AudienceAction
from db.queries.events import reading as events
from db.queries.events.metrics import CAMPAIGNS
from db.queries.impressions import reading
from db.queries.mailings import reading as mailings
from db.queries.spaces import reading as spaces
from graph.brands import Brand, brands_of
from graph.campaigns.metrics import CampaignMetrics, CampaignMetricsPoint, needs_of, point_needs
from graph.channels.types import CampaignChannel
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.engagement.engagers import Engager
from graph.engagement.kinds import CommentOrder, Types, kinds_of
from graph.errors import bad_input
from graph.events.filters import EventFilter
from graph.events.filters import filter_of as events_of
from graph.events.metrics import EventMetrics, EventMetricsPoint, metrics_of, series_of
from graph.ids import Node, global_id
from graph.impressions.filters import ImpressionFilter, filter_of
from graph.levels import Roots, level_field
from graph.mailings.metrics import MailingMetrics, campaign_metrics_of
from graph.money import Money
from graph.scalars import BigInt
from graph.selection import selection_of
from graph.windows import TimeBucket, TimeWindow, window_of

if TYPE_CHECKING:
    from graph.engagement.types import Comment, Engagement
    from graph.events.types import Event
    from graph.impressions.types import Impression
    from graph.mailings.types import Mailing
    from graph.spaces.types import Space

strawberry.enum(
    CampaignStatus, name="CampaignStatus", description="Where a campaign stands. COMPLETED and CANCELLED are final."
)


@strawberry.type(
    description="One thing for all sources: plan and price, dates, budget and status, and all its numbers."
)
class Campaign(Node):
    """A view of a row of campaigns."""

    id: strawberry.ID = global_id("Campaign")
    key: str | None = strawberry.field(description="The caller's own key, unique in the workspace.")
    name: str = strawberry.field(description="What people call it. Need not be unique.")
    description: str | None = strawberry.field(description="Free text.")
    objective: str | None = strawberry.field(description="What it is for, as free text.")
    status: CampaignStatus = strawberry.field(description="Where it stands.")
    starts_on: date | None = strawberry.field(description="First day, in the workspace's time zone.")
    ends_on: date | None = strawberry.field(description="Last day, in the workspace's time zone.")
    currency: str = strawberry.field(description="Of budget, prices and spend. Fixed once money was spent.")
    total_impressions_planned: BigInt | None = strawberry.field(description="How many impressions were bought.")
    created_by: str | None = strawberry.field(description="Subject of the viewer who created it.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(
        description="When it was last changed. Impressions and engagements do not change it."
    )

    brand_id: strawberry.Private[int | None]
    budget_amount: strawberry.Private[Decimal | None]

    @level_field(description="The brand it is for, if any.")
    async def brand(roots: Roots, info: Info) -> list[Brand | None]:  # noqa: N805
        return await brands_of(info, [root.brand_id for root in roots])

    @strawberry.field(description="What may be spent, as configured. Not what was spent: see metrics.")
    def budget(self) -> Money | None:
        return _money(self.budget_amount, self.currency)

    @strawberry.field(description="The price of an impression, for charges that come without a rate.")
    def cost_per_impression(root: strawberry.Parent[Any]) -> Money | None:  # noqa: N805 - a row, whose price is a number
        return _money(root.cost_per_impression, root.currency)

    @level_field(description="Ad views, newest first.")
    async def impressions(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: ImpressionFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Impression", strawberry.lazy("graph.impressions.types")]]]:
        which, request = filter_of(filter), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            reading.NEWEST,
            request,
            _ids(roots),
            lambda fields, request: (reading.of_campaigns, (fields, which, request)),
            (reading.count_of_campaigns, (which,)),
        )

    @level_field(description="What people did about it and what stands, newest first.")
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
            _ids(roots),
            lambda fields, request: (engagements.of_campaigns, (fields, kinds, request)),
            (engagements.count_of_campaigns, (kinds,)),
        )

    @level_field(
        description="Top-level comments; replies hang below them. Tombstones of those that have comments below them, too."
    )
    async def comments(
        roots: Roots,  # noqa: N805
        info: Info,
        order_by: CommentOrder | None = CommentOrder.NEWEST,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Comment", strawberry.lazy("graph.engagement.types")]]]:
        by, request = (order_by or CommentOrder.NEWEST).value, PageRequest.of(first, after, last, before)
        return await connections(
            info,
            threads.ORDERS[by],
            request,
            _ids(roots),
            lambda fields, request: (threads.of_campaigns, (fields, by, request)),
            (threads.count_of_campaigns, ()),
        )

    @level_field(description="Who engaged most: by number of engagements that stand, then last active.")
    async def top_engagers(roots: Roots, info: Info, first: First = 10) -> list[list[Engager]]:  # noqa: N805
        request = PageRequest.of(first, None, None, None)
        return await info.context.loaders.many_each(engagers.top, (request.size,), _ids(roots))

    @level_field(
        description="People who did all of the given actions, e.g. clicked and liked; an actor is a person here. By "
        "userId, profileType, profileId."
    )
    async def engagers(
        roots: Roots,  # noqa: N805
        info: Info,
        did_all: Annotated[
            list[AudienceAction],
            strawberry.argument(description="At least one. Engagements that were taken back do not count."),
        ],
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Engager]]:
        if not did_all:
            raise bad_input("didAll: say at least one action.")
        actions, request = frozenset(did_all), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            engagers.order_of(actions),
            request,
            _ids(roots),
            lambda _, request: (engagers.of_campaigns, (actions, request)),
            (engagers.count_of_campaigns, (actions,)),
            may_be_written=False,
        )

    @level_field(description="The numbers of a window; of all time without one.", written_as="metrics")
    async def metrics(roots: Roots, info: Info, window: TimeWindow | None = None) -> list[CampaignMetrics]:  # noqa: N805
        arguments = (needs_of(selection_of(info)), window_of(window))
        return await info.context.loaders.one_each(metrics.of_campaigns, arguments, _ids(roots))

    @level_field(
        description="The numbers step by step, in order of time, zero-filled; at most 1000 points. An open end of the "
        "window stops where the campaign's first or last fact was recorded."
    )
    async def metric_series(
        roots: Roots,  # noqa: N805
        info: Info,
        bucket: TimeBucket = TimeBucket.DAY,
        window: TimeWindow | None = None,
    ) -> list[list[CampaignMetricsPoint]]:
        arguments = (point_needs(info), bucket.value, window_of(window))
        return await info.context.loaders.many_each(metrics.series_of_campaigns, arguments, _ids(roots))

    @level_field(
        description="The channels it runs on, in the order in which it came to them: those it was put on, and those on which "
        "something of it was recorded."
    )
    async def channels(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[CampaignChannel]]:
        return await connections(
            info,
            campaign_channels.OLDEST,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (campaign_channels.of_campaigns, (fields, request)),
            (campaign_channels.count_of_campaigns, ()),
        )

    @level_field(
        description="What the ad platforms reported, all channels together; of all time without a window. Never added to the "
        "numbers that our own ad server observed: those are metrics."
    )
    async def event_metrics(roots: Roots, info: Info, window: TimeWindow | None = None) -> list[EventMetrics]:  # noqa: N805
        return await metrics_of(info, CAMPAIGNS, _ids(roots), window)

    @level_field(
        description="What the ad platforms reported, step by step, in order of time, zero-filled; at most 1000 points. An open "
        "end of the window stops where the first or last event occurred."
    )
    async def event_series(
        roots: Roots,  # noqa: N805
        info: Info,
        bucket: TimeBucket = TimeBucket.DAY,
        window: TimeWindow | None = None,
    ) -> list[list[EventMetricsPoint]]:
        return await series_of(info, CAMPAIGNS, _ids(roots), bucket, window)

    @level_field(description="What the ad platforms reported, event by event, newest first.")
    async def events(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: EventFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Event", strawberry.lazy("graph.events.types")]]]:
        which, request = events_of(filter), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            events.NEWEST,
            request,
            _ids(roots),
            lambda fields, request: (events.of_campaigns, (fields, which, request)),
            (events.count_of_campaigns, (which,)),
        )

    @level_field(description="The asset spaces that belong to it, newest first.")
    async def spaces(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Space", strawberry.lazy("graph.spaces.types")]]]:
        return await connections(
            info,
            spaces.NEWEST,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (spaces.of_campaigns, (fields, request)),
            (spaces.count_of_campaigns, ()),
        )

    @level_field(description="Its mailings, newest first.")
    async def mailings(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Mailing", strawberry.lazy("graph.mailings.types")]]]:
        return await connections(
            info,
            mailings.NEWEST,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (mailings.of_campaigns, (fields, request)),
            (mailings.count_of_campaigns, ()),
        )

    @level_field(description="The numbers of all its mailings together.")
    async def mailing_metrics(roots: Roots, info: Info) -> list[MailingMetrics]:  # noqa: N805
        return await campaign_metrics_of(info, _ids(roots))


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


def _money(amount: Decimal | None, currency: str) -> Money | None:
    return None if amount is None else Money(amount=amount, currency=currency)


def campaigns_of(info: Info, campaign_ids: Sequence[int | None]) -> Any:
    """The campaigns of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(campaigns.by_ids, (selection_of(info).names,), campaign_ids)


def campaign_of(info: Info, campaign_id: int | None) -> Any:
    """The campaign of an id, with what the current field selects of it; null where there is none."""
    if campaign_id is None:
        return None
    return info.context.loaders.one(campaigns.by_ids, (selection_of(info).names,), campaign_id)
