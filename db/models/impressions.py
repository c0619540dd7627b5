"""Impressions: one ad view each, observed by the ad server."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Reference, Timestamp, WorkspaceKey, amount_in_bounds


class Impression(Base):
    """One ad view and what became of it. ``clicked``, ``converted`` and ``charged`` follow from their times."""

    __tablename__ = "impressions"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "brand_id"], ["brands.workspace_id", "brands.id"]),
        ForeignKeyConstraint(["workspace_id", "channel_id"], ["channels.workspace_id", "channels.id"]),
        ForeignKeyConstraint(["workspace_id", "audience_id"], ["audiences.workspace_id", "audiences.id"]),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
        CheckConstraint("length(user_id) BETWEEN 1 AND 200", name="user_id"),
        CheckConstraint("NOT is_unique OR user_id IS NOT NULL", name="unique_needs_user"),
        CheckConstraint(
            "user_id IS NOT NULL OR (profile_id IS NULL AND profile_type IS NULL)", name="actor_needs_user"
        ),
        CheckConstraint("viewable_duration_ms >= 0", name="viewable_duration_ms"),
        CheckConstraint(amount_in_bounds("cpi_rate"), name="cpi_rate"),
        # Pages in time order and every window. The user comes along for distinct counts from the index alone.
        Index(
            "impressions_time_idx",
            "workspace_id",
            "campaign_id",
            "occurred_at",
            "id",
            postgresql_include=["user_id"],
        ),
        Index("impressions_user_idx", "workspace_id", "campaign_id", "user_id", "occurred_at", "id"),
        # Clicks and conversions are rare: without these a filtered page would walk the whole campaign.
        Index(
            "impressions_clicked_idx",
            "workspace_id",
            "campaign_id",
            "occurred_at",
            "id",
            postgresql_where=text("clicked"),
        ),
        Index(
            "impressions_converted_idx",
            "workspace_id",
            "campaign_id",
            "occurred_at",
            "id",
            postgresql_where=text("converted"),
        ),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    campaign_id: Mapped[Reference]
    brand_id: Mapped[Reference | None]
    channel_id: Mapped[Reference | None]
    audience_id: Mapped[Reference | None]
    key: Mapped[str]
    user_id: Mapped[str | None]
    profile_id: Mapped[str | None]
    profile_type: Mapped[str | None]
    is_unique: Mapped[bool]
    is_viewable: Mapped[bool | None]
    viewable_duration_ms: Mapped[int | None] = mapped_column(Integer)
    clicked: Mapped[bool] = mapped_column(Boolean, Computed("clicked_at IS NOT NULL", persisted=True))
    clicked_at: Mapped[Timestamp | None]
    converted: Mapped[bool] = mapped_column(Boolean, Computed("converted_at IS NOT NULL", persisted=True))
    converted_at: Mapped[Timestamp | None]
    device_type: Mapped[str | None]
    location: Mapped[str | None]
    region: Mapped[str | None]
    placement: Mapped[str | None]
    audience_label: Mapped[str | None]
    cpi_rate: Mapped[Decimal | None]
    charged: Mapped[bool] = mapped_column(Boolean, Computed("charged_at IS NOT NULL", persisted=True))
    charged_at: Mapped[Timestamp | None]
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    session_id: Mapped[str | None]
    occurred_at: Mapped[datetime]
    created_at: Mapped[Recorded]
    engagement_count: Mapped[int] = mapped_column(server_default="0")
    """Engagements that stand and say that this impression led to them."""


class CampaignUser(Base):
    """A user reached by a campaign: the exact all-time distinct count as it grows, and who is its first."""

    __tablename__ = "campaign_users"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
    )

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
