"""Content items, their tags and posts, and what followers did with them: kept by the write path, never recounted to be read."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.content_items import (
    FIGURES,
    LONGEST_CAPTION,
    LONGEST_DESCRIPTION,
    LONGEST_EXTERNAL_ID,
    LONGEST_SLUG,
    LONGEST_TAG,
    LONGEST_TITLE,
    LONGEST_URL,
)
from db.models.interaction_kinds import COUNTERS, INTERACTIONS
from db.models.platforms import Platform

_OF_ITEM = ["workspace_id", "content_id"]
_ITEM = ["content_items.workspace_id", "content_items.id"]
# Counters are updated in place: room on the page keeps updates of what is not indexed off the indexes.
_ROOM = {"postgresql_with": {"fillfactor": 50}}


class ContentItem(Base):
    """One piece of content, wherever it was posted."""

    __tablename__ = "content_items"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "slug"),
        CheckConstraint(f"btrim(title) <> '' AND length(title) <= {LONGEST_TITLE}", name="title"),
        CheckConstraint(f"btrim(slug) <> '' AND length(slug) <= {LONGEST_SLUG}", name="slug"),
        CheckConstraint(f"length(description) <= {LONGEST_DESCRIPTION}", name="description"),
        Index("content_items_newest_idx", "workspace_id", "created_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    slug: Mapped[str]
    title: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]


class ContentTag(Base):
    """A tag of a content item: a type, such as ``topic``, and a value."""

    __tablename__ = "content_tags"
    __table_args__ = (
        ForeignKeyConstraint(_OF_ITEM, _ITEM),
        CheckConstraint(f"btrim(type) <> '' AND length(type) <= {LONGEST_TAG}", name="type"),
        CheckConstraint(f"btrim(value) <> '' AND length(value) <= {LONGEST_TAG}", name="value"),
        Index("content_tags_value_idx", "workspace_id", "type", "value", "content_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    content_id: Mapped[Reference] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)


class ContentPost(Base):
    """A content item on a platform, and the figures that the platform reported of it last. Never of another item."""

    __tablename__ = "content_posts"
    __table_args__ = (
        ForeignKeyConstraint(_OF_ITEM, _ITEM),
        # Of the two, the one that tells most comes first: no other index can be taken for a look-up.
        UniqueConstraint("workspace_id", "external_post_id", "platform"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
        CheckConstraint(
            f"btrim(external_post_id) <> '' AND length(external_post_id) <= {LONGEST_EXTERNAL_ID}",
            name="external_post_id",
        ),
        CheckConstraint(f"length(url) <= {LONGEST_URL}", name="url"),
        CheckConstraint(f"length(caption) <= {LONGEST_CAPTION}", name="caption"),
        CheckConstraint(f"least({', '.join(FIGURES)}) >= 0", name="figures"),
        CheckConstraint(f"num_nonnulls({', '.join(FIGURES)}) = 0 OR figures_at IS NOT NULL", name="figures_at"),
        Index("content_posts_item_idx", "workspace_id", "content_id", "created_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    content_id: Mapped[Reference]
    platform: Mapped[str]
    external_post_id: Mapped[str]
    url: Mapped[str | None]
    caption: Mapped[str | None]
    posted_at: Mapped[datetime | None]
    views: Mapped[int | None]
    impressions: Mapped[int | None]
    likes: Mapped[int | None]
    comments: Mapped[int | None]
    shares: Mapped[int | None]
    saves: Mapped[int | None]
    clicks: Mapped[int | None]
    figures_at: Mapped[datetime | None]
    """Of which moment the figures are; null where there are none. Older ones do not replace them."""
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]


class ContentCounters:
    """How often followers did what with a content item, and how many different ones they were."""

    workspace_id: Mapped[WorkspaceKey]
    content_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    comments: Mapped[int] = mapped_column(server_default="0")
    likes: Mapped[int] = mapped_column(server_default="0")
    shares: Mapped[int] = mapped_column(server_default="0")
    saves: Mapped[int] = mapped_column(server_default="0")
    profile_visits: Mapped[int] = mapped_column(server_default="0")
    link_clicks: Mapped[int] = mapped_column(server_default="0")
    unique_followers: Mapped[int] = mapped_column(server_default="0")


class ContentSummary(ContentCounters, Base):
    """All platforms together. Every content item has one, so that lists can be ordered by its numbers."""

    __tablename__ = "content_summaries"
    __table_args__ = (
        ForeignKeyConstraint(_OF_ITEM, _ITEM),
        CheckConstraint(f"least({', '.join(COUNTERS.values())}, unique_followers) >= 0", name="counts"),
        Index("content_summaries_comments_idx", "workspace_id", "comments", "content_id"),
        Index("content_summaries_interactions_idx", "workspace_id", "interactions", "content_id"),
        _ROOM,
    )

    interactions: Mapped[int] = mapped_column(BigInteger, Computed(INTERACTIONS, persisted=True))


class ContentPlatformRollup(ContentCounters, Base):
    """One platform. There is none for a platform on which nobody did anything."""

    __tablename__ = "content_platform_rollups"
    __table_args__ = (
        ForeignKeyConstraint(_OF_ITEM, _ITEM),
        PrimaryKeyConstraint("workspace_id", "content_id", "platform"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
        CheckConstraint(f"least({', '.join(COUNTERS.values())}, unique_followers) >= 0", name="counts"),
        _ROOM,
    )

    platform: Mapped[str] = mapped_column(primary_key=True)


class ContentFollower(Base):
    """A follower who did something with a content item: distinct counts as they grow.

    Without foreign keys: its rows are written together with the interactions that they are of, which have them, and
    checking them again would be a tenth of what an interaction costs.
    """

    __tablename__ = "content_followers"

    workspace_id: Mapped[WorkspaceKey]
    content_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    follower_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
