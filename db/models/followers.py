"""Followers with their scores, the words they are found by, the weeks they were active in, and recounts of all that."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, WorkspaceKey, one_of
from db.models.follower_words import LONGEST_WORD
from db.models.interaction_items import LONGEST_NAME, LONGEST_URL
from db.models.interaction_kinds import COUNTERS, SCORE, SCORE_LEVELS, SCORE_SLOTS
from db.models.platforms import Platform

_OF_FOLLOWER = ["workspace_id", "follower_id"]
_FOLLOWER = ["followers.workspace_id", "followers.id"]


class Follower(Base):
    """A profile on a platform. The first interaction makes it, each one counts, and the latest says what it is called.

    The score is worked out by the database from the counts beside it: it cannot be another than its parts make.
    """

    __tablename__ = "followers"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        # Of the two, the one that tells most comes first: no other index can be taken for a look-up.
        UniqueConstraint("workspace_id", "external_id", "platform"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
        CheckConstraint(f"btrim(external_id) <> '' AND length(external_id) <= {LONGEST_NAME}", name="external_id"),
        CheckConstraint(f"btrim(username) <> '' AND length(username) <= {LONGEST_NAME}", name="username"),
        CheckConstraint(f"length(display_name) <= {LONGEST_NAME}", name="display_name"),
        CheckConstraint(f"length(profile_url) <= {LONGEST_URL}", name="profile_url"),
        CheckConstraint("audience_size >= 0", name="audience_size"),
        CheckConstraint(f"least({', '.join(COUNTERS.values())}) >= 0", name="counts"),
        CheckConstraint("first_seen_at <= last_seen_at", name="seen"),
        # The leaderboard, and that of a platform: so that a platform with few followers need not be searched for.
        Index("followers_score_idx", "workspace_id", "score", "last_seen_at", "id"),
        Index("followers_platform_idx", "workspace_id", "platform", "score", "last_seen_at", "id"),
        Index("followers_first_seen_idx", "workspace_id", "first_seen_at", "id"),
        Index("followers_last_seen_idx", "workspace_id", "last_seen_at", "id"),
        Index("followers_username_idx", "workspace_id", "username", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    platform: Mapped[str]
    external_id: Mapped[str]
    username: Mapped[str]
    display_name: Mapped[str | None]
    profile_url: Mapped[str | None]
    audience_size: Mapped[int | None]
    comments: Mapped[int] = mapped_column(server_default="0")
    likes: Mapped[int] = mapped_column(server_default="0")
    shares: Mapped[int] = mapped_column(server_default="0")
    saves: Mapped[int] = mapped_column(server_default="0")
    profile_visits: Mapped[int] = mapped_column(server_default="0")
    link_clicks: Mapped[int] = mapped_column(server_default="0")
    score: Mapped[int] = mapped_column(Integer, Computed(SCORE, persisted=True))
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    calculated_at: Mapped[Recorded]
    """When the counts changed last, or were found right by a recount that corrected them."""


class FollowerWord(Base):
    """A word of a follower's names, present and former, as it is searched for: see ``db.models.follower_words``."""

    __tablename__ = "follower_words"
    __table_args__ = (
        ForeignKeyConstraint(_OF_FOLLOWER, _FOLLOWER),
        CheckConstraint(f"length(word) BETWEEN 1 AND {LONGEST_WORD}", name="word"),
        Index("follower_words_word_idx", "workspace_id", "word", "follower_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    follower_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    # In the order of its characters: what begins alike stands together, whatever the database's language.
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)


class FollowerWeek(Base):
    """A week of the workspace's calendar in which a follower did something. ``week`` is its Monday."""

    __tablename__ = "follower_weeks"
    __table_args__ = (
        ForeignKeyConstraint(_OF_FOLLOWER, _FOLLOWER),
        CheckConstraint("extract(isodow FROM week) = 1", name="week"),
    )

    workspace_id: Mapped[WorkspaceKey]
    follower_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    week: Mapped[date] = mapped_column(Date, primary_key=True)


class FollowerScoreCount(Base):
    """How many followers have a score, by score without its last ``level`` digits. Ranks are sums of these.

    Spread over slots, one of which may be below zero: only their sum says something. Scores of 0 are not counted: nobody
    ranks below them.
    """

    __tablename__ = "follower_score_counts"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        CheckConstraint(f"level BETWEEN 0 AND {SCORE_LEVELS - 1}", name="level"),
        CheckConstraint(f"slot BETWEEN 0 AND {SCORE_SLOTS - 1}", name="slot"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    workspace_id: Mapped[WorkspaceKey]
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    followers: Mapped[int] = mapped_column(server_default="0")


class ScoreRecount(Base):
    """A recount of all scores of a workspace, how far it has come and what it found."""

    __tablename__ = "score_recounts"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "day"),
        Index("score_recounts_unfinished_idx", "workspace_id", "id", postgresql_where=text("finished_at IS NULL")),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date | None] = mapped_column(Date)
    """The day that begins with a nightly one, in the workspace's zone; null for one that somebody asked for."""
    last_follower_id: Mapped[int] = mapped_column(server_default="0")
    """Up to here followers are recounted."""
    followers: Mapped[int] = mapped_column(server_default="0")
    differed: Mapped[int] = mapped_column(server_default="0")
    """Followers whose counts or times were others than their interactions make, and were corrected."""
    dropped: Mapped[int] = mapped_column(server_default="0")
    """Those of them whose score is lower now."""
    tiers_dropped: Mapped[int] = mapped_column(server_default="0")
    """Those of them who are in a lower tier now."""
    ranks_differed: Mapped[int] = mapped_column(server_default="0")
    """Counts of followers by score, of any level, that were others than there are followers, and were corrected."""
    started_at: Mapped[Recorded]
    finished_at: Mapped[datetime | None]
