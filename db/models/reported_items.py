"""What spaces and assets have in common: the figures that a platform reported, and the words of their tables."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import amount_in_bounds

SPACE = ["spaces.workspace_id", "spaces.id"]
LIVE = "deleted_at IS NULL"
Document = Annotated[Any, mapped_column(JSONB(none_as_null=True))]
"""JSON. Null is no document, never JSON's own null."""
CURRENCY = "~ '^[A-Z]{3}$'"


REPORTED = ("impressions", "clicks", "conversions", "spend", "revenue", "figures_currency", "reported_at")
"""The columns of what is reported."""


class Reported:
    """Figures that a platform reported of something, the latest: null where it reported none. ``reported_at`` is when they came."""

    impressions: Mapped[int | None]
    clicks: Mapped[int | None]
    conversions: Mapped[int | None]
    spend: Mapped[Decimal | None]
    revenue: Mapped[Decimal | None]
    figures_currency: Mapped[str | None]
    """Of spend and revenue."""
    reported_at: Mapped[datetime | None]


def reported_checks() -> list[CheckConstraint]:
    """What holds for figures, for the table's arguments."""
    return [
        CheckConstraint("least(impressions, clicks, conversions) >= 0", name="figures"),
        CheckConstraint(amount_in_bounds("spend"), name="spend"),
        CheckConstraint(amount_in_bounds("revenue"), name="revenue"),
        CheckConstraint(f"figures_currency {CURRENCY}", name="figures_currency"),
        CheckConstraint(
            "(spend IS NULL AND revenue IS NULL) OR figures_currency IS NOT NULL", name="figures_have_currency"
        ),
        CheckConstraint(
            "reported_at IS NOT NULL OR num_nonnulls(impressions, clicks, conversions, spend, revenue) = 0",
            name="reported",
        ),
    ]
