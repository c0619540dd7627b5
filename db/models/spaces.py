"""Spaces: folders of creatives for one platform, with their tags, the terms they are found by, and what they hold, counted."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.asset_kinds import AssetType, ImportSource
from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, amount_in_bounds, one_of
from db.models.platforms import Platform
from db.models.reported_items import CURRENCY, LIVE, SPACE, Document, Reported, reported_checks
from db.models.space_items import (
    LONGEST_CATEGORY,
    LONGEST_DESCRIPTION,
    LONGEST_EXTERNAL_ID,
    LONGEST_NAME,
    LONGEST_OBJECTIVE,
    LONGEST_TERM,
)


class Space(Reported, Base):
    """A folder of creatives for one platform. Its name is its own among those that are not deleted."""

    __tablename__ = "spaces"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "brand_id"], ["brands.workspace_id", "brands.id"]),
        UniqueConstraint("workspace_id", "id", "platform"),  # what assets refer to
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
        CheckConstraint(one_of("import_source", ImportSource), name="import_source"),
        CheckConstraint(
            f"btrim(external_campaign_id) <> '' AND length(external_campaign_id) <= {LONGEST_EXTERNAL_ID}",
            name="external_campaign_id",
        ),
        CheckConstraint(f"length(description) <= {LONGEST_DESCRIPTION}", name="description"),
        CheckConstraint(f"length(objective) <= {LONGEST_OBJECTIVE}", name="objective"),
        CheckConstraint(f"length(category) <= {LONGEST_CATEGORY}", name="category"),
        CheckConstraint(amount_in_bounds("budget_amount"), name="budget_amount"),
        CheckConstraint(f"budget_currency {CURRENCY}", name="budget_currency"),
        CheckConstraint("num_nonnulls(budget_amount, budget_currency) <> 1", name="budget"),
        CheckConstraint("stored_bytes >= 0", name="stored_bytes"),
        *reported_checks(),
        Index("spaces_name_idx", "workspace_id", "name", unique=True, postgresql_where=text(LIVE)),
        Index(
            "spaces_external_campaign_idx",
            "workspace_id",
            "external_campaign_id",
            "platform",
            unique=True,
            postgresql_where=text(LIVE),
        ),
        Index("spaces_platform_idx", "workspace_id", "platform", "id"),
        Index("spaces_campaign_idx", "workspace_id", "campaign_id", "id"),
        Index("spaces_brand_idx", "workspace_id", "brand_id", "id"),
        Index("spaces_category_idx", "workspace_id", "category", "id"),
        Index("spaces_created_by_idx", "workspace_id", "created_by", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    platform: Mapped[str]
    campaign_id: Mapped[Reference | None]
    brand_id: Mapped[Reference | None]
    external_campaign_id: Mapped[str | None]
    description: Mapped[str | None]
    objective: Mapped[str | None]
    target_audience: Mapped[Document | None]
    budget_amount: Mapped[Decimal | None]
    budget_currency: Mapped[str | None]
    import_source: Mapped[str]
    import_metadata: Mapped[Document | None]
    imported_at: Mapped[datetime | None]
    """When something was imported into it last."""
    category: Mapped[str | None]
    is_template: Mapped[bool] = mapped_column(Boolean, server_default="false")
    template_metadata: Mapped[Document | None]
    is_active: Mapped[bool] = mapped_column(Boolean, server_default="true")
    is_archived: Mapped[bool] = mapped_column(Boolean, server_default="false")
    stored_bytes: Mapped[int] = mapped_column(server_default="0")
    """Bytes of the different blobs of its assets that are not deleted. Kept by a trigger of assets."""
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]
    deleted_at: Mapped[datetime | None]


class SpaceTerm(Base):
    """What a space is found by: its tags, as they are, and the folded words of its name and description."""

    __tablename__ = "space_terms"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "space_id"], SPACE, ondelete="CASCADE"),
        CheckConstraint("kind IN ('TAG', 'WORD')", name="kind"),
        CheckConstraint(f"length(term) BETWEEN 1 AND {LONGEST_TERM}", name="term"),
        Index("space_terms_term_idx", "workspace_id", "kind", "term", "space_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    space_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)


class SpaceAssetCount(Base):
    """How many assets of a type a space has that are not deleted, with their bytes. Kept by a trigger of assets."""

    __tablename__ = "space_asset_counts"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "space_id"], SPACE, ondelete="CASCADE"),
        CheckConstraint(one_of("type", AssetType), name="type"),
        CheckConstraint("least(assets, size_bytes, reused) >= 0", name="counts"),
    )

    workspace_id: Mapped[WorkspaceKey]
    space_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    assets: Mapped[int] = mapped_column(server_default="0")
    size_bytes: Mapped[int] = mapped_column(server_default="0")
    reused: Mapped[int] = mapped_column(server_default="0")
    """Those that were reused at least once."""


class SpaceBlob(Base):
    """A blob that assets of a space hold which are not deleted, with how many do. Kept by a trigger of assets."""

    __tablename__ = "space_blobs"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "space_id"], SPACE, ondelete="CASCADE"),
        CheckConstraint("assets > 0", name="assets"),
    )

    workspace_id: Mapped[WorkspaceKey]
    space_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    assets: Mapped[int] = mapped_column()
