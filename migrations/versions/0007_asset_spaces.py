"""Asset spaces: spaces with assets, blobs that are stored once, uploads on their way, and what spaces hold, counted.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import tenancy

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

TABLES = (
    "blobs",
    "loose_objects",
    "blob_hash_bands",
    "spaces",
    "assets",
    "space_asset_counts",
    "space_blobs",
    "space_terms",
    "asset_terms",
    "asset_usages",
    "uploads",
)
"""The new tables, those that others refer to first. Restricted API clients see nothing of them: no campaign is granted by them."""

# What a space holds follows its assets, whoever changes them and how. The space is locked before its assets are changed, so
# that two who change assets of one space wait for each other here and not in the middle.
COUNT_ASSETS = """
    CREATE FUNCTION assets_count() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      same bigint;
    BEGIN
      IF TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL THEN
        UPDATE space_asset_counts SET assets = assets - 1, size_bytes = size_bytes - coalesce(OLD.size_bytes, 0),
          reused = reused - (OLD.reused_count > 0)::int
          WHERE workspace_id = OLD.workspace_id AND space_id = OLD.space_id AND type = OLD.type;
        IF OLD.sha256 IS NOT NULL THEN
          DELETE FROM space_blobs WHERE workspace_id = OLD.workspace_id AND space_id = OLD.space_id
            AND sha256 = OLD.sha256 AND assets = 1;
          IF FOUND THEN
            UPDATE spaces SET stored_bytes = stored_bytes - OLD.size_bytes
              WHERE workspace_id = OLD.workspace_id AND id = OLD.space_id;
          ELSE
            UPDATE space_blobs SET assets = assets - 1 WHERE workspace_id = OLD.workspace_id
              AND space_id = OLD.space_id AND sha256 = OLD.sha256;
          END IF;
        END IF;
      END IF;
      IF TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL THEN
        INSERT INTO space_asset_counts AS counts (workspace_id, space_id, type, assets, size_bytes, reused)
          VALUES (NEW.workspace_id, NEW.space_id, NEW.type, 1, coalesce(NEW.size_bytes, 0), (NEW.reused_count > 0)::int)
          ON CONFLICT (workspace_id, space_id, type) DO UPDATE SET assets = counts.assets + 1,
            size_bytes = counts.size_bytes + excluded.size_bytes, reused = counts.reused + excluded.reused;
        IF NEW.sha256 IS NOT NULL THEN
          INSERT INTO space_blobs AS held (workspace_id, space_id, sha256, assets)
            VALUES (NEW.workspace_id, NEW.space_id, NEW.sha256, 1)
            ON CONFLICT (workspace_id, space_id, sha256) DO UPDATE SET assets = held.assets + 1
            RETURNING assets INTO same;
          IF same = 1 THEN
            UPDATE spaces SET stored_bytes = stored_bytes + NEW.size_bytes
              WHERE workspace_id = NEW.workspace_id AND id = NEW.space_id;
          END IF;
        END IF;
      END IF;
      IF TG_OP = 'DELETE' AND OLD.sha256 IS NOT NULL THEN
        UPDATE blobs SET unused_since = now() WHERE workspace_id = OLD.workspace_id AND sha256 = OLD.sha256;
      END IF;
      RETURN NULL;
    END $$
