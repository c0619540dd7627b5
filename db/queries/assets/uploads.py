"""Staged uploads: a place for bytes that are to become an asset."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update

from db.engine import Reads, Transaction
from db.models.assets import Upload
from db.queries.assets import blobs
from db.queries.spaces.locking import lock_live

_SENDING = timedelta(days=1)
"""How long sending may take that began in time: what comes after its object was swept would be forgotten."""


async def begin(transaction: Transaction, space_id: int, values: Mapping[str, Any]) -> int:
    """Makes an upload, by column, and answers its id. Its object is swept a day after its time has passed. Raises Refused."""
    await lock_live(transaction, space_id, "space_id")
    await blobs.hold(transaction, [values["path"]], values["expires_at"] + _SENDING)
    row = {"workspace_id": transaction.workspace_id, "space_id": space_id, **values}
    return int(await transaction.scalar(insert(Upload).values(row).returning(Upload.id)))


async def find(transaction: Transaction | Reads, upload_id: int) -> Any:
    """An upload, or None."""
    mine = (Upload.workspace_id == transaction.workspace, Upload.id == upload_id)
    names = ("id", "space_id", "file_name", "size_bytes", "sha256", "path", "expires_at", "asset_id")
    return await transaction.row(select(*(getattr(Upload, name) for name in names)).where(*mine))


async def completed_as(transaction: Transaction, upload_id: int) -> int | None:
    """What an upload became already, if it did; nobody else completes it until the transaction ends."""
    mine = (Upload.workspace_id == transaction.workspace, Upload.id == upload_id)
    found: int | None = await transaction.scalar(select(Upload.asset_id).where(*mine).with_for_update())
    return found


async def complete(transaction: Transaction, upload_id: int, asset_id: int) -> None:
    """Writes down what an upload became, so that completing it again answers the same."""
    mine = (Upload.workspace_id == transaction.workspace, Upload.id == upload_id)
    await transaction.run(update(Upload).where(*mine).values(asset_id=asset_id))
