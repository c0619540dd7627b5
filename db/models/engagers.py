"""Engagers: who engaged with a campaign and how often, kept as it happens."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, WorkspaceKey

COUNTS = ("likes", "shares", "comments", "saves", "bookmarks")
"""What is counted of an engager. Each is a column."""


class CampaignEngager(Base):
    """An actor with engagements that stand. Profile columns are '' where the actor has none: a key has no nulls."""

    __tablename__ = "campaign_engagers"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        CheckConstraint(f"least({', '.join(COUNTS)}) >= 0 AND engagements > 0", name="counts"),
        CheckConstraint(f"engagements = {' + '.join(COUNTS)}", name="engagements"),
        Index(
            "campaign_engagers_top_idx",
            "workspace_id",
            "campaign_id",
            "engagements",
            "last_active_at",
            "user_id",
            "profile_type",
            "profile_id",
        ),
    )

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    profile_type: Mapped[str] = mapped_column(primary_key=True)
    profile_id: Mapped[str] = mapped_column(primary_key=True)
    likes: Mapped[int] = mapped_column(server_default="0")
    shares: Mapped[int] = mapped_column(server_default="0")
    comments: Mapped[int] = mapped_column(server_default="0")
    saves: Mapped[int] = mapped_column(server_default="0")
    bookmarks: Mapped[int] = mapped_column(server_default="0")
    engagements: Mapped[int]
    last_active_at: Mapped[datetime]
