"""Figures that a platform reported of a space or an asset."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import strawberry

from db import rates
from db.errors import Problem, invalid
from db.models.space_items import COUNTED, PAID, Figures
from graph.money import Money, MoneyInput
from graph.scalars import BigInt

_FIGURE = "From 0 to 2^53-1. Left out: it stays as it is; null: the platform reports none."
_AMOUNT = "Left out: it stays as it is; null: the platform reports none. Spend and revenue are of one currency."
_SHARE = Decimal("0.0001")


def _money(amount: Decimal | None, currency: str) -> Money | None:
    return None if amount is None else Money(amount=amount, currency=currency)


@strawberry.type(
    description="Figures that the platform reported, the latest. What it did not report is null, never 0. Never added to what "
    "our own ad server observed."
)
class Performance:
    """A view of a row of spaces or assets."""

    impressions: BigInt | None = strawberry.field(description="How often it was shown.")
    clicks: BigInt | None = strawberry.field(description="How often it was clicked.")
    conversions: BigInt | None = strawberry.field(description="How often what it was for was reached.")

    @strawberry.field(description="What was spent on it.")
    def spend(root: strawberry.Parent[Any]) -> Money | None:  # noqa: N805 - a row
        return _money(root.spend, root.figures_currency)

    @strawberry.field(description="What it brought in.")
    def revenue(root: strawberry.Parent[Any]) -> Money | None:  # noqa: N805
        return _money(root.revenue, root.figures_currency)

    @strawberry.field(
        description="100 * clicks / impressions, two decimals; null without impressions, or where one was not reported."
    )
    def click_through_rate(root: strawberry.Parent[Any]) -> float | None:  # noqa: N805
        if root.clicks is None or root.impressions is None:
            return None
        return rates.percent(root.clicks, root.impressions)

    @strawberry.field(
        description="Revenue / spend, four decimals; null where nothing was spent, or where one was not reported."
    )
    def roas(root: strawberry.Parent[Any]) -> float | None:  # noqa: N805
        if root.revenue is None or not root.spend:
            return None
        with localcontext(prec=60):
            return float((root.revenue / root.spend).quantize(_SHARE, ROUND_HALF_UP))

    @strawberry.field(description="When they were reported last.")
    def updated_at(root: strawberry.Parent[Any]) -> datetime:  # noqa: N805
        return root.reported_at


@strawberry.input(description="Figures that the platform reports now.")
class UpdatePerformanceInput:
    """What updateSpacePerformance and updateAssetPerformance take."""

    id: strawberry.ID = strawberry.field(description="Of what they are.")
    impressions: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    clicks: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    conversions: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    spend: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description=_AMOUNT)
    revenue: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description=_AMOUNT)


def figures_of(given: UpdatePerformanceInput, problems: list[Problem]) -> Figures:
    """The figures that an input means; what is wrong with them by themselves is added to ``problems``."""
    values = {name: value for name in COUNTED if (value := getattr(given, name)) is not strawberry.UNSET}
    paid = {name: value for name in PAID if (value := getattr(given, name)) is not strawberry.UNSET}
    currencies = {money.currency for money in paid.values() if money is not None}
    if len(currencies) > 1:
        problems.append(
            invalid("Spend and revenue must be of one currency: they are never added or divided.", "revenue")
        )
    values |= {name: None if money is None else money.amount for name, money in paid.items()}
    if not values:
        problems.append(invalid("Give at least one figure.", "impressions"))
    figures = Figures(values, min(currencies) if currencies else None)
    problems.extend(figures.problems())
    return figures
