"""Exports: a campaign's facts written to files, and how far that is."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Recorded, Reference, Timestamp, WorkspaceKey, one_of


class ExportDataset(StrEnum):
    """Which facts."""

    EVENTS = "EVENTS"
    IMPRESSIONS = "IMPRESSIONS"
    ENGAGEMENTS = "ENGAGEMENTS"


class ExportFormat(StrEnum):
    """How they are written."""

    CSV = "CSV"
    JSONL = "JSONL"
    PARQUET = "PARQUET"


class JobStatus(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ExportJob(Base):
    """One export. ``upto_id`` is what it has of a snapshot: no fact that was recorded later has an id up to that."""

    __tablename__ = "export_jobs"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
        CheckConstraint("length(client_id) BETWEEN 1 AND 200", name="client_id"),
        ForeignKeyConstraint(["workspace_id", "api_client_id"], ["api_clients.workspace_id", "api_clients.id"]),
        CheckConstraint("(status = 'SUCCEEDED') = (manifest_path IS NOT NULL)", name="manifest_path"),
        CheckConstraint(one_of("dataset", ExportDataset), name="dataset"),
        CheckConstraint(one_of("format", ExportFormat), name="format"),
        CheckConstraint(one_of("status", JobStatus), name="status"),
        CheckConstraint(
            "(status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL)", name="finished"
        ),
        CheckConstraint("(status = 'FAILED') = (error_message IS NOT NULL)", name="error_message"),
        CheckConstraint("rows_done >= 0 AND rows_done <= rows_total", name="rows_done"),
        Index("export_jobs_unfinished_idx", "workspace_id", "id", postgresql_where=text("finished_at IS NULL")),
        Index("export_jobs_newest_idx", "workspace_id", "created_at", "id"),
        Index("export_jobs_campaign_idx", "workspace_id", "campaign_id", "created_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    campaign_id: Mapped[Reference]
    key: Mapped[str | None]
    client_id: Mapped[str | None]
    """The caller's own name of whom it is for; nothing here depends on it."""
    dataset: Mapped[str]
    format: Mapped[str]
    status: Mapped[str]
    window_from: Mapped[Timestamp | None]
    window_to: Mapped[Timestamp | None]
    upto_id: Mapped[int]
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    """Counted up by each worker that begins or goes on with it: only the last one may write."""
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    """How often the object store failed since the last part was finished."""
    rows_done: Mapped[int] = mapped_column(server_default="0")
    rows_total: Mapped[int | None]
    """Null until a worker has counted them."""
    error_message: Mapped[str | None]
    manifest_path: Mapped[str | None]
    """In the object store."""
    created_by: Mapped[str]
    api_client_id: Mapped[Reference | None]
    """The restricted API client that asked for it: it sees no other exports, and in this one no audiences."""
    created_at: Mapped[Recorded]
    started_at: Mapped[Timestamp | None]
    finished_at: Mapped[Timestamp | None]


class ExportPart(Base):
    """A file that is finished. ``last_at`` and ``last_id``: the fact behind which the next part begins. An export of nothing
    has one part, with no rows."""

    __tablename__ = "export_parts"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "export_job_id"], ["export_jobs.workspace_id", "export_jobs.id"]),
        CheckConstraint("index >= 0 AND rows >= 0 AND size_bytes >= 0", name="sizes"),
        CheckConstraint("(rows = 0) = (last_id IS NULL) AND (rows = 0) = (last_at IS NULL)", name="last"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    )

    workspace_id: Mapped[WorkspaceKey]
    export_job_id: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True)
    path: Mapped[str]
    """In the object store."""
    rows: Mapped[int]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    last_at: Mapped[Timestamp | None]
    last_id: Mapped[int | None]
    created_at: Mapped[Recorded]
