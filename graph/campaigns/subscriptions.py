"""The numbers of a campaign as they change."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry

from db.engine import Reads
from db.models.live import Topic
from db.queries import campaigns, metrics
from db.queries.windows import ALL_TIME
from graph import ids
from graph.campaigns.metrics import CampaignMetrics, needs_of
from graph.campaigns.types import Campaign, campaign_of
from graph.context import Info
from graph.errors import bad_input, not_found
from graph.live.sources import Shown
from graph.selection import selection_of

SHORTEST, LONGEST = 100, 60_000
"""Milliseconds between two updates."""


@dataclass(frozen=True)
class Update:
    """Whose numbers are looked at, and when."""

    at: datetime
    campaign_id: int


@strawberry.type(description="A campaign's numbers at a moment.")
class CampaignMetricsUpdate:
    """A view of an Update; its numbers are read when it is answered."""

    at: datetime = strawberry.field(description="When they were looked at.")

    @strawberry.field(description="The campaign, as it is then.")
    def campaign(root: strawberry.Parent[Any], info: Info) -> Campaign:  # noqa: N805 - an Update
        return campaign_of(info, root.campaign_id)

    @strawberry.field(description="Its numbers of all time.")
    def metrics(root: strawberry.Parent[Any], info: Info) -> CampaignMetrics:  # noqa: N805
        return info.context.loaders.one(
            metrics.of_campaigns, (needs_of(selection_of(info)), ALL_TIME), root.campaign_id
        )


Interval = Annotated[
    int | None, strawberry.argument(description="Milliseconds between two updates at least: 100 to 60000.")
]


@strawberry.type
class CampaignSubscription:
    """The streams of this domain."""

    @strawberry.subscription(
        description="The newest metrics, at once and whenever they change, at most once per interval; only what is "
        "selected is computed."
    )
    async def campaign_metrics(
        self,
        info: Info,
        campaign_id: Annotated[strawberry.ID, strawberry.argument(description="The campaign.")],
        interval_ms: Interval = 1000,
    ) -> AsyncGenerator[CampaignMetricsUpdate, None]:
        key, interval = (
            ids.argument("Campaign", campaign_id, "campaignId"),
            1000 if interval_ms is None else interval_ms,
        )
        if not SHORTEST <= interval <= LONGEST:
            raise bad_input(f"intervalMs: {SHORTEST} to {LONGEST}; it is {interval}.")
        if not await campaigns.by_ids(info.context.reads, frozenset({"id"}), [key]):
            raise not_found("campaignId: there is no such campaign.")
        workspace_id = info.context.viewer.workspace_id
        subjects = ((workspace_id, Topic.ENGAGEMENTS, key), (workspace_id, Topic.NUMBERS, key))

        async def show(_reads: Reads) -> Shown:
            now = datetime.now(UTC)
            return Shown(Update(now, key), at=now)

        return await info.context.gauge(subjects, interval / 1000, show)  # type: ignore[return-value]
