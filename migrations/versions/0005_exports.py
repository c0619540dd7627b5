"""Exports, and the queue of background work.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

from db import queue, tenancy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
OF_CAMPAIGN = f"campaign_id = {tenancy.GRANTED}"
# Under the policy of export_jobs.
OF_JOB = "export_job_id = ANY (ARRAY(SELECT export_jobs.id FROM export_jobs))"
OF_CLIENT = f"{OF_CAMPAIGN} AND api_client_id = {tenancy.CURRENT_CLIENT}"
PARTNERS = {"export_jobs": (EVERYTHING, OF_CLIENT), "export_parts": ("SELECT", OF_JOB)}
"""The new tables, and what restricted API clients may do with which rows."""
TOPICS = "topic IN ('ENGAGEMENTS', 'NUMBERS', 'EXPORTS', 'CLIENTS')"
TOPICS_BEFORE = "topic IN ('ENGAGEMENTS', 'NUMBERS', 'CLIENTS')"
SEQUENCES = "events_id_seq, impressions_id_seq, engagements_id_seq"
"""Where the keys of facts stand: what bounds an export."""
ENTRY_BEFORE = f"topic IN ('ENGAGEMENTS', 'NUMBERS') AND key = {tenancy.GRANTED}"
ENTRY = f"({ENTRY_BEFORE} OR topic = 'EXPORTS' AND key = ANY (ARRAY(SELECT export_jobs.id FROM export_jobs)))"  # noqa: S608


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "export_jobs",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("window_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("upto_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("manifest_path", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("api_client_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'FAILED') = (error_message IS NOT NULL)", name=op.f("export_jobs_error_message_check")
        ),
        sa.CheckConstraint(
            "(status IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL)",
            name=op.f("export_jobs_finished_check"),
        ),
        sa.CheckConstraint(
            "(status = 'SUCCEEDED') = (manifest_path IS NOT NULL)", name=op.f("export_jobs_manifest_path_check")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "api_client_id"],
            ["api_clients.workspace_id", "api_clients.id"],
            name=op.f("export_jobs_workspace_id_api_client_id_fkey"),
        ),
        sa.CheckConstraint(
            "dataset IN ('EVENTS', 'IMPRESSIONS', 'ENGAGEMENTS')", name=op.f("export_jobs_dataset_check")
        ),
        sa.CheckConstraint("format IN ('CSV', 'JSONL', 'PARQUET')", name=op.f("export_jobs_format_check")),
        sa.CheckConstraint(
            "status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')", name=op.f("export_jobs_status_check")
        ),
        sa.CheckConstraint("length(client_id) BETWEEN 1 AND 200", name=op.f("export_jobs_client_id_check")),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name=op.f("export_jobs_key_check")),
        sa.CheckConstraint("rows_done >= 0 AND rows_done <= rows_total", name=op.f("export_jobs_rows_done_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("export_jobs_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("export_jobs_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("export_jobs_workspace_id_key_key")),
    )
    op.create_index(
        "export_jobs_campaign_idx", "export_jobs", ["workspace_id", "campaign_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "export_jobs_unfinished_idx",
        "export_jobs",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("export_jobs_newest_idx", "export_jobs", ["workspace_id", "created_at", "id"], unique=False)
    op.create_table(
        "export_parts",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("export_job_id", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(rows = 0) = (last_id IS NULL) AND (rows = 0) = (last_at IS NULL)", name=op.f("export_parts_last_check")
        ),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("export_parts_sha256_check")),
        sa.CheckConstraint("index >= 0 AND rows >= 0 AND size_bytes >= 0", name=op.f("export_parts_sizes_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "export_job_id"],
            ["export_jobs.workspace_id", "export_jobs.id"],
            name=op.f("export_parts_workspace_id_export_job_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "export_job_id", "index", name=op.f("export_parts_pkey")),
    )
    for table, (rights, seen) in PARTNERS.items():
        for statement in (*tenancy.protect(table), *tenancy.open_to_partners(table, rights, seen)):
            op.execute(statement)
    op.execute(f"GRANT SELECT ON SEQUENCE {SEQUENCES} TO {', '.join(tenancy.ROLES)}")
    topics(TOPICS, ENTRY)
    queue.install(op.get_bind())


def topics(check: str, seen: str) -> None:
    """Which topics the outbox takes, and which entries restricted API clients see."""
    op.drop_constraint("outbox_topic_check", "outbox")
    op.create_check_constraint(op.f("outbox_topic_check"), "outbox", check)
    for table, rights in (("live_log", "SELECT"), ("outbox", "INSERT")):
        for statement in (*tenancy.close_to_partners(table), *tenancy.open_to_partners(table, rights, seen)):
            op.execute(statement)


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    queue.uninstall(op.get_bind())
    op.execute("DELETE FROM outbox WHERE topic = 'EXPORTS'")
    topics(TOPICS_BEFORE, ENTRY_BEFORE)
    op.execute(f"REVOKE SELECT ON SEQUENCE {SEQUENCES} FROM {', '.join(tenancy.ROLES)}")  # noqa: S608 - names
    for table in reversed(list(PARTNERS)):
        op.drop_table(table)
