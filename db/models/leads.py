"""Leads: people who can be mailed, what they are found by, and the addresses that nothing is sent to any more."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.email_words import LONGEST_ADDRESS, LONGEST_KEY, LONGEST_NAME, SuppressionReason
from db.models.follower_words import LONGEST_WORD
from db.models.reported_items import Document

LEAD = ["leads.workspace_id", "leads.id"]


class Lead(Base):
    """A person who can be mailed. Known by a key of the caller's, where there is one, and by the address."""

    __tablename__ = "leads"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "key"),
        UniqueConstraint("workspace_id", "address"),
        CheckConstraint(f"btrim(key) <> '' AND length(key) <= {LONGEST_KEY}", name="key"),
        CheckConstraint(
            f"length(email) BETWEEN 3 AND {LONGEST_ADDRESS} AND email !~ '[[:cntrl:][:space:]]'", name="email"
        ),
        CheckConstraint("address = lower(email)", name="address"),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME} AND name !~ '[[:cntrl:]]'", name="name"),
        CheckConstraint("jsonb_typeof(attributes) = 'object'", name="attributes"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    key: Mapped[str | None]
    email: Mapped[str]
    """As it is written to."""
    address: Mapped[str]
    """As it is known: in lower case."""
    name: Mapped[str | None]
    attributes: Mapped[Document | None]
    unsubscribed_at: Mapped[datetime | None]
    """When somebody unsubscribed the address first."""
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]


class LeadAttribute(Base):
    """The name of an attribute that a lead of the workspace has or had: what templates may ask for."""

    __tablename__ = "lead_attributes"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        CheckConstraint("name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'", name="name"),
    )

    workspace_id: Mapped[WorkspaceKey]
    name: Mapped[str] = mapped_column(primary_key=True)


class LeadWord(Base):
    """A word of a lead's name, address or key, as it is searched for: see ``db.models.follower_words``."""

    __tablename__ = "lead_words"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "lead_id"], LEAD, ondelete="CASCADE"),
        CheckConstraint(f"length(word) BETWEEN 1 AND {LONGEST_WORD}", name="word"),
        Index("lead_words_word_idx", "workspace_id", "word", "lead_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    lead_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)


class Suppression(Base):
    """An address that nothing is sent to any more, and why: the first reason stays. No lead need have it."""

    __tablename__ = "suppressions"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "recipient_id"], ["recipients.workspace_id", "recipients.id"]),
        CheckConstraint(one_of("reason", SuppressionReason), name="reason"),
        CheckConstraint("address = lower(address)", name="address"),
        Index("suppressions_recipient_idx", "workspace_id", "recipient_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    address: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    recipient_id: Mapped[Reference | None]
    """Whose event it was."""
    since: Mapped[datetime]
    """When that happened."""
    created_at: Mapped[Recorded]
