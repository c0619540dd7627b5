"""Engagement: reactions, shares and comments, who engaged, their counts in the roll-ups, rows of imports that wait.

Revision: 0002, after 0001
"""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from alembic import op

from db import tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

COUNTS = ("impressions_only_engaged", "likes", "shares", "comments", "saves", "bookmarks")
ADDED: Mapping[str, Sequence[str]] = {
    "impressions": ("engagement_count",),
    "campaign_totals": (*COUNTS, "threads"),
    "campaign_buckets": COUNTS,
}
"""New columns of busy tables. All are zero for what is there already, so nothing has to be filled in."""

TENANT_TABLES = ("engagements", "campaign_engagers", "import_waiting")

CHECK_IMPRESSION = """
    CREATE FUNCTION engagements_check_impression() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (SELECT FROM impressions i WHERE i.workspace_id = NEW.workspace_id
                     AND i.id = NEW.impression_id AND i.campaign_id = NEW.campaign_id) THEN
        RAISE foreign_key_violation USING CONSTRAINT = 'engagements_impression_of_campaign',
          MESSAGE = 'the impression is not of the engagement''s campaign';
      END IF;
      RETURN NEW;
    END $$
"""
IMPRESSION_OF_CAMPAIGN = """
    CREATE TRIGGER engagements_impression_of_campaign BEFORE INSERT OR UPDATE OF impression_id, campaign_id
      ON engagements FOR EACH ROW WHEN (NEW.impression_id IS NOT NULL) EXECUTE FUNCTION engagements_check_impression()
"""


