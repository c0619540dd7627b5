"""Interactions: what followers did, each once. The ledger that all their numbers are made from."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.interaction_items import LONGEST_KEY, LONGEST_VALUE
from db.models.interaction_kinds import InteractionType


class Interaction(Base):
    """One thing that a follower did. Never changed: what arrives again is known by its key.

    It is on the platform that its follower is on, and about the content that its post is of.
    """

    __tablename__ = "interactions"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "follower_id"], ["followers.workspace_id", "followers.id"]),
        ForeignKeyConstraint(["workspace_id", "post_id"], ["content_posts.workspace_id", "content_posts.id"]),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint(f"length(key) BETWEEN 1 AND {LONGEST_KEY}", name="key"),
        CheckConstraint(one_of("type", InteractionType), name="type"),
        CheckConstraint(f"length(value) <= {LONGEST_VALUE}", name="value"),
        Index("interactions_follower_idx", "workspace_id", "follower_id", "occurred_at", "id"),
        Index("interactions_post_idx", "workspace_id", "post_id", "occurred_at", "id"),
        Index("interactions_time_idx", "workspace_id", "occurred_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    key: Mapped[str]
    follower_id: Mapped[Reference]
    post_id: Mapped[Reference | None]
    type: Mapped[str]
    value: Mapped[str | None]
    """What was said or clicked: the text of a comment, the address of a link."""
    occurred_at: Mapped[datetime]
    created_at: Mapped[Recorded]
