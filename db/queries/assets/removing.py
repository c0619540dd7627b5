"""Removing assets for good changes more than these: the blobs that held them, and the assets that name them as what they duplicate.

All of it is locked before, in one order, so that removals at the same time wait for each other and do not deadlock.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from db.engine import Transaction
from db.models.assets import Asset, Blob
from db.queries.spaces.locking import lock_all


async def lock_for_removal(transaction: Transaction, space_id: int, column: Any, key: int) -> None:
    """Locks what removing assets of a space changes, spaces first. Which assets: those with ``key`` in ``column``."""
    gone = (Asset.workspace_id == transaction.workspace, column == key)
    copy = aliased(Asset)
    names_one = copy.duplicate_of_id.in_(select(Asset.id).where(*gone))
    copies = select(copy.space_id).where(copy.workspace_id == transaction.workspace, names_one).distinct()
    await lock_all(transaction, {space_id, *(row.space_id for row in await transaction.rows(copies))})
    held = Blob.sha256.in_(select(Asset.sha256).where(*gone))
    blobs = select(Blob.sha256).where(Blob.workspace_id == transaction.workspace, held)
    await transaction.rows(blobs.order_by(Blob.sha256).with_for_update(key_share=True))
