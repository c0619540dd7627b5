"""The numbers of events. Each is computed on request, and only if it is selected."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry

from db.queries.events import metrics
from db.queries.events.metrics import Owner
from graph.context import Info
from graph.money import Money
from graph.rates import Numbers, rate
from graph.scalars import BigInt
from graph.selection import selection_of
from graph.windows import TimeBucket, TimeWindow, window_of


@strawberry.type(
    description="What ad platforms reported. Never added to the numbers that our own ad server observed. Percentages run 0-100 "
    "with two decimals, half up; null where the denominator is 0."
)
class EventMetrics:
    """A view of a row of db.queries.events.metrics."""

    impressions: BigInt = strawberry.field(description="Events of the type IMPRESSION.")
    clicks: BigInt = strawberry.field(description="Events of the type CLICK.")
    conversions: BigInt = strawberry.field(description="Events of the type CONVERSION.")
    unique_users: BigInt = strawberry.field(
        description="Distinct userId over the whole window. Does not add up over windows, channels or campaigns."
    )
    click_through_rate = rate(["clicks"], "impressions", description="Clicks over impressions, percent.")
    conversion_rate_per_click = rate(
        ["conversions"], "clicks", description="Conversions over clicks, percent; may exceed 100."
    )

    @strawberry.field(
        description="The sum of the values of conversions: one entry per currency, by its code. Currencies are never added."
    )
    def revenue(root: strawberry.Parent[Any]) -> list[Money]:  # noqa: N805 - a row, whose revenue is two lists
        pairs = zip(root.currencies or (), root.amounts or (), strict=True)
        return [Money(amount=amount, currency=currency) for currency, amount in pairs]


_NUMBERS = Numbers(EventMetrics, {})


@strawberry.type(description="The numbers of one step of a series.")
class EventMetricsPoint:
    """A view of a row of a series: it holds both the start and the numbers."""

    start: datetime = strawberry.field(description="Where the step starts in the workspace's calendar.")

    @strawberry.field(description="The numbers of the step, as far as the window covers it.")
    def metrics(root: strawberry.Parent[Any]) -> EventMetrics:  # noqa: N805 - the row is both
        return root


def metrics_of(info: Info, owner: Owner, ids: Sequence[int], window: TimeWindow | None) -> Any:
    """For each id of an owner's table its numbers, as the current field selects them."""
    arguments = (owner, _NUMBERS.of(selection_of(info)), window_of(window))
    return info.context.loaders.one_each(metrics.of, arguments, ids)


def series_of(info: Info, owner: Owner, ids: Sequence[int], bucket: TimeBucket, window: TimeWindow | None) -> Any:
    """For each id of an owner's table its series, as the current field selects it."""
    arguments = (owner, _NUMBERS.of(selection_of(info).under("metrics")), bucket.value, window_of(window))
    return info.context.loaders.many_each(metrics.series_of, arguments, ids)
