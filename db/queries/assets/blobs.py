"""Blobs: bytes that are stored once. An object becomes a blob's in the transaction that makes the blob, or stays loose."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Text, any_, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from db.engine import Reads, Transaction
from db.models.asset_items import StoredFile, bands_of
from db.models.assets import Asset, Blob, BlobHashBand, LooseObject

_FACTS = (
    "sha256",
    "size_bytes",
    "content_type",
    "path",
    "thumbnail_path",
    "width",
    "height",
    "duration_ms",
    "image_hash",
)


class Vanished(Exception):
    """The bytes that were there, or were stored, are gone: they were swept meanwhile. Store them again."""


async def find(reads: Reads, sha256: str) -> StoredFile | None:
    """The file of a blob, if these bytes are stored."""
    columns = [getattr(Blob, name) for name in _FACTS]
    row = await reads.row(select(*columns).where(Blob.workspace_id == reads.workspace, Blob.sha256 == sha256))
    return None if row is None else StoredFile(**dict(zip(_FACTS, row, strict=True)), is_known=True)


async def hold(transaction: Transaction, paths: Collection[str], expires_at: datetime) -> None:
    """Announces objects that are about to be stored: if nothing comes of them, they are swept."""
    rows = [
        {"workspace_id": transaction.workspace_id, "path": path, "expires_at": expires_at} for path in sorted(paths)
    ]
    await transaction.run(insert(LooseObject).values(rows))


async def keep(transaction: Transaction, file: StoredFile) -> None:
    """Makes a blob of a stored file, or sees that there is one, which stays until the transaction ends. Raises Vanished."""
    if not file.is_known and await _made(transaction, file):
        return
    if not file.is_known:
        await let_go(transaction, file)
    there = select(Blob.sha256).where(Blob.workspace_id == transaction.workspace, Blob.sha256 == file.sha256)
    if await transaction.scalar(there.with_for_update(read=True, key_share=True)) is None:
        raise Vanished


async def let_go(transaction: Transaction, file: StoredFile) -> None:
    """Leaves the objects of a file to be swept, which are not needed: a blob of the same bytes is there."""
    if not file.is_known:
        mine = (LooseObject.workspace_id == transaction.workspace, _is_of(file))
        await transaction.run(update(LooseObject).where(*mine).values(expires_at=func.now()))


async def leave_unheld(transaction: Transaction, hashes: Sequence[str]) -> None:
    """Leaves those of some blobs to be swept that no asset came to hold."""
    held = exists().where(Asset.workspace_id == Blob.workspace_id, Asset.sha256 == Blob.sha256)
    mine = (Blob.workspace_id == transaction.workspace, Blob.sha256 == any_(literal(list(hashes), ARRAY(Text))), ~held)
    await transaction.run(update(Blob).where(*mine).values(unused_since=func.now()))


async def _made(transaction: Transaction, file: StoredFile) -> bool:
    values = {"workspace_id": transaction.workspace_id, **{name: getattr(file, name) for name in _FACTS}}
    statement = insert(Blob).values(values).on_conflict_do_nothing().returning(Blob.sha256)
    if await transaction.scalar(statement) is None:
        return False
    if file.image_hash is not None:
        bands = enumerate(bands_of(file.image_hash))
        mine = {"workspace_id": transaction.workspace_id, "sha256": file.sha256}
        await transaction.run(
            insert(BlobHashBand).values([{**mine, "band": band, "value": value} for band, value in bands])
        )
    held = (LooseObject.workspace_id == transaction.workspace, _is_of(file))
    if await transaction.run(delete(LooseObject).where(*held)) < len(_paths(file)):
        raise Vanished  # it took so long that they were swept
    return True


def _paths(file: StoredFile) -> list[str]:
    return [path for path in (file.path, file.thumbnail_path) if path is not None]


def _is_of(file: StoredFile) -> ColumnElement[bool]:
    return LooseObject.path == any_(literal(_paths(file), ARRAY(Text)))