def upgrade() -> None:
    each_by_itself(
        f"ALTER TABLE {table} "
        + ", ".join(f"ADD COLUMN IF NOT EXISTS {name} bigint NOT NULL DEFAULT '0'" for name in names)
        for table, names in ADDED.items()
    )
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "import_waiting",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "fingerprint"],
            ["import_runs.workspace_id", "import_runs.fingerprint"],
            name=op.f("import_waiting_workspace_id_fingerprint_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "fingerprint", "line", name=op.f("import_waiting_pkey")),
    )
    op.create_index(
        "import_waiting_for_idx", "import_waiting", ["workspace_id", "fingerprint", "waits_for"], unique=False
    )
    op.create_table(
        "campaign_engagers",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("profile_type", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("likes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shares", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saves", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bookmarks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("engagements", sa.BigInteger(), nullable=False),
        sa.Column("last_active_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "engagements = likes + shares + comments + saves + bookmarks",
            name=op.f("campaign_engagers_engagements_check"),
        ),
        sa.CheckConstraint(
            "least(likes, shares, comments, saves, bookmarks) >= 0 AND engagements > 0",
            name=op.f("campaign_engagers_counts_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("campaign_engagers_workspace_id_campaign_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "campaign_id", "user_id", "profile_type", "profile_id", name=op.f("campaign_engagers_pkey")
        ),
    )
    op.create_index(
        "campaign_engagers_top_idx",
        "campaign_engagers",
        ["workspace_id", "campaign_id", "engagements", "last_active_at", "user_id", "profile_type", "profile_id"],
        unique=False,
    )
    op.create_table(
        "engagements",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("impression_id", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=True),
        sa.Column("profile_type", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("device_type", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("root_id", sa.BigInteger(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=True),
        sa.Column("parent_depth", sa.Integer(), sa.Computed("depth - 1", persisted=True), nullable=True),
        sa.Column("reply_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("descendant_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("listed_reply_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "is_listed",
            sa.Boolean(),
            sa.Computed("deleted_at IS NULL OR descendant_count > 0", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(type = 'COMMENT') = (body IS NOT NULL)", name=op.f("engagements_comments_have_a_body_check")
        ),
        sa.CheckConstraint(
            "(type = 'COMMENT') = (root_id IS NOT NULL AND depth IS NOT NULL)",
            name=op.f("engagements_comments_have_a_place_check"),
        ),
        sa.CheckConstraint("btrim(body) <> '' AND length(body) <= 10000", name=op.f("engagements_body_check")),
        sa.CheckConstraint("type = 'COMMENT' OR parent_id IS NULL", name=op.f("engagements_only_comments_reply_check")),
        sa.CheckConstraint(
            "type IN ('LIKE', 'SHARE', 'COMMENT', 'SAVE', 'BOOKMARK')", name=op.f("engagements_type_check")
        ),
        sa.CheckConstraint(
            "CASE WHEN parent_id IS NULL THEN root_id = id AND depth = 0 ELSE root_id <> id AND depth > 0 END",
            name=op.f("engagements_place_check"),
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name=op.f("engagements_key_check")),
        sa.CheckConstraint(
            "key IS NULL OR NOT (type IN ('LIKE', 'SAVE', 'BOOKMARK'))",
            name=op.f("engagements_reactions_have_no_key_check"),
        ),
        sa.CheckConstraint("length(user_id) BETWEEN 1 AND 200", name=op.f("engagements_user_id_check")),
        sa.CheckConstraint(
            "reply_count BETWEEN 0 AND listed_reply_count AND reply_count <= descendant_count",
            name=op.f("engagements_counts_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "brand_id"],
            ["brands.workspace_id", "brands.id"],
            name=op.f("engagements_workspace_id_brand_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id", "root_id", "parent_depth", "parent_id"],
            [
                "engagements.workspace_id",
                "engagements.campaign_id",
                "engagements.root_id",
                "engagements.depth",
                "engagements.id",
            ],
            name="engagements_parent_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("engagements_workspace_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "impression_id"],
            ["impressions.workspace_id", "impressions.id"],
            name=op.f("engagements_workspace_id_impression_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("engagements_pkey")),
        sa.UniqueConstraint("workspace_id", "campaign_id", "root_id", "depth", "id", name="engagements_place_key"),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("engagements_workspace_id_key_key")),
    )
    op.create_index(
        "engagements_actor_idx",
        "engagements",
        ["workspace_id", "campaign_id", "user_id", "occurred_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "engagements_comments_by_replies_idx",
        "engagements",
        ["workspace_id", "campaign_id", "reply_count", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_listed AND type = 'COMMENT' AND parent_id IS NULL"),
    )
    op.create_index(
        "engagements_comments_idx",
        "engagements",
        ["workspace_id", "campaign_id", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_listed AND type = 'COMMENT' AND parent_id IS NULL"),
    )
    op.create_index(
        "engagements_impression_idx",
        "engagements",
        ["workspace_id", "impression_id", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("impression_id IS NOT NULL AND deleted_at IS NULL"),
    )
    op.create_index(
        "engagements_reaction_key",
        "engagements",
        ["workspace_id", "campaign_id", "type", "user_id", "profile_type", "profile_id"],
        unique=True,
        postgresql_where=sa.text("type IN ('LIKE', 'SAVE', 'BOOKMARK') AND deleted_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "engagements_replies_by_replies_idx",
        "engagements",
        ["workspace_id", "parent_id", "reply_count", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_listed AND parent_id IS NOT NULL"),
    )
    op.create_index(
        "engagements_replies_idx",
        "engagements",
        ["workspace_id", "parent_id", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_listed AND parent_id IS NOT NULL"),
    )
    op.create_index(
        "engagements_time_idx",
        "engagements",
        ["workspace_id", "campaign_id", "type", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.execute(CHECK_IMPRESSION)
    op.execute(IMPRESSION_OF_CAMPAIGN)
    for table in TENANT_TABLES:
        for statement in tenancy.protect(table):
            op.execute(statement)
    # Comments of one batch refer to each other, so their ids are drawn before they are inserted.
    op.execute(f"GRANT USAGE ON SEQUENCE engagements_id_seq TO {tenancy.APP_ROLE}, {tenancy.SYSTEM_ROLE}")


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION engagements_check_impression()")
    each_by_itself(
        f"ALTER TABLE {table} " + ", ".join(f"DROP COLUMN IF EXISTS {name}" for name in names)
        for table, names in ADDED.items()
    )


def each_by_itself(statements: Iterable[str]) -> None:
    """Runs each statement in a transaction of its own: who holds one busy table and waits for the next can deadlock
    with a reader that goes the other way. What was done before a failure is passed over when it is tried again."""
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for statement in statements:
            op.execute(statement)
        op.execute("RESET lock_timeout")
