"""Campaigns: plan, price, dates and status. Their numbers are computed, see metrics."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.errors import Problem, invalid
from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, amount_in_bounds, one_of
from db.models.rules import amount_problems, text_problems

_CURRENCY = re.compile("[A-Z]{3}")


class CampaignStatus(StrEnum):
    """Where a campaign stands. COMPLETED and CANCELLED are final."""

    DRAFT = "DRAFT"
    PLANNED = "PLANNED"
    SCHEDULED = "SCHEDULED"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_S = CampaignStatus
MOVES: dict[CampaignStatus, frozenset[CampaignStatus]] = {
    _S.DRAFT: frozenset({_S.PLANNED, _S.SCHEDULED, _S.ACTIVE, _S.CANCELLED}),
    _S.PLANNED: frozenset({_S.DRAFT, _S.SCHEDULED, _S.ACTIVE, _S.CANCELLED}),
    _S.SCHEDULED: frozenset({_S.PLANNED, _S.ACTIVE, _S.CANCELLED}),
    _S.ACTIVE: frozenset({_S.PAUSED, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.ACTIVE, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.FAILED: frozenset({_S.PAUSED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""From each status the ones it may move to. Staying where it is, is no move and always allowed."""

WITHOUT_DATE = literal_column("'infinity'::date", Date)
"""Where a campaign without a start sorts: after all that have one."""


class Campaign(Base):
    """One thing for all sources. ``currency`` is that of its budget, its prices and its spend."""

    __tablename__ = "campaigns"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "brand_id"], ["brands.workspace_id", "brands.id"]),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("key <> '' AND length(key) <= 200", name="key"),
        CheckConstraint("name <> '' AND length(name) <= 200", name="name"),
        CheckConstraint(one_of("status", CampaignStatus), name="status"),
        CheckConstraint("ends_on >= starts_on", name="dates"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(amount_in_bounds("budget_amount"), name="budget_amount"),
        CheckConstraint(amount_in_bounds("cost_per_impression"), name="cost_per_impression"),
        CheckConstraint("total_impressions_planned BETWEEN 0 AND 9007199254740991", name="total_impressions_planned"),
        Index("campaigns_newest_idx", "workspace_id", "created_at", "id"),
        Index("campaigns_name_idx", "workspace_id", text("lower(name)"), "id"),
        Index("campaigns_starts_on_idx", "workspace_id", text("COALESCE(starts_on, 'infinity'::date)"), "id"),
        Index("campaigns_brand_idx", "workspace_id", "brand_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    key: Mapped[str | None]
    name: Mapped[str]
    description: Mapped[str | None]
    objective: Mapped[str | None]
    status: Mapped[str]
    brand_id: Mapped[Reference | None]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    currency: Mapped[str]
    budget_amount: Mapped[Decimal | None]
    cost_per_impression: Mapped[Decimal | None]
    total_impressions_planned: Mapped[int | None]
    created_by: Mapped[str | None]
    created_at: Mapped[Recorded]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


def problems(values: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with the values of a campaign, each named by its column. Missing values are not wrong."""
    found: list[Problem] = []
    for name, longest in (("key", 200), ("name", 200), ("description", 10_000), ("objective", 2_000)):
        if values.get(name) is not None:
            found += text_problems(name, values[name], longest, may_be_empty=name in ("description", "objective"))
    if values.get("currency") is not None and not _CURRENCY.fullmatch(values["currency"]):
        found.append(invalid("A currency is three capital letters, as ISO 4217 has them.", "currency"))
    for name in ("budget_amount", "cost_per_impression"):
        if values.get(name) is not None:
            found += amount_problems(name, values[name])
    starts_on, ends_on = values.get("starts_on"), values.get("ends_on")
    if starts_on is not None and ends_on is not None and ends_on < starts_on:
        found.append(invalid("The campaign ends before it starts.", "ends_on"))
    planned = values.get("total_impressions_planned")
    if planned is not None and planned < 0:
        found.append(invalid("This must be zero or more.", "total_impressions_planned"))
    return found