"""
COUNTS = (
    ("assets_counted", "INSERT OR DELETE"),
    ("assets_counted_again", "UPDATE OF type, deleted_at, reused_count, sha256, size_bytes, space_id"),
)
"""Triggers by name: when assets are counted."""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "blobs",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("image_hash", sa.BigInteger(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("thumbnail_path", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("unused_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("blobs_sha256_check")),
        sa.CheckConstraint("duration_ms >= 0", name=op.f("blobs_duration_ms_check")),
        sa.CheckConstraint("least(width, height) > 0", name=op.f("blobs_dimensions_check")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("blobs_size_bytes_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("blobs_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "sha256", name=op.f("blobs_pkey")),
        sa.UniqueConstraint(
            "workspace_id", "sha256", "size_bytes", name=op.f("blobs_workspace_id_sha256_size_bytes_key")
        ),
    )
    op.create_index(
        "blobs_unused_idx",
        "blobs",
        ["workspace_id", "unused_since"],
        unique=False,
        postgresql_where=sa.text("unused_since IS NOT NULL"),
    )
    op.create_table(
        "loose_objects",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("loose_objects_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "path", name=op.f("loose_objects_pkey")),
    )
    op.create_index("loose_objects_expires_idx", "loose_objects", ["workspace_id", "expires_at"], unique=False)
    op.create_table(
        "blob_hash_bands",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("band BETWEEN 0 AND 8", name=op.f("blob_hash_bands_band_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "sha256"],
            ["blobs.workspace_id", "blobs.sha256"],
            name=op.f("blob_hash_bands_workspace_id_sha256_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "sha256", "band", name=op.f("blob_hash_bands_pkey")),
    )
    op.create_index(
        "blob_hash_bands_value_idx", "blob_hash_bands", ["workspace_id", "band", "value", "sha256"], unique=False
    )
    op.create_table(
        "spaces",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("external_campaign_id", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("objective", sa.Text(), nullable=True),
        sa.Column("target_audience", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("budget_amount", sa.Numeric(), nullable=True),
        sa.Column("budget_currency", sa.Text(), nullable=True),
        sa.Column("import_source", sa.Text(), nullable=False),
        sa.Column("import_metadata", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("is_template", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("template_metadata", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("is_archived", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("conversions", sa.BigInteger(), nullable=True),
        sa.Column("spend", sa.Numeric(), nullable=True),
        sa.Column("revenue", sa.Numeric(), nullable=True),
        sa.Column("figures_currency", sa.Text(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "btrim(external_campaign_id) <> '' AND length(external_campaign_id) <= 200",
            name=op.f("spaces_external_campaign_id_check"),
        ),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("spaces_name_check")),
        sa.CheckConstraint("budget_currency ~ '^[A-Z]{3}$'", name=op.f("spaces_budget_currency_check")),
        sa.CheckConstraint("figures_currency ~ '^[A-Z]{3}$'", name=op.f("spaces_figures_currency_check")),
        sa.CheckConstraint(
            "import_source IN ('MANUAL_UPLOAD', 'PLATFORM_API', 'CSV_IMPORT', 'BULK_IMPORT')",
            name=op.f("spaces_import_source_check"),
        ),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("spaces_platform_check"),
        ),
        sa.CheckConstraint(
            "(spend IS NULL AND revenue IS NULL) OR figures_currency IS NOT NULL",
            name=op.f("spaces_figures_have_currency_check"),
        ),
        sa.CheckConstraint(
            "budget_amount >= 0 AND budget_amount < 1000000000000000 AND scale(budget_amount) <= 12",
            name=op.f("spaces_budget_amount_check"),
        ),
        sa.CheckConstraint("least(impressions, clicks, conversions) >= 0", name=op.f("spaces_figures_check")),
        sa.CheckConstraint("length(category) <= 100", name=op.f("spaces_category_check")),
        sa.CheckConstraint("length(description) <= 10000", name=op.f("spaces_description_check")),
        sa.CheckConstraint("length(objective) <= 2000", name=op.f("spaces_objective_check")),
        sa.CheckConstraint("num_nonnulls(budget_amount, budget_currency) <> 1", name=op.f("spaces_budget_check")),
        sa.CheckConstraint(
            "reported_at IS NOT NULL OR num_nonnulls(impressions, clicks, conversions, spend, revenue) = 0",
            name=op.f("spaces_reported_check"),
        ),
        sa.CheckConstraint(
            "revenue >= 0 AND revenue < 1000000000000000 AND scale(revenue) <= 12", name=op.f("spaces_revenue_check")
        ),
        sa.CheckConstraint(
            "spend >= 0 AND spend < 1000000000000000 AND scale(spend) <= 12", name=op.f("spaces_spend_check")
        ),
        sa.CheckConstraint("stored_bytes >= 0", name=op.f("spaces_stored_bytes_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "brand_id"],
            ["brands.workspace_id", "brands.id"],
            name=op.f("spaces_workspace_id_brand_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("spaces_workspace_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("spaces_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("spaces_pkey")),
        sa.UniqueConstraint("workspace_id", "id", "platform", name=op.f("spaces_workspace_id_id_platform_key")),
    )
    op.create_index("spaces_brand_idx", "spaces", ["workspace_id", "brand_id", "id"], unique=False)
    op.create_index("spaces_campaign_idx", "spaces", ["workspace_id", "campaign_id", "id"], unique=False)
    op.create_index("spaces_category_idx", "spaces", ["workspace_id", "category", "id"], unique=False)
    op.create_index("spaces_created_by_idx", "spaces", ["workspace_id", "created_by", "id"], unique=False)
    op.create_index(
        "spaces_external_campaign_idx",
        "spaces",
        ["workspace_id", "external_campaign_id", "platform"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "spaces_name_idx",
        "spaces",
        ["workspace_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("spaces_platform_idx", "spaces", ["workspace_id", "platform", "id"], unique=False)
    op.create_table(
        "assets",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("external_asset_id", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("ad_copy_text", sa.Text(), nullable=True),
        sa.Column("headline_text", sa.Text(), nullable=True),
        sa.Column("cta_text", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("platform_metadata", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("platform_variants", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("duplicate_of_id", sa.BigInteger(), nullable=True),
        sa.Column("reused_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_reused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_with_space", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("conversions", sa.BigInteger(), nullable=True),
        sa.Column("spend", sa.Numeric(), nullable=True),
        sa.Column("revenue", sa.Numeric(), nullable=True),
        sa.Column("figures_currency", sa.Text(), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(type NOT IN ('IMAGE', 'VIDEO', 'DOCUMENT', 'PERFORMANCE_DATA') OR sha256 IS NOT NULL) AND (type <> 'AD_COPY' OR (sha256 IS NULL AND btrim(ad_copy_text) <> '')) AND (type <> 'HEADLINE' OR (sha256 IS NULL AND btrim(headline_text) <> '')) AND (type <> 'DESCRIPTION' OR (sha256 IS NULL AND btrim(description) <> '')) AND (type <> 'CALL_TO_ACTION' OR (sha256 IS NULL AND btrim(cta_text) <> ''))",
            name=op.f("assets_whole_check"),
        ),
        sa.CheckConstraint(
            "btrim(external_asset_id) <> '' AND length(external_asset_id) <= 200",
            name=op.f("assets_external_asset_id_check"),
        ),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("assets_name_check")),
        sa.CheckConstraint("figures_currency ~ '^[A-Z]{3}$'", name=op.f("assets_figures_currency_check")),
        sa.CheckConstraint(
            "platform IN ('GOOGLE_ADS', 'META', 'FACEBOOK', 'INSTAGRAM', 'LINKEDIN', 'TWITTER', 'TIKTOK', 'SNAPCHAT', 'PINTEREST', 'REDDIT', 'AMAZON_ADS', 'MICROSOFT_ADS', 'YOUTUBE', 'OTHER')",
            name=op.f("assets_platform_check"),
        ),
        sa.CheckConstraint(
            "type IN ('IMAGE', 'VIDEO', 'AD_COPY', 'HEADLINE', 'DESCRIPTION', 'CALL_TO_ACTION', 'DOCUMENT', 'PERFORMANCE_DATA', 'OTHER')",
            name=op.f("assets_type_check"),
        ),
        sa.CheckConstraint(
            "(spend IS NULL AND revenue IS NULL) OR figures_currency IS NOT NULL",
            name=op.f("assets_figures_have_currency_check"),
        ),
        sa.CheckConstraint(
            "NOT deleted_with_space OR deleted_at IS NOT NULL", name=op.f("assets_deleted_with_space_check")
        ),
        sa.CheckConstraint("least(impressions, clicks, conversions) >= 0", name=op.f("assets_figures_check")),
        sa.CheckConstraint("length(ad_copy_text) <= 10000", name=op.f("assets_ad_copy_text_check")),
        sa.CheckConstraint("length(cta_text) <= 10000", name=op.f("assets_cta_text_check")),
        sa.CheckConstraint("length(description) <= 10000", name=op.f("assets_description_check")),
        sa.CheckConstraint("length(file_name) <= 255", name=op.f("assets_file_name_check")),
        sa.CheckConstraint("length(headline_text) <= 10000", name=op.f("assets_headline_text_check")),
        sa.CheckConstraint("length(title) <= 300", name=op.f("assets_title_check")),
        sa.CheckConstraint("num_nonnulls(sha256, size_bytes) <> 1", name=op.f("assets_file_check")),
        sa.CheckConstraint(
            "reported_at IS NOT NULL OR num_nonnulls(impressions, clicks, conversions, spend, revenue) = 0",
            name=op.f("assets_reported_check"),
        ),
        sa.CheckConstraint(
            "reused_count >= 0 AND (reused_count = 0) = (last_reused_at IS NULL)", name=op.f("assets_reused_check")
        ),
        sa.CheckConstraint(
            "revenue >= 0 AND revenue < 1000000000000000 AND scale(revenue) <= 12", name=op.f("assets_revenue_check")
        ),
        sa.CheckConstraint(
            "spend >= 0 AND spend < 1000000000000000 AND scale(spend) <= 12", name=op.f("assets_spend_check")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "duplicate_of_id"],
            ["assets.workspace_id", "assets.id"],
            name=op.f("assets_workspace_id_duplicate_of_id_fkey"),
            ondelete="SET NULL (duplicate_of_id)",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "sha256", "size_bytes"],
            ["blobs.workspace_id", "blobs.sha256", "blobs.size_bytes"],
            name=op.f("assets_workspace_id_sha256_size_bytes_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "space_id", "platform"],
            ["spaces.workspace_id", "spaces.id", "spaces.platform"],
            name=op.f("assets_workspace_id_space_id_platform_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("assets_pkey")),
    )
    op.create_index("assets_created_by_idx", "assets", ["workspace_id", "created_by", "id"], unique=False)
    op.create_index("assets_duplicate_of_idx", "assets", ["workspace_id", "duplicate_of_id"], unique=False)
    op.create_index(
        "assets_external_idx",
        "assets",
        ["workspace_id", "external_asset_id", "platform"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "assets_live_idx",
        "assets",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("assets_sha256_idx", "assets", ["workspace_id", "sha256", "id"], unique=False)
    op.create_index("assets_space_idx", "assets", ["workspace_id", "space_id", "id"], unique=False)
    op.create_index(
        "assets_space_live_idx",
        "assets",
        ["workspace_id", "space_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("assets_space_type_idx", "assets", ["workspace_id", "space_id", "type", "id"], unique=False)
    op.create_index("assets_type_idx", "assets", ["workspace_id", "type", "id"], unique=False)
    op.create_table(
        "space_asset_counts",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("assets", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reused", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "type IN ('IMAGE', 'VIDEO', 'AD_COPY', 'HEADLINE', 'DESCRIPTION', 'CALL_TO_ACTION', 'DOCUMENT', 'PERFORMANCE_DATA', 'OTHER')",
            name=op.f("space_asset_counts_type_check"),
        ),
        sa.CheckConstraint("least(assets, size_bytes, reused) >= 0", name=op.f("space_asset_counts_counts_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "space_id"],
            ["spaces.workspace_id", "spaces.id"],
            name=op.f("space_asset_counts_workspace_id_space_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "space_id", "type", name=op.f("space_asset_counts_pkey")),
    )
    op.create_table(
        "space_blobs",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("assets", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("assets > 0", name=op.f("space_blobs_assets_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "space_id"],
            ["spaces.workspace_id", "spaces.id"],
            name=op.f("space_blobs_workspace_id_space_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "space_id", "sha256", name=op.f("space_blobs_pkey")),
    )
    op.create_table(
        "space_terms",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("kind IN ('TAG', 'WORD')", name=op.f("space_terms_kind_check")),
        sa.CheckConstraint("length(term) BETWEEN 1 AND 100", name=op.f("space_terms_term_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "space_id"],
            ["spaces.workspace_id", "spaces.id"],
            name=op.f("space_terms_workspace_id_space_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "space_id", "kind", "term", name=op.f("space_terms_pkey")),
    )
    op.create_index("space_terms_term_idx", "space_terms", ["workspace_id", "kind", "term", "space_id"], unique=False)
    op.create_table(
        "asset_terms",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("kind IN ('TAG', 'WORD')", name=op.f("asset_terms_kind_check")),
        sa.CheckConstraint("length(term) BETWEEN 1 AND 100", name=op.f("asset_terms_term_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "asset_id"],
            ["assets.workspace_id", "assets.id"],
            name=op.f("asset_terms_workspace_id_asset_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "asset_id", "kind", "term", name=op.f("asset_terms_pkey")),
    )
    op.create_index("asset_terms_term_idx", "asset_terms", ["workspace_id", "kind", "term", "asset_id"], unique=False)
    op.create_table(
        "asset_usages",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("used_in_type", sa.Text(), nullable=False),
        sa.Column("used_in_id", sa.Text(), nullable=False),
        sa.Column("used_in_name", sa.Text(), nullable=True),
        sa.Column("context", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(used_in_id) <> '' AND length(used_in_id) <= 200", name=op.f("asset_usages_id_check")),
        sa.CheckConstraint(
            "btrim(used_in_type) <> '' AND length(used_in_type) <= 200", name=op.f("asset_usages_type_check")
        ),
        sa.CheckConstraint("length(used_in_name) <= 200", name=op.f("asset_usages_name_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "asset_id"],
            ["assets.workspace_id", "assets.id"],
            name=op.f("asset_usages_workspace_id_asset_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("asset_usages_pkey")),
    )
    op.create_index(
        "asset_usages_asset_idx", "asset_usages", ["workspace_id", "asset_id", "used_at", "id"], unique=False
    )
    op.create_table(
        "uploads",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("btrim(file_name) <> '' AND length(file_name) <= 255", name=op.f("uploads_file_name_check")),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("uploads_sha256_check")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("uploads_size_bytes_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "asset_id"],
            ["assets.workspace_id", "assets.id"],
            name=op.f("uploads_workspace_id_asset_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "space_id"],
            ["spaces.workspace_id", "spaces.id"],
            name=op.f("uploads_workspace_id_space_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("uploads_pkey")),
    )
    op.create_index("uploads_asset_idx", "uploads", ["workspace_id", "asset_id"], unique=False)
    op.create_index("uploads_expires_idx", "uploads", ["workspace_id", "expires_at"], unique=False)
    op.create_index("uploads_space_idx", "uploads", ["workspace_id", "space_id"], unique=False)
    op.execute(COUNT_ASSETS)
    for name, when in COUNTS:
        op.execute(f"CREATE TRIGGER {name} AFTER {when} ON assets FOR EACH ROW EXECUTE FUNCTION assets_count()")
    for table in TABLES:
        for statement in (*tenancy.protect(table), *tenancy.open_to_partners(table, "SELECT", "false")):
            op.execute(statement)
    # Keys of assets that are made from a template are drawn before their rows are written.
    op.execute(f"GRANT USAGE ON SEQUENCE assets_id_seq TO {tenancy.APP_ROLE}, {tenancy.SYSTEM_ROLE}")


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION assets_count()")
