"""What makes the live stream: the outbox that writers fill, the numbered log that readers follow, and its head."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Recorded, Reference, one_of


class Topic(StrEnum):
    """What an entry is about; its ``key`` says of which."""

    ENGAGEMENTS = "ENGAGEMENTS"
    """An engagement was ADDED, EDITED or REMOVED. The key is its campaign."""
    NUMBERS = "NUMBERS"
    """The numbers of a campaign CHANGED by something else. The key is the campaign."""
    EXPORTS = "EXPORTS"
    """An export CHANGED. The key is the job."""
    CLIENTS = "CLIENTS"
    """An API client was REVOKED. The key is the client."""


class ChangeKind(StrEnum):
    """What happened to the subject of an entry."""

    ADDED = "ADDED"
    EDITED = "EDITED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"
    REVOKED = "REVOKED"


class _Entry:
    workspace_id: Mapped[Reference]
    topic: Mapped[str]
    key: Mapped[int]
    kind: Mapped[str]
    subject_id: Mapped[int | None]
    """The engagement, where the topic is ENGAGEMENTS."""
    subject_type: Mapped[str | None]
    """The engagement's type."""
    occurred_at: Mapped[datetime]
    """When the change was made, by the database's clock."""


class Outbox(_Entry, Base):
    """A change that is committed with its entry and not yet numbered. Rows live for milliseconds."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(one_of("topic", Topic), name="topic"),
        CheckConstraint(one_of("kind", ChangeKind), name="kind"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    """The order of changes of one row: the later one gets its id after it got the row's lock."""


class LiveEntry(_Entry, Base):
    """A change at its position: the same order for everybody. Kept for some days."""

    __tablename__ = "live_log"
    __table_args__ = (Index("live_log_topic_idx", "workspace_id", "topic", "key", "position"),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    logged_at: Mapped[Recorded]


class LiveHead(Base):
    """Where the log stands: one row for the whole database. Whoever numbers locks it."""

    __tablename__ = "live_head"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(server_default="0")
    """The last that was given out."""
    trimmed: Mapped[int] = mapped_column(server_default="0")
    """The last that is no longer kept."""
    epoch: Mapped[int]
    """Changes when the database is restored: positions may be given out a second time then."""
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypts cursors: positions count what all workspaces do, and no workspace may know that of others."""
    fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    """Which database on which server's timeline the epoch is of."""
