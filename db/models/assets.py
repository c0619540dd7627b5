"""Assets: creatives in spaces, the blobs that hold their bytes, where they were used, and uploads on their way."""

from datetime import datetime

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.asset_items import (
    HASH_BANDS,
    LONGEST_FILE_NAME,
    LONGEST_NAME,
    LONGEST_TEXT,
    LONGEST_TITLE,
    LONGEST_USED_IN,
)
from db.models.asset_kinds import NEEDS_FILE, TEXT_OF, AssetType
from db.models.base import Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.platforms import Platform
from db.models.reported_items import LIVE, SPACE, Document, Reported, reported_checks
from db.models.space_items import LONGEST_DESCRIPTION, LONGEST_EXTERNAL_ID, LONGEST_TERM

_ASSET = ["assets.workspace_id", "assets.id"]
_SHA256 = "~ '^[0-9a-f]{64}$'"
_IS_WHOLE = " AND ".join(
    [
        f"(type NOT IN ({', '.join(repr(one.value) for one in NEEDS_FILE)}) OR sha256 IS NOT NULL)",
        *(f"(type <> '{kind}' OR (sha256 IS NULL AND btrim({column}) <> ''))" for kind, column in TEXT_OF.items()),
    ]
)


class Blob(Base):
    """Bytes that are stored once in a workspace, whatever holds them, with what was read off them."""

    __tablename__ = "blobs"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        UniqueConstraint("workspace_id", "sha256", "size_bytes"),  # what assets refer to
        CheckConstraint(f"sha256 {_SHA256}", name="sha256"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint("least(width, height) > 0", name="dimensions"),
        CheckConstraint("duration_ms >= 0", name="duration_ms"),
        Index("blobs_unused_idx", "workspace_id", "unused_since", postgresql_where=text("unused_since IS NOT NULL")),
    )

    workspace_id: Mapped[WorkspaceKey]
    sha256: Mapped[str] = mapped_column(primary_key=True)
    """Of all bytes, in hexadecimal digits, computed here."""
    size_bytes: Mapped[int]
    content_type: Mapped[str]
    """By content, not by name."""
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    image_hash: Mapped[int | None]
    """The perceptual hash of an image: 64 bits, of which few differ where images look alike."""
    path: Mapped[str]
    """In the object store."""
    thumbnail_path: Mapped[str | None]
    created_at: Mapped[Recorded]
    unused_since: Mapped[datetime | None]
    """When an asset that held it was removed for good; others may hold it still. Swept some time later if none does."""


class BlobHashBand(Base):
    """A part of an image's perceptual hash. Of hashes that differ in fewer bits than there are parts, one part is the same."""

    __tablename__ = "blob_hash_bands"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "sha256"], ["blobs.workspace_id", "blobs.sha256"], ondelete="CASCADE"),
        CheckConstraint(f"band BETWEEN 0 AND {HASH_BANDS - 1}", name="band"),
        Index("blob_hash_bands_value_idx", "workspace_id", "band", "value", "sha256"),
    )

    workspace_id: Mapped[WorkspaceKey]
    sha256: Mapped[str] = mapped_column(primary_key=True)
    band: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    value: Mapped[int] = mapped_column(SmallInteger)


class Asset(Reported, Base):
    """A creative in a space: a file, or a text. Newer ones have larger ids."""

    __tablename__ = "assets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "space_id", "platform"], ["spaces.workspace_id", "spaces.id", "spaces.platform"]
        ),
        ForeignKeyConstraint(
            ["workspace_id", "sha256", "size_bytes"], ["blobs.workspace_id", "blobs.sha256", "blobs.size_bytes"]
        ),
        ForeignKeyConstraint(["workspace_id", "duplicate_of_id"], _ASSET, ondelete="SET NULL (duplicate_of_id)"),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        CheckConstraint(one_of("type", AssetType), name="type"),
        CheckConstraint(one_of("platform", Platform), name="platform"),
        CheckConstraint(
            f"btrim(external_asset_id) <> '' AND length(external_asset_id) <= {LONGEST_EXTERNAL_ID}",
            name="external_asset_id",
        ),
        CheckConstraint(f"length(title) <= {LONGEST_TITLE}", name="title"),
        CheckConstraint(f"length(description) <= {LONGEST_DESCRIPTION}", name="description"),
        CheckConstraint(f"length(ad_copy_text) <= {LONGEST_TEXT}", name="ad_copy_text"),
        CheckConstraint(f"length(headline_text) <= {LONGEST_TEXT}", name="headline_text"),
        CheckConstraint(f"length(cta_text) <= {LONGEST_TEXT}", name="cta_text"),
        CheckConstraint(f"length(file_name) <= {LONGEST_FILE_NAME}", name="file_name"),
        CheckConstraint(_IS_WHOLE, name="whole"),
        CheckConstraint("num_nonnulls(sha256, size_bytes) <> 1", name="file"),
        CheckConstraint("reused_count >= 0 AND (reused_count = 0) = (last_reused_at IS NULL)", name="reused"),
        CheckConstraint("NOT deleted_with_space OR deleted_at IS NOT NULL", name="deleted_with_space"),
        *reported_checks(),
        Index(
            "assets_external_idx",
            "workspace_id",
            "external_asset_id",
            "platform",
            unique=True,
            postgresql_where=text(LIVE),
        ),
        Index("assets_live_idx", "workspace_id", "id", postgresql_where=text(LIVE)),
        Index("assets_space_idx", "workspace_id", "space_id", "id"),
        Index("assets_space_live_idx", "workspace_id", "space_id", "id", postgresql_where=text(LIVE)),
        Index("assets_type_idx", "workspace_id", "type", "id"),
        Index("assets_space_type_idx", "workspace_id", "space_id", "type", "id"),
        Index("assets_sha256_idx", "workspace_id", "sha256", "id"),
        Index("assets_created_by_idx", "workspace_id", "created_by", "id"),
        Index("assets_duplicate_of_idx", "workspace_id", "duplicate_of_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    space_id: Mapped[Reference]
    platform: Mapped[str]
    """The space's."""
    name: Mapped[str]
    type: Mapped[str]
    external_asset_id: Mapped[str | None]
    """The platform's own id of it, on which it is its own among those that are not deleted."""
    title: Mapped[str | None]
    description: Mapped[str | None]
    ad_copy_text: Mapped[str | None]
    headline_text: Mapped[str | None]
    cta_text: Mapped[str | None]
    file_name: Mapped[str | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None]
    """The blob's."""
    platform_metadata: Mapped[Document | None]
    platform_variants: Mapped[Document | None]
    duplicate_of_id: Mapped[Reference | None]
    reused_count: Mapped[int] = mapped_column(server_default="0")
    last_reused_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]
    deleted_at: Mapped[datetime | None]
    deleted_with_space: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """Deleted because its space was, and restored with it."""


