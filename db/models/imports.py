"""Import runs: how far a file was read, so that an interrupted import goes on where it stopped."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Recorded, WorkspaceKey


class ImportRun(Base):
    """One file under one mapping. Advances in the same transaction as the rows it counts."""

    __tablename__ = "import_runs"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),)

    workspace_id: Mapped[WorkspaceKey]
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 over the kind, the file's bytes and the mapping."""
    rows_read: Mapped[int] = mapped_column(server_default="0")
    accepted: Mapped[int] = mapped_column(server_default="0")
    duplicates: Mapped[int] = mapped_column(server_default="0")
    rejected: Mapped[int] = mapped_column(server_default="0")
    rejects_bytes: Mapped[int] = mapped_column(server_default="0")
    """How long the file of rejects was then: what a crash wrote past it is cut off on resuming."""
    created_at: Mapped[Recorded]
    finished_at: Mapped[datetime | None]


class ImportWaiting(Base):
    """A row of a run that has to wait: it names, by its key, another that was not read yet."""

    __tablename__ = "import_waiting"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "fingerprint"], ["import_runs.workspace_id", "import_runs.fingerprint"]),
        Index("import_waiting_for_idx", "workspace_id", "fingerprint", "waits_for"),
    )

    workspace_id: Mapped[WorkspaceKey]
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    """Its own, for which others may wait."""
    waits_for: Mapped[str]
    row: Mapped[str]
    """The row as it was read, as JSON: what the mapping is applied to. A text, for JSONB knows no U+0000."""
