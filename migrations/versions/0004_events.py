"""Channels and audiences; events, their roll-ups and dead letters; the channel and audience of impressions.

Revision: 0004, after 0003
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import tenancy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
OF_CAMPAIGN = f"campaign_id = {tenancy.GRANTED}"
# Under the policy of campaign_channels: those of the client's own campaigns.
OF_CHANNEL = "id = ANY (ARRAY(SELECT on_channel.channel_id FROM campaign_channels on_channel))"
PARTNERS: Mapping[str, tuple[str, str]] = {
    # Nothing says which audiences are of their campaigns: to them there are none, and one that they name is not found.
    "audiences": ("SELECT", "false"),
    "channels": ("SELECT", OF_CHANNEL),
    "campaign_channels": ("SELECT, INSERT", OF_CAMPAIGN),
    "events": (EVERYTHING, OF_CAMPAIGN),
    "event_totals": (EVERYTHING, OF_CAMPAIGN),
    "event_buckets": (EVERYTHING, OF_CAMPAIGN),
    "event_users": (EVERYTHING, OF_CAMPAIGN),
    "campaign_event_users": (EVERYTHING, OF_CAMPAIGN),
    "dead_letters": (EVERYTHING, f"api_client_id = {tenancy.CURRENT_CLIENT}"),
}
"""The new tables, those that others refer to first, and what restricted API clients may do with which rows."""
REFERENCES = {"channel_id": "channels", "audience_id": "audiences"}
"""The new columns of impressions, and whom they refer to."""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "audiences",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("audiences_name_check")),
        sa.CheckConstraint("length(description) <= 2000", name=op.f("audiences_description_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("audiences_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("audiences_pkey")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("audiences_workspace_id_name_key")),
    )
    op.create_table(
        "channels",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("channels_name_check")),
        sa.CheckConstraint("kind IN ('EMAIL', 'ADS', 'SOCIAL', 'WEB', 'OTHER')", name=op.f("channels_kind_check")),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("channels_platform_check"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("channels_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("channels_pkey")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("channels_workspace_id_name_key")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("api_client_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("problems", postgresql.JSONB(), nullable=False),
        sa.Column("first_received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("dead_letters_digest_check")),
        sa.CheckConstraint("received > 0", name=op.f("dead_letters_received_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "api_client_id"],
            ["api_clients.workspace_id", "api_clients.id"],
            name=op.f("dead_letters_workspace_id_api_client_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("dead_letters_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("dead_letters_pkey")),
        sa.UniqueConstraint("workspace_id", "digest", name=op.f("dead_letters_workspace_id_digest_key")),
    )
    op.create_index("dead_letters_newest_idx", "dead_letters", ["workspace_id", "last_received_at", "id"], unique=False)
    op.create_table(
        "campaign_channels",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_channels_workspace_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "channel_id"],
            ["channels.workspace_id", "channels.id"],
            name=op.f("campaign_channels_workspace_id_channel_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("campaign_channels_pkey")),
        sa.UniqueConstraint(
            "workspace_id",
            "campaign_id",
            "channel_id",
            name=op.f("campaign_channels_workspace_id_campaign_id_channel_id_key"),
        ),
    )
    op.create_index(
        "campaign_channels_channel_idx",
        "campaign_channels",
        ["workspace_id", "channel_id", "campaign_id"],
        unique=False,
    )
    op.create_table(
        "campaign_event_users",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_event_users_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "user_id", name=op.f("campaign_event_users_pkey")),
    )
    op.create_table(
        "event_buckets",
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revenue", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint("mod(extract(epoch FROM starts_at), 900) = 0", name=op.f("event_buckets_starts_at_check")),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("event_buckets_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("event_buckets_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id",
            "campaign_id",
            "starts_at",
            "channel_id",
            "currency",
            "slot",
            name=op.f("event_buckets_pkey"),
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "event_buckets_channel_idx", "event_buckets", ["workspace_id", "channel_id", "starts_at"], unique=False
    )
    op.create_table(
        "event_totals",
        sa.Column("unique_users", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("campaign_unique_users", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revenue", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("event_totals_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("event_totals_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "campaign_id", "channel_id", "currency", "slot", name=op.f("event_totals_pkey")
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("event_totals_channel_idx", "event_totals", ["workspace_id", "channel_id"], unique=False)
    op.create_table(
        "event_users",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("event_users_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "campaign_id", "channel_id", "user_id", name=op.f("event_users_pkey")),
    )
    op.create_index("event_users_channel_idx", "event_users", ["workspace_id", "channel_id", "user_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=True),
        sa.Column("audience_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("value_amount", sa.Numeric(), nullable=True),
        sa.Column("value_currency", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSON(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("type IN ('IMPRESSION', 'CLICK', 'CONVERSION')", name=op.f("events_type_check")),
        sa.CheckConstraint("value_currency ~ '^[A-Z]{3}$'", name=op.f("events_value_currency_check")),
        sa.CheckConstraint("(value_amount IS NULL) = (value_currency IS NULL)", name=op.f("events_value_check")),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name=op.f("events_key_check")),
        sa.CheckConstraint("length(user_id) BETWEEN 1 AND 200", name=op.f("events_user_id_check")),
        sa.CheckConstraint(
            "value_amount >= 0 AND value_amount < 1000000000000000 AND scale(value_amount) <= 12",
            name=op.f("events_value_amount_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "audience_id"],
            ["audiences.workspace_id", "audiences.id"],
            name=op.f("events_workspace_id_audience_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("events_workspace_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "channel_id"],
            ["channels.workspace_id", "channels.id"],
            name=op.f("events_workspace_id_channel_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("events_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("events_workspace_id_key_key")),
    )
    op.create_index("events_channel_idx", "events", ["workspace_id", "channel_id", "occurred_at", "id"], unique=False)
    op.create_index(
        "events_time_idx",
        "events",
        ["workspace_id", "campaign_id", "occurred_at", "id"],
        unique=False,
        postgresql_include=["user_id"],
    )

    for table, (rights, seen) in PARTNERS.items():
        for statement in (*tenancy.protect(table), *tenancy.open_to_partners(table, rights, seen)):
            op.execute(statement)
    each_by_itself(statement for column, table in REFERENCES.items() for statement in referring(column, table))


def referring(column: str, table: str) -> Iterable[str]:
    """A column of the busiest table: it is added at once, and what is there already is checked without a lock."""
    name = f"impressions_workspace_id_{column}_fkey"
    yield f"ALTER TABLE impressions ADD COLUMN IF NOT EXISTS {column} bigint"
    yield f"ALTER TABLE impressions DROP CONSTRAINT IF EXISTS {name}"
    yield (
        f"ALTER TABLE impressions ADD CONSTRAINT {name} FOREIGN KEY (workspace_id, {column}) "
        f"REFERENCES {table} (workspace_id, id) NOT VALID"
    )
    yield f"ALTER TABLE impressions VALIDATE CONSTRAINT {name}"


def downgrade() -> None:
    each_by_itself(f"ALTER TABLE impressions DROP COLUMN IF EXISTS {column}" for column in REFERENCES)
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute("DROP POLICY IF EXISTS channels_granted ON channels")  # it names campaign_channels
    for table in reversed(list(PARTNERS)):
        op.drop_table(table)


def each_by_itself(statements: Iterable[str]) -> None:
    """Runs each statement in a transaction of its own: who holds one busy table and waits for the next can deadlock
    with a reader that goes the other way. What was done before a failure is passed over when it is tried again."""
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for statement in statements:
            op.execute(statement)
        op.execute("RESET lock_timeout")
