"""Roll-ups: the additive numbers of a campaign, kept by the writes in their own transaction."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import SLOTS, Base, WorkspaceKey

ADDITIVE = (
    "impressions",
    "unique_impressions",
    "viewable_impressions",
    "clicks",
    "conversions",
    "impressions_clicked_or_converted",
    "impressions_charged",
    "spend",
    "impressions_only_engaged",
    "likes",
    "shares",
    "comments",
    "saves",
    "bookmarks",
)
"""The numbers that add up over time. Each is a column of both roll-up tables."""

WHOLE = ("reach", "threads")
"""The numbers of all time that do not add up over buckets. Each is a column of the totals."""


class CampaignCounters:
    """The columns of both roll-ups. Counts are rows; ``spend`` is in the campaign's currency, unrounded.

    ``impressions_only_engaged``: led to an engagement that stands, and were neither clicked nor converted.
    """

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    impressions: Mapped[int] = mapped_column(server_default="0")
    unique_impressions: Mapped[int] = mapped_column(server_default="0")
    viewable_impressions: Mapped[int] = mapped_column(server_default="0")
    clicks: Mapped[int] = mapped_column(server_default="0")
    conversions: Mapped[int] = mapped_column(server_default="0")
    impressions_clicked_or_converted: Mapped[int] = mapped_column(server_default="0")
    impressions_charged: Mapped[int] = mapped_column(server_default="0")
    spend: Mapped[Decimal] = mapped_column(server_default="0")
    impressions_only_engaged: Mapped[int] = mapped_column(server_default="0")
    likes: Mapped[int] = mapped_column(server_default="0")
    shares: Mapped[int] = mapped_column(server_default="0")
    comments: Mapped[int] = mapped_column(server_default="0")
    saves: Mapped[int] = mapped_column(server_default="0")
    bookmarks: Mapped[int] = mapped_column(server_default="0")


def _table_args(*key: str, extra: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    return (
        PrimaryKeyConstraint(*key),
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        CheckConstraint(f"slot BETWEEN 0 AND {SLOTS - 1}", name="slot"),
        *extra,
        # Counters are updated in place all day: room on the page keeps those updates off the indexes.
        {"postgresql_with": {"fillfactor": 50}},
    )


class CampaignTotals(CampaignCounters, Base):
    """All time. ``reach`` is the distinct users, ``threads`` the top-level comments that are listed."""

    __tablename__ = "campaign_totals"
    __table_args__ = _table_args("workspace_id", "campaign_id", "slot")

    reach: Mapped[int] = mapped_column(server_default="0")
    threads: Mapped[int] = mapped_column(server_default="0")


class CampaignBucket(CampaignCounters, Base):
    """A quarter of an hour from ``starts_at``, the finest step on which every time zone's hours and days fall."""

    __tablename__ = "campaign_buckets"
    __table_args__ = _table_args(
        "workspace_id",
        "campaign_id",
        "starts_at",
        "slot",
        extra=(CheckConstraint("mod(extract(epoch FROM starts_at), 900) = 0", name="starts_at"),),
    )

    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