class AssetTerm(Base):
    """What an asset is found by: its tags, as they are, and the folded words of its name and description."""

    __tablename__ = "asset_terms"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "asset_id"], _ASSET, ondelete="CASCADE"),
        CheckConstraint("kind IN ('TAG', 'WORD')", name="kind"),
        CheckConstraint(f"length(term) BETWEEN 1 AND {LONGEST_TERM}", name="term"),
        Index("asset_terms_term_idx", "workspace_id", "kind", "term", "asset_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    asset_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)


class AssetUsage(Base):
    """A reuse of an asset, as it was told."""

    __tablename__ = "asset_usages"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "asset_id"], _ASSET, ondelete="CASCADE"),
        CheckConstraint(f"btrim(used_in_type) <> '' AND length(used_in_type) <= {LONGEST_USED_IN}", name="type"),
        CheckConstraint(f"btrim(used_in_id) <> '' AND length(used_in_id) <= {LONGEST_USED_IN}", name="id"),
        CheckConstraint(f"length(used_in_name) <= {LONGEST_USED_IN}", name="name"),
        Index("asset_usages_asset_idx", "workspace_id", "asset_id", "used_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    asset_id: Mapped[Reference]
    used_in_type: Mapped[str]
    used_in_id: Mapped[str]
    used_in_name: Mapped[str | None]
    context: Mapped[Document | None]
    used_at: Mapped[Recorded]


class Upload(Base):
    """A staged upload: a place for the bytes of an asset that is to be. ``asset_id``: what it was completed as."""

    __tablename__ = "uploads"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "space_id"], SPACE, ondelete="CASCADE"),
        ForeignKeyConstraint(["workspace_id", "asset_id"], _ASSET, ondelete="CASCADE"),
        CheckConstraint(f"sha256 {_SHA256}", name="sha256"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint(f"btrim(file_name) <> '' AND length(file_name) <= {LONGEST_FILE_NAME}", name="file_name"),
        Index("uploads_expires_idx", "workspace_id", "expires_at"),
        Index("uploads_space_idx", "workspace_id", "space_id"),
        Index("uploads_asset_idx", "workspace_id", "asset_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    space_id: Mapped[Reference]
    file_name: Mapped[str]
    size_bytes: Mapped[int]
    content_type: Mapped[str | None]
    """What the caller said it is. What it is, is read off it."""
    sha256: Mapped[str | None]
    """What the caller said it is; to be checked."""
    path: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    expires_at: Mapped[datetime]
    asset_id: Mapped[Reference | None]


class LooseObject(Base):
    """An object of the store that no blob refers to: not yet, or no more. Removed with its object when it has expired.

    It is written before the object is, and taken away by the transaction that makes a blob of it: whatever is interrupted,
    no object is forgotten.
    """

    __tablename__ = "loose_objects"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        Index("loose_objects_expires_idx", "workspace_id", "expires_at"),
    )

    workspace_id: Mapped[WorkspaceKey]
    path: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


COUNT_ASSETS = (
    """
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
""",
    "CREATE TRIGGER assets_counted AFTER INSERT OR DELETE ON assets FOR EACH ROW EXECUTE FUNCTION assets_count()",
    "CREATE TRIGGER assets_counted_again AFTER UPDATE OF type, deleted_at, reused_count, sha256, size_bytes, space_id "
    "ON assets FOR EACH ROW EXECUTE FUNCTION assets_count()",
)
"""Statements that keep what a space holds counted, whoever changes its assets and how."""

for statement in COUNT_ASSETS:
    event.listen(Asset.__table__, "after_create", DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
