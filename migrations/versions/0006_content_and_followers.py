"""Content and followers: items and their posts, interactions, followers with their scores, and recounts of these.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

from db import tenancy

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

TABLES = (
    "content_items",
    "follower_score_counts",
    "followers",
    "score_recounts",
    "content_followers",
    "content_platform_rollups",
    "content_posts",
    "content_summaries",
    "content_tags",
    "follower_weeks",
    "follower_words",
    "interactions",
)
"""The new tables, those that others refer to first. Restricted API clients see nothing of them: no campaign is granted by them."""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "content_items",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(slug) <> '' AND length(slug) <= 200", name=op.f("content_items_slug_check")),
        sa.CheckConstraint("btrim(title) <> '' AND length(title) <= 300", name=op.f("content_items_title_check")),
        sa.CheckConstraint("length(description) <= 2000", name=op.f("content_items_description_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("content_items_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("content_items_pkey")),
        sa.UniqueConstraint("workspace_id", "slug", name=op.f("content_items_workspace_id_slug_key")),
    )
    op.create_index("content_items_newest_idx", "content_items", ["workspace_id", "created_at", "id"], unique=False)
    op.create_table(
        "follower_score_counts",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("followers", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("level BETWEEN 0 AND 7", name=op.f("follower_score_counts_level_check")),
        sa.CheckConstraint("slot BETWEEN 0 AND 3", name=op.f("follower_score_counts_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("follower_score_counts_workspace_id_fkey")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "level", "bucket", "slot", name=op.f("follower_score_counts_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "followers",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("profile_url", sa.Text(), nullable=True),
        sa.Column("audience_size", sa.BigInteger(), nullable=True),
        sa.Column("comments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("likes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shares", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saves", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("profile_visits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("link_clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "score",
            sa.Integer(),
            sa.Computed(
                "5 * comments + 1 * likes + 10 * shares + 8 * saves + 3 * profile_visits + 15 * link_clicks",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calculated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "btrim(external_id) <> '' AND length(external_id) <= 200", name=op.f("followers_external_id_check")
        ),
        sa.CheckConstraint("btrim(username) <> '' AND length(username) <= 200", name=op.f("followers_username_check")),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("followers_platform_check"),
        ),
        sa.CheckConstraint("audience_size >= 0", name=op.f("followers_audience_size_check")),
        sa.CheckConstraint("first_seen_at <= last_seen_at", name=op.f("followers_seen_check")),
        sa.CheckConstraint(
            "least(comments, likes, shares, saves, profile_visits, link_clicks) >= 0",
            name=op.f("followers_counts_check"),
        ),
        sa.CheckConstraint("length(display_name) <= 200", name=op.f("followers_display_name_check")),
        sa.CheckConstraint("length(profile_url) <= 2000", name=op.f("followers_profile_url_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("followers_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("followers_pkey")),
        sa.UniqueConstraint(
            "workspace_id", "external_id", "platform", name=op.f("followers_workspace_id_external_id_platform_key")
        ),
    )
    op.create_index("followers_first_seen_idx", "followers", ["workspace_id", "first_seen_at", "id"], unique=False)
    op.create_index("followers_last_seen_idx", "followers", ["workspace_id", "last_seen_at", "id"], unique=False)
    op.create_index(
        "followers_platform_idx", "followers", ["workspace_id", "platform", "score", "last_seen_at", "id"], unique=False
    )
    op.create_index("followers_score_idx", "followers", ["workspace_id", "score", "last_seen_at", "id"], unique=False)
    op.create_index("followers_username_idx", "followers", ["workspace_id", "username", "id"], unique=False)
    op.create_table(
        "score_recounts",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("last_follower_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("followers", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("differed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dropped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tiers_dropped", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ranks_differed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("score_recounts_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("score_recounts_pkey")),
        sa.UniqueConstraint("workspace_id", "day", name=op.f("score_recounts_workspace_id_day_key")),
    )
    op.create_index(
        "score_recounts_unfinished_idx",
        "score_recounts",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "content_followers",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "content_id", "follower_id", name=op.f("content_followers_pkey")),
    )
    op.create_table(
        "content_platform_rollups",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("likes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shares", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saves", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("profile_visits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("link_clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unique_followers", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("content_platform_rollups_platform_check"),
        ),
        sa.CheckConstraint(
            "least(comments, likes, shares, saves, profile_visits, link_clicks, unique_followers) >= 0",
            name=op.f("content_platform_rollups_counts_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "content_id"],
            ["content_items.workspace_id", "content_items.id"],
            name=op.f("content_platform_rollups_workspace_id_content_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "content_id", "platform", name=op.f("content_platform_rollups_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "content_posts",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("external_post_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("caption", sa.Text(), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("views", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("likes", sa.BigInteger(), nullable=True),
        sa.Column("comments", sa.BigInteger(), nullable=True),
        sa.Column("shares", sa.BigInteger(), nullable=True),
        sa.Column("saves", sa.BigInteger(), nullable=True),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("figures_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "btrim(external_post_id) <> '' AND length(external_post_id) <= 200",
            name=op.f("content_posts_external_post_id_check"),
        ),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("content_posts_platform_check"),
        ),
        sa.CheckConstraint(
            "least(views, impressions, likes, comments, shares, saves, clicks) >= 0",
            name=op.f("content_posts_figures_check"),
        ),
        sa.CheckConstraint("length(caption) <= 10000", name=op.f("content_posts_caption_check")),
        sa.CheckConstraint("length(url) <= 2000", name=op.f("content_posts_url_check")),
        sa.CheckConstraint(
            "num_nonnulls(views, impressions, likes, comments, shares, saves, clicks) = 0 OR figures_at IS NOT NULL",
            name=op.f("content_posts_figures_at_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "content_id"],
            ["content_items.workspace_id", "content_items.id"],
            name=op.f("content_posts_workspace_id_content_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("content_posts_pkey")),
        sa.UniqueConstraint(
            "workspace_id",
            "external_post_id",
            "platform",
            name=op.f("content_posts_workspace_id_external_post_id_platform_key"),
        ),
    )
    op.create_index(
        "content_posts_item_idx", "content_posts", ["workspace_id", "content_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "content_summaries",
        sa.Column(
            "interactions",
            sa.BigInteger(),
            sa.Computed("comments + likes + shares + saves + profile_visits + link_clicks", persisted=True),
            nullable=False,
        ),
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("likes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shares", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saves", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("profile_visits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("link_clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unique_followers", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "least(comments, likes, shares, saves, profile_visits, link_clicks, unique_followers) >= 0",
            name=op.f("content_summaries_counts_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "content_id"],
            ["content_items.workspace_id", "content_items.id"],
            name=op.f("content_summaries_workspace_id_content_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "content_id", name=op.f("content_summaries_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "content_summaries_comments_idx", "content_summaries", ["workspace_id", "comments", "content_id"], unique=False
    )
    op.create_index(
        "content_summaries_interactions_idx",
        "content_summaries",
        ["workspace_id", "interactions", "content_id"],
        unique=False,
    )
    op.create_table(
        "content_tags",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.CheckConstraint("btrim(type) <> '' AND length(type) <= 100", name=op.f("content_tags_type_check")),
        sa.CheckConstraint("btrim(value) <> '' AND length(value) <= 100", name=op.f("content_tags_value_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "content_id"],
            ["content_items.workspace_id", "content_items.id"],
            name=op.f("content_tags_workspace_id_content_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "content_id", "type", "value", name=op.f("content_tags_pkey")),
    )
    op.create_index(
        "content_tags_value_idx", "content_tags", ["workspace_id", "type", "value", "content_id"], unique=False
    )
    op.create_table(
        "follower_weeks",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.CheckConstraint("extract(isodow FROM week) = 1", name=op.f("follower_weeks_week_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "follower_id"],
            ["followers.workspace_id", "followers.id"],
            name=op.f("follower_weeks_workspace_id_follower_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "follower_id", "week", name=op.f("follower_weeks_pkey")),
    )
    op.create_table(
        "follower_words",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("length(word) BETWEEN 1 AND 100", name=op.f("follower_words_word_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "follower_id"],
            ["followers.workspace_id", "followers.id"],
            name=op.f("follower_words_workspace_id_follower_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "follower_id", "word", name=op.f("follower_words_pkey")),
    )
    op.create_index("follower_words_word_idx", "follower_words", ["workspace_id", "word", "follower_id"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("follower_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "type IN ('COMMENT', 'LIKE', 'SHARE', 'SAVE', 'PROFILE_VISIT', 'LINK_CLICK')",
            name=op.f("interactions_type_check"),
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 200", name=op.f("interactions_key_check")),
        sa.CheckConstraint("length(value) <= 10000", name=op.f("interactions_value_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "follower_id"],
            ["followers.workspace_id", "followers.id"],
            name=op.f("interactions_workspace_id_follower_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "post_id"],
            ["content_posts.workspace_id", "content_posts.id"],
            name=op.f("interactions_workspace_id_post_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("interactions_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("interactions_workspace_id_key_key")),
    )
    op.create_index(
        "interactions_follower_idx", "interactions", ["workspace_id", "follower_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "interactions_post_idx", "interactions", ["workspace_id", "post_id", "occurred_at", "id"], unique=False
    )
    op.create_index("interactions_time_idx", "interactions", ["workspace_id", "occurred_at", "id"], unique=False)
    for table in TABLES:
        for statement in (*tenancy.protect(table), *tenancy.open_to_partners(table, "SELECT", "false")):
            op.execute(statement)
    # A new follower's key is drawn before its row is written.
    op.execute(f"GRANT USAGE ON SEQUENCE followers_id_seq TO {tenancy.APP_ROLE}, {tenancy.SYSTEM_ROLE}")


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table in reversed(TABLES):
        op.drop_table(table)
