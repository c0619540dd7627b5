"""The house: workspaces, brands, campaigns, impressions, roll-ups, import runs.

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

TENANT_TABLES = (
    "workspaces",
    "brands",
    "import_runs",
    "campaigns",
    "campaign_buckets",
    "campaign_totals",
    "campaign_users",
    "impressions",
)


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for statement in tenancy.create_roles():
        op.execute(statement)
    op.create_table(
        "workspaces",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("workspaces_currency_check")),
        sa.CheckConstraint("key ~ '^[a-z0-9][a-z0-9_-]{0,62}$'", name=op.f("workspaces_key_check")),
        sa.CheckConstraint("name <> '' AND length(name) <= 200", name=op.f("workspaces_name_check")),
        sa.CheckConstraint(
            "timezone(time_zone, 'epoch'::timestamptz) IS NOT NULL", name=op.f("workspaces_time_zone_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("workspaces_pkey")),
        sa.UniqueConstraint("key", name=op.f("workspaces_key_key")),
    )
    op.create_table(
        "brands",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> '' AND length(name) <= 200", name=op.f("brands_name_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("brands_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("brands_pkey")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("brands_workspace_id_name_key")),
    )
    op.create_table(
        "import_runs",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejects_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("import_runs_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "fingerprint", name=op.f("import_runs_pkey")),
    )
    op.create_table(
        "campaigns",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("objective", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("budget_amount", sa.Numeric(), nullable=True),
        sa.Column("cost_per_impression", sa.Numeric(), nullable=True),
        sa.Column("total_impressions_planned", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("campaigns_currency_check")),
        sa.CheckConstraint("key <> '' AND length(key) <= 200", name=op.f("campaigns_key_check")),
        sa.CheckConstraint("name <> '' AND length(name) <= 200", name=op.f("campaigns_name_check")),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'PLANNED', 'SCHEDULED', 'ACTIVE', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')",
            name=op.f("campaigns_status_check"),
        ),
        sa.CheckConstraint(
            "budget_amount >= 0 AND budget_amount < 1000000000000000 AND scale(budget_amount) <= 12",
            name=op.f("campaigns_budget_amount_check"),
        ),
        sa.CheckConstraint(
            "cost_per_impression >= 0 AND cost_per_impression < 1000000000000000 AND scale(cost_per_impression) <= 12",
            name=op.f("campaigns_cost_per_impression_check"),
        ),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("campaigns_dates_check")),
        sa.CheckConstraint(
            "total_impressions_planned BETWEEN 0 AND 9007199254740991",
            name=op.f("campaigns_total_impressions_planned_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "brand_id"],
            ["brands.workspace_id", "brands.id"],
            name=op.f("campaigns_workspace_id_brand_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("campaigns_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("campaigns_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("campaigns_workspace_id_key_key")),
    )
    op.create_index("campaigns_brand_idx", "campaigns", ["workspace_id", "brand_id"], unique=False)
    op.create_index(
        "campaigns_name_idx", "campaigns", ["workspace_id", sa.literal_column("lower(name)"), "id"], unique=False
    )
    op.create_index("campaigns_newest_idx", "campaigns", ["workspace_id", "created_at", "id"], unique=False)
    op.create_index(
        "campaigns_starts_on_idx",
        "campaigns",
        ["workspace_id", sa.literal_column("COALESCE(starts_on, 'infinity'::date)"), "id"],
        unique=False,
    )
    op.create_table(
        "campaign_buckets",
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unique_impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("viewable_impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("impressions_clicked_or_converted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("impressions_charged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spend", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "mod(extract(epoch FROM starts_at), 900) = 0", name=op.f("campaign_buckets_starts_at_check")
        ),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("campaign_buckets_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_buckets_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "starts_at", "slot", name=op.f("campaign_buckets_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "campaign_totals",
        sa.Column("reach", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unique_impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("viewable_impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("impressions_clicked_or_converted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("impressions_charged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spend", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("campaign_totals_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_totals_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "slot", name=op.f("campaign_totals_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "campaign_users",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_users_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "user_id", name=op.f("campaign_users_pkey")),
    )
    op.create_table(
        "impressions",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("profile_id", sa.Text(), nullable=True),
        sa.Column("profile_type", sa.Text(), nullable=True),
        sa.Column("is_unique", sa.Boolean(), nullable=False),
        sa.Column("is_viewable", sa.Boolean(), nullable=True),
        sa.Column("viewable_duration_ms", sa.Integer(), nullable=True),
        sa.Column("clicked", sa.Boolean(), sa.Computed("clicked_at IS NOT NULL", persisted=True), nullable=False),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("converted", sa.Boolean(), sa.Computed("converted_at IS NOT NULL", persisted=True), nullable=False),
        sa.Column("converted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("device_type", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("placement", sa.Text(), nullable=True),
        sa.Column("audience_label", sa.Text(), nullable=True),
        sa.Column("cpi_rate", sa.Numeric(), nullable=True),
        sa.Column("charged", sa.Boolean(), sa.Computed("charged_at IS NOT NULL", persisted=True), nullable=False),
        sa.Column("charged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("NOT is_unique OR user_id IS NOT NULL", name=op.f("impressions_unique_needs_user_check")),
        sa.CheckConstraint(
            "cpi_rate >= 0 AND cpi_rate < 1000000000000000 AND scale(cpi_rate) <= 12",
            name=op.f("impressions_cpi_rate_check"),
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name=op.f("impressions_key_check")),
        sa.CheckConstraint("length(user_id) BETWEEN 1 AND 200", name=op.f("impressions_user_id_check")),
        sa.CheckConstraint(
            "user_id IS NOT NULL OR (profile_id IS NULL AND profile_type IS NULL)",
            name=op.f("impressions_actor_needs_user_check"),
        ),
        sa.CheckConstraint("viewable_duration_ms >= 0", name=op.f("impressions_viewable_duration_ms_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "brand_id"],
            ["brands.workspace_id", "brands.id"],
            name=op.f("impressions_workspace_id_brand_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("impressions_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("impressions_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("impressions_workspace_id_key_key")),
    )
    op.create_index(
        "impressions_clicked_idx",
        "impressions",
        ["workspace_id", "campaign_id", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("clicked"),
    )
    op.create_index(
        "impressions_converted_idx",
        "impressions",
        ["workspace_id", "campaign_id", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("converted"),
    )
    op.create_index(
        "impressions_time_idx",
        "impressions",
        ["workspace_id", "campaign_id", "occurred_at", "id"],
        unique=False,
        postgresql_include=["user_id"],
    )
    op.create_index(
        "impressions_user_idx",
        "impressions",
        ["workspace_id", "campaign_id", "user_id", "occurred_at", "id"],
        unique=False,
    )
    for table in TENANT_TABLES:
        for statement in tenancy.protect(table, "id" if table == "workspaces" else "workspace_id"):
            op.execute(statement)


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
