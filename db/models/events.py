"""Events: what the ad platforms report of campaigns. Their roll-ups, who they are of, and what could not be taken."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import SLOTS, Base, Key, Recorded, Reference, Timestamp, WorkspaceKey, amount_in_bounds, one_of
from db.models.event_kinds import EventType


class Event(Base):
    """One event, as a platform reported it. Never changed: what arrives again is known by its key."""

    __tablename__ = "events"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "channel_id"], ["channels.workspace_id", "channels.id"]),
        ForeignKeyConstraint(["workspace_id", "audience_id"], ["audiences.workspace_id", "audiences.id"]),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
        CheckConstraint(one_of("type", EventType), name="type"),
        CheckConstraint("length(user_id) BETWEEN 1 AND 200", name="user_id"),
        CheckConstraint(amount_in_bounds("value_amount"), name="value_amount"),
        CheckConstraint("value_currency ~ '^[A-Z]{3}$'", name="value_currency"),
        CheckConstraint("(value_amount IS NULL) = (value_currency IS NULL)", name="value"),
        # Pages in time order, every window of a campaign, and exports. The user comes along for distinct counts from
        # the index alone.
        Index("events_time_idx", "workspace_id", "campaign_id", "occurred_at", "id", postgresql_include=["user_id"]),
        Index("events_channel_idx", "workspace_id", "channel_id", "occurred_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    campaign_id: Mapped[Reference]
    channel_id: Mapped[Reference | None]
    audience_id: Mapped[Reference | None]
    key: Mapped[str]
    type: Mapped[str]
    user_id: Mapped[str | None]
    value_amount: Mapped[Decimal | None]
    value_currency: Mapped[str | None]
    data: Mapped[Any | None] = mapped_column(JSON)
    """As it came, and as long: as JSONB, 1e308 would be three hundred digits."""
    occurred_at: Mapped[datetime]
    created_at: Mapped[Recorded]


class EventCounters:
    """The columns of both roll-ups. Counts are rows; ``revenue`` is in the row's currency, unrounded.

    ``channel_id``: NO_CHANNEL for events without one. ``currency``: that of the conversions which the row counts and whose
    value it adds up; NO_CURRENCY for all other events. No foreign key to the channel, for NO_CHANNEL is none: the events
    that are counted have it.
    """

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    impressions: Mapped[int] = mapped_column(server_default="0")
    clicks: Mapped[int] = mapped_column(server_default="0")
    conversions: Mapped[int] = mapped_column(server_default="0")
    revenue: Mapped[Decimal] = mapped_column(server_default="0")


def _of_campaign(*constraints: Any) -> tuple[Any, ...]:
    return (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        *constraints,
    )


_IN_A_SLOT = f"slot BETWEEN 0 AND {SLOTS - 1}"
# Counters are updated in place all day: room on the page keeps those updates off the indexes.
_ROOM = {"postgresql_with": {"fillfactor": 50}}


class EventTotals(EventCounters, Base):
    """All time. ``unique_users`` are the distinct users of the campaign on the channel, ``campaign_unique_users`` those of
    the campaign, counted on the rows of NO_CHANNEL and NO_CURRENCY."""

    __tablename__ = "event_totals"
    __table_args__ = (
        *_of_campaign(
            PrimaryKeyConstraint("workspace_id", "campaign_id", "channel_id", "currency", "slot"),
            CheckConstraint(_IN_A_SLOT, name="slot"),
            Index("event_totals_channel_idx", "workspace_id", "channel_id"),
        ),
        _ROOM,
    )

    unique_users: Mapped[int] = mapped_column(server_default="0")
    campaign_unique_users: Mapped[int] = mapped_column(server_default="0")


class EventBucket(EventCounters, Base):
    """A quarter of an hour from ``starts_at``."""

    __tablename__ = "event_buckets"
    __table_args__ = (
        *_of_campaign(
            PrimaryKeyConstraint("workspace_id", "campaign_id", "starts_at", "channel_id", "currency", "slot"),
            CheckConstraint(_IN_A_SLOT, name="slot"),
            CheckConstraint("mod(extract(epoch FROM starts_at), 900) = 0", name="starts_at"),
            Index("event_buckets_channel_idx", "workspace_id", "channel_id", "starts_at"),
        ),
        _ROOM,
    )

    starts_at: Mapped[datetime] = mapped_column(primary_key=True)


class EventUser(Base):
    """A user of a campaign's events on a channel: distinct counts of all time as they grow."""

    __tablename__ = "event_users"
    __table_args__ = _of_campaign(Index("event_users_channel_idx", "workspace_id", "channel_id", "user_id"))

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)


class CampaignEventUser(Base):
    """A user of a campaign's events, whatever the channel."""

    __tablename__ = "campaign_event_users"
    __table_args__ = _of_campaign()

    workspace_id: Mapped[WorkspaceKey]
    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)


class DeadLetter(Base):
    """An event that could not be taken, as it came, with what is wrong with it. The same one again is counted."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "api_client_id"], ["api_clients.workspace_id", "api_clients.id"]),
        UniqueConstraint("workspace_id", "digest"),
        CheckConstraint("length(digest) = 32", name="digest"),
        CheckConstraint("received > 0", name="received"),
        Index("dead_letters_newest_idx", "workspace_id", "last_received_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 over who sent it and the payload."""
    api_client_id: Mapped[Reference | None]
    """The API client that sent it, which is the only restricted one that may see it."""
    key: Mapped[str | None]
    payload: Mapped[str]
    """As it came: JSON, unless that is what is wrong with it. Cut off where it is very long."""
    problems: Mapped[Any] = mapped_column(JSONB)
    """A list of objects with code, message and field."""
    first_received_at: Mapped[Recorded]
    last_received_at: Mapped[Timestamp]
    received: Mapped[int] = mapped_column(server_default="1")
    """How often it came."""
