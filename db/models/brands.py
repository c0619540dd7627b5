"""Brands: labels below the workspace, not tenants."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from db.models.base import Base, Key, Recorded, WorkspaceKey


class Brand(Base):
    """A label that campaigns and impressions carry."""

    __tablename__ = "brands"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "name"),
        CheckConstraint("name <> '' AND length(name) <= 200", name="name"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    created_at: Mapped[Recorded]
