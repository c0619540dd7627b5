"""The live stream (outbox, log, head), API clients, and what restricted ones see.

Revision: 0003, after 0002
"""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

from db import tenancy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

TENANT_TABLES = ("api_clients", "api_client_campaigns", "outbox", "live_log")
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
OF_CAMPAIGN = f"campaign_id = {tenancy.GRANTED}"
ENTRY = f"topic IN ('ENGAGEMENTS', 'NUMBERS') AND key = {tenancy.GRANTED}"
PARTNERS: Mapping[str, tuple[str, str]] = {
    "api_client_campaigns": ("SELECT", f"api_client_id = {tenancy.CURRENT_CLIENT}"),
    "brands": ("SELECT", "id = ANY (ARRAY(SELECT campaigns.brand_id FROM campaigns))"),
    "campaigns": ("SELECT, UPDATE", f"id = {tenancy.GRANTED}"),
    "campaign_buckets": (EVERYTHING, OF_CAMPAIGN),
    "campaign_engagers": (EVERYTHING, OF_CAMPAIGN),
    "campaign_totals": (EVERYTHING, OF_CAMPAIGN),
    "campaign_users": (EVERYTHING, OF_CAMPAIGN),
    "engagements": (EVERYTHING, OF_CAMPAIGN),
    "impressions": (EVERYTHING, OF_CAMPAIGN),
    "live_log": ("SELECT", ENTRY),
    "outbox": ("INSERT", ENTRY),
    "workspaces": ("SELECT", "true"),
}
"""What restricted API clients may do with which rows. A table that is not here they cannot even name."""

ENTRY_COLUMNS = (
    ("workspace_id", sa.BigInteger(), False),
    ("topic", sa.Text(), False),
    ("key", sa.BigInteger(), False),
    ("kind", sa.Text(), False),
    ("subject_id", sa.BigInteger(), True),
    ("subject_type", sa.Text(), True),
    ("occurred_at", sa.DateTime(timezone=True), False),
)


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for statement in tenancy.create_roles():
        op.execute(statement)
    create_clients()
    create_live()
    for table in TENANT_TABLES:
        for statement in tenancy.protect(table):
            op.execute(statement)
    for statement in head_for_everybody():
        op.execute(statement)
    for table, (rights, seen) in PARTNERS.items():
        column = "id" if table == "workspaces" else "workspace_id"
        for statement in tenancy.open_to_partners(table, rights, seen, column):
            op.execute(statement)
    op.execute(f"GRANT USAGE ON SEQUENCE engagements_id_seq TO {tenancy.PARTNER_ROLE}")


def create_clients() -> None:
    op.create_table(
        "api_clients",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("api_clients_name_check")),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['READ', 'WRITE', 'INGEST', 'LIVE', 'ADMIN']",
            name=op.f("api_clients_scopes_check"),
        ),
        sa.CheckConstraint("length(secret_hash) = 32", name=op.f("api_clients_secret_hash_check")),
        sa.CheckConstraint(
            "NOT (restricted AND 'ADMIN' = ANY (scopes))", name=op.f("api_clients_restricted_is_no_admin_check")
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("api_clients_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("api_clients_pkey")),
        sa.UniqueConstraint("secret_hash", name=op.f("api_clients_secret_hash_key")),
    )
    op.create_index("api_clients_newest_idx", "api_clients", ["workspace_id", "created_at", "id"], unique=False)
    op.create_table(
        "api_client_campaigns",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("api_client_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "api_client_id"],
            ["api_clients.workspace_id", "api_clients.id"],
            name=op.f("api_client_campaigns_workspace_id_api_client_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("api_client_campaigns_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "api_client_id", "campaign_id", name=op.f("api_client_campaigns_pkey")),
    )


def create_live() -> None:
    op.create_table(
        "outbox",
        *(sa.Column(name, kind, nullable=null) for name, kind, null in ENTRY_COLUMNS),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint("topic IN ('ENGAGEMENTS', 'NUMBERS', 'CLIENTS')", name=op.f("outbox_topic_check")),
        sa.CheckConstraint(
            "kind IN ('ADDED', 'EDITED', 'REMOVED', 'CHANGED', 'REVOKED')", name=op.f("outbox_kind_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    # It is filled and emptied all the time: what was taken out is cleared away every few thousand rows.
    op.execute("ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)")
    op.create_table(
        "live_log",
        *(sa.Column(name, kind, nullable=null) for name, kind, null in ENTRY_COLUMNS),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("logged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("live_log_pkey")),
    )
    op.create_index("live_log_topic_idx", "live_log", ["workspace_id", "topic", "key", "position"], unique=False)
    op.create_table(
        "live_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("trimmed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("live_head_only_one_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("live_head_pkey")),
    )
    op.execute(
        "INSERT INTO live_head (id, epoch, secret) VALUES (1, "
        "('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint, uuid_send(gen_random_uuid()))"
    )


def head_for_everybody() -> list[str]:
    """The head belongs to no workspace: all see it, and only the system moves it."""
    everybody = ", ".join(tenancy.ROLES)
    return [
        "ALTER TABLE live_head ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE live_head FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY live_head_seen_by_all ON live_head FOR SELECT TO {everybody} USING (true)",
        f"CREATE POLICY live_head_moved_by_system ON live_head TO {tenancy.SYSTEM_ROLE} USING (true) WITH CHECK (true)",
        f"GRANT SELECT ON live_head TO {everybody}",
        f"GRANT UPDATE ON live_head TO {tenancy.SYSTEM_ROLE}",
    ]


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute(f"REVOKE ALL ON SEQUENCE engagements_id_seq FROM {tenancy.PARTNER_ROLE}")
    for table in PARTNERS:
        for statement in tenancy.close_to_partners(table):
            op.execute(statement)
    for table in ("live_head", *reversed(TENANT_TABLES)):
        op.drop_table(table)
    # The role stays: roles belong to the whole server, and other databases may use it.
