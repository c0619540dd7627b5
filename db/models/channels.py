"""Channels that campaigns run on, which campaign runs on which, and audiences."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.platforms import Platform

LONGEST_NAME = 200
LONGEST_DESCRIPTION = 2000


class ChannelKind(StrEnum):
    """What sort of channel it is."""

    EMAIL = "EMAIL"
    ADS = "ADS"
    SOCIAL = "SOCIAL"
    WEB = "WEB"
    OTHER = "OTHER"


class Channel(Base):
    """Where campaigns run: one name for it in the whole workspace."""

    __tablename__ = "channels"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "name"),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        CheckConstraint(one_of("kind", ChannelKind), name="kind"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    kind: Mapped[str]
    platform: Mapped[str | None]
    created_at: Mapped[Recorded]


class Audience(Base):
    """Whom something is shown to."""

    __tablename__ = "audiences"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "name"),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        CheckConstraint(f"length(description) <= {LONGEST_DESCRIPTION}", name="description"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[Recorded]


class CampaignChannel(Base):
    """One campaign on one channel: said so, or found out from the first event or impression there."""

    __tablename__ = "campaign_channels"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "channel_id"], ["channels.workspace_id", "channels.id"]),
        UniqueConstraint("workspace_id", "campaign_id", "channel_id"),
        Index("campaign_channels_channel_idx", "workspace_id", "channel_id", "campaign_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    campaign_id: Mapped[Reference]
    channel_id: Mapped[Reference]
    created_at: Mapped[Recorded]
