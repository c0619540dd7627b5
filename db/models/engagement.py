"""Engagements: what people do about a campaign. Likes, saves and bookmarks, shares, and comments in threads."""

from datetime import datetime

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Reference, Timestamp, WorkspaceKey, one_of
from db.models.engagement_kinds import LONGEST_BODY, EngagementType, ReactionType

IS_REACTION = one_of("type", ReactionType)
IS_COMMENT = "type = 'COMMENT'"
STANDS = "deleted_at IS NULL"
"""Neither taken back nor deleted: what lists show and numbers count."""

_ACTOR = ("user_id", "profile_type", "profile_id")


class Engagement(Base):
    """One engagement of one actor. Nothing is ever removed: what is taken back or deleted has its time.

    The last block of columns is for comments only. ``root_id`` is the top-level comment of a thread (its own id there).
    The counts are of comments below this one: ``reply_count`` and ``descendant_count`` of those that stand,
    ``listed_reply_count`` of the direct ones that are listed. ``is_listed``: it stands, or something below it does and it
    stays as a tombstone.
    """

    __tablename__ = "engagements"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "brand_id"], ["brands.workspace_id", "brands.id"]),
        # That it is an impression of the same campaign is checked by a trigger: a foreign key for it would need
        # another index on the largest table of all.
        ForeignKeyConstraint(["workspace_id", "impression_id"], ["impressions.workspace_id", "impressions.id"]),
        UniqueConstraint("workspace_id", "key"),
        # What a reply refers to. It says in one that the parent is a comment of the same campaign and the same
        # thread, one level up: what is no comment has no root and cannot be referred to.
        UniqueConstraint("workspace_id", "campaign_id", "root_id", "depth", "id", name="engagements_place_key"),
        ForeignKeyConstraint(
            ["workspace_id", "campaign_id", "root_id", "parent_depth", "parent_id"],
            [f"engagements.{name}" for name in ("workspace_id", "campaign_id", "root_id", "depth", "id")],
            name="engagements_parent_fkey",
        ),
        CheckConstraint(one_of("type", EngagementType), name="type"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
        # It is known by its actor; two ways to be known could contradict each other.
        CheckConstraint(f"key IS NULL OR NOT ({IS_REACTION})", name="reactions_have_no_key"),
        CheckConstraint("length(user_id) BETWEEN 1 AND 200", name="user_id"),
        CheckConstraint(f"({IS_COMMENT}) = (body IS NOT NULL)", name="comments_have_a_body"),
        CheckConstraint(f"btrim(body) <> '' AND length(body) <= {LONGEST_BODY}", name="body"),
        CheckConstraint(f"({IS_COMMENT}) = (root_id IS NOT NULL AND depth IS NOT NULL)", name="comments_have_a_place"),
        CheckConstraint(
            "CASE WHEN parent_id IS NULL THEN root_id = id AND depth = 0 ELSE root_id <> id AND depth > 0 END",
            name="place",
        ),
        CheckConstraint(f"{IS_COMMENT} OR parent_id IS NULL", name="only_comments_reply"),
        CheckConstraint(
            "reply_count BETWEEN 0 AND listed_reply_count AND reply_count <= descendant_count", name="counts"
        ),
        Index(
            "engagements_reaction_key",
            "workspace_id",
            "campaign_id",
            "type",
            *_ACTOR,
            unique=True,
            postgresql_where=text(f"{IS_REACTION} AND {STANDS}"),
            postgresql_nulls_not_distinct=True,
        ),
        # A list of several types is merged from one scan of each, so that a rare one costs no more than a common one.
        Index(
            "engagements_time_idx",
            "workspace_id",
            "campaign_id",
            "type",
            "occurred_at",
            "id",
            postgresql_where=text(STANDS),
        ),
        Index(
            "engagements_impression_idx",
            "workspace_id",
            "impression_id",
            "occurred_at",
            "id",
            postgresql_where=text(f"impression_id IS NOT NULL AND {STANDS}"),
        ),
        # When an actor was last active, once its latest engagement is taken back.
        Index(
            "engagements_actor_idx",
            "workspace_id",
            "campaign_id",
            "user_id",
            "occurred_at",
            postgresql_where=text(STANDS),
        ),
        Index(
            "engagements_comments_idx",
            "workspace_id",
            "campaign_id",
            "occurred_at",
            "id",
            postgresql_where=text(f"is_listed AND {IS_COMMENT} AND parent_id IS NULL"),
        ),
        Index(
            "engagements_comments_by_replies_idx",
            "workspace_id",
            "campaign_id",
            "reply_count",
            "occurred_at",
            "id",
            postgresql_where=text(f"is_listed AND {IS_COMMENT} AND parent_id IS NULL"),
        ),
        Index(
            "engagements_replies_idx",
            "workspace_id",
            "parent_id",
            "occurred_at",
            "id",
            postgresql_where=text("is_listed AND parent_id IS NOT NULL"),
        ),
        Index(
            "engagements_replies_by_replies_idx",
            "workspace_id",
            "parent_id",
            "reply_count",
            "occurred_at",
            "id",
            postgresql_where=text("is_listed AND parent_id IS NOT NULL"),
        ),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    campaign_id: Mapped[Reference]
    brand_id: Mapped[Reference | None]
    impression_id: Mapped[Reference | None]
    type: Mapped[str]
    key: Mapped[str | None]
    user_id: Mapped[str]
    profile_id: Mapped[str | None]
    profile_type: Mapped[str | None]
    source: Mapped[str | None]
    device_type: Mapped[str | None]
    location: Mapped[str | None]
    occurred_at: Mapped[datetime]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]
    deleted_at: Mapped[Timestamp | None]

    body: Mapped[str | None]
    edited_at: Mapped[Timestamp | None]
    parent_id: Mapped[Reference | None]
    root_id: Mapped[Reference | None]
    depth: Mapped[int | None] = mapped_column(Integer)
    parent_depth: Mapped[int | None] = mapped_column(Integer, Computed("depth - 1", persisted=True))
    reply_count: Mapped[int] = mapped_column(server_default="0")
    descendant_count: Mapped[int] = mapped_column(server_default="0")
    listed_reply_count: Mapped[int] = mapped_column(server_default="0")
    is_listed: Mapped[bool] = mapped_column(
        Boolean, Computed("deleted_at IS NULL OR descendant_count > 0", persisted=True)
    )


SAME_CAMPAIGN = (
    """
    CREATE FUNCTION engagements_check_impression() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (SELECT FROM impressions i WHERE i.workspace_id = NEW.workspace_id
                     AND i.id = NEW.impression_id AND i.campaign_id = NEW.campaign_id) THEN
        RAISE foreign_key_violation USING CONSTRAINT = 'engagements_impression_of_campaign',
          MESSAGE = 'the impression is not of the engagement''s campaign';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER engagements_impression_of_campaign BEFORE INSERT OR UPDATE OF impression_id, campaign_id
      ON engagements FOR EACH ROW WHEN (NEW.impression_id IS NOT NULL) EXECUTE FUNCTION engagements_check_impression()
    """,
)
"""Statements that keep an engagement's impression on the engagement's campaign. An impression never changes its own."""

for statement in SAME_CAMPAIGN:
    event.listen(Engagement.__table__, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
