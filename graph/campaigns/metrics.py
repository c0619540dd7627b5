"""The numbers of a campaign. Each is computed on request, and only if it is selected."""

from datetime import datetime
from typing import Any

import strawberry

from db.rates import percent
from graph.context import Info
from graph.money import Money
from graph.rates import Numbers, rate, total
from graph.scalars import BigInt
from graph.selection import Selection, selection_of

ENGAGEMENTS = ("likes", "shares", "comments", "saves", "bookmarks")
SEEN_AND_ACTED = "impressions_clicked_or_converted"
NEEDS: dict[str, tuple[str, ...]] = {
    "spend": ("spend", "currency"),
    "delivery_progress": ("impressions_charged", "total_impressions_planned"),
}
"""From a field to the numbers it is computed from, where that is not the number of its own name, nor a sum or a rate."""


@strawberry.type(
    description="Every number is computed on request and only if selected. All that an impression did counts at the "
    "impression's time, an engagement at its own. Percentages run 0-100 with two decimals, half up; null where the denominator is 0."
)
class CampaignMetrics:
    """A view of a row of db.queries.metrics."""

    total_impressions_planned: strawberry.Private[int | None]
    currency: strawberry.Private[str]

    impressions: BigInt = strawberry.field(description="Ad views that our own ad server observed.")
    unique_impressions: BigInt = strawberry.field(
        description="Impressions marked unique: as the ad server says, else the first of their userId."
    )
    reach: BigInt = strawberry.field(description="Distinct userId over the whole window. Does not add up over windows.")
    viewable_impressions: BigInt = strawberry.field(description="Impressions that were measured as viewable.")
    clicks: BigInt = strawberry.field(description="Impressions that were clicked; each counts once.")
    conversions: BigInt = strawberry.field(description="Impressions that converted; each counts once.")
    impressions_charged: BigInt = strawberry.field(description="Impressions that were charged.")
    likes: BigInt = strawberry.field(description="Likes that stand.")
    shares: BigInt = strawberry.field(description="Shares.")
    comments: BigInt = strawberry.field(description="Comments that are not deleted, replies included.")
    saves: BigInt = strawberry.field(description="Saves that stand.")
    bookmarks: BigInt = strawberry.field(description="Bookmarks that stand.")

    viewability_rate = rate(
        ["viewable_impressions"], "impressions", description="Viewable impressions over impressions, percent."
    )
    click_through_rate = rate(["clicks"], "impressions", description="Clicks over impressions, percent.")
    conversion_rate_per_impression = rate(
        ["conversions"], "impressions", description="Conversions over impressions, percent."
    )
    conversion_rate_per_click = rate(
        ["conversions"], "clicks", description="Conversions over clicks, percent; may exceed 100."
    )
    impressions_delivered = total(
        ["impressions_charged"],
        description="The older name of impressionsCharged.",
        deprecation_reason="Same number as impressionsCharged.",
    )

    @strawberry.field(description="Sum of the rates of charged impressions, unrounded, in the campaign's currency.")
    def spend(root: strawberry.Parent[Any]) -> Money:  # noqa: N805 - a row, whose spend is a number
        return Money(amount=root.spend, currency=root.currency)

    engagements = total(ENGAGEMENTS, description="Likes, shares, comments, saves and bookmarks together.")
    engagement_rate = rate(
        [SEEN_AND_ACTED, *ENGAGEMENTS],
        "impressions",
        description="Impressions that were clicked or converted plus engagements, over impressions, percent; may exceed 100.",
    )
    engaged_impression_rate = rate(
        [SEEN_AND_ACTED, "impressions_only_engaged"],
        "impressions",
        description="Impressions that were clicked, converted or led to an engagement that stands, over impressions, percent.",
    )

    @strawberry.field(description="Charged over planned impressions, percent, not capped; null without a plan.")
    def delivery_progress(self) -> float | None:
        planned = self.total_impressions_planned
        return None if planned is None else percent(self.impressions_charged, planned)


_NUMBERS = Numbers(CampaignMetrics, NEEDS)


def needs_of(selected: Selection) -> frozenset[str]:
    """The numbers that a selection of CampaignMetrics needs."""
    return _NUMBERS.of(selected)


@strawberry.type(description="The numbers of one step of a series.")
class CampaignMetricsPoint:
    """A view of a row of a series: it holds both the start and the numbers."""

    start: datetime = strawberry.field(description="Where the step starts in the workspace's calendar.")

    @strawberry.field(description="The numbers of the step, as far as the window covers it.")
    def metrics(root: strawberry.Parent[Any]) -> CampaignMetrics:  # noqa: N805 - the row is both
        return root


def point_needs(info: Info) -> frozenset[str]:
    """The numbers that a selection of a series needs."""
    return needs_of(selection_of(info).under("metrics"))
