"""Workspaces: the only tenant."""

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from db.models.base import Base, Key, Recorded


class Workspace(Base):
    """A company's own world. Everything else belongs to exactly one."""

    __tablename__ = "workspaces"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("key ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name="key"),
        CheckConstraint("name <> '' AND length(name) <= 200", name="name"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        # timezone() raises on a zone it does not know, which refuses the row.
        CheckConstraint("timezone(time_zone, 'epoch'::timestamptz) IS NOT NULL", name="time_zone"),
    )

    id: Mapped[Key]
    key: Mapped[str]
    name: Mapped[str]
    time_zone: Mapped[str]
    currency: Mapped[str]
    created_at: Mapped[Recorded]
