"""The lock that all take who change the assets of a space: what the space holds is counted behind it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Refused, conflict, not_found
from db.models.spaces import Space


async def locked(transaction: Transaction, space_id: int, field: str) -> Any:
    """A space, deleted or not, locked. Raises Refused where there is none."""
    rows = await lock_all(transaction, [space_id])
    if not rows:
        raise Refused([not_found("No such space.", field)])
    return rows[0]


async def lock_live(transaction: Transaction, space_id: int, field: str) -> Any:
    """A space that is not deleted, locked. Raises Refused where there is none, or it is deleted."""
    space = await locked(transaction, space_id, field)
    if space.deleted_at is not None:
        raise Refused([conflict("The space is deleted. Restore it first.", field)])
    return space


async def lock_all(transaction: Transaction, space_ids: Collection[int]) -> Any:
    """The spaces of these ids, locked in one order."""
    mine = (Space.workspace_id == transaction.workspace, Space.id == any_(literal(list(space_ids), ARRAY(BigInteger))))
    columns = (Space.id, Space.platform, Space.name, Space.description, Space.is_template, Space.deleted_at)
    return await transaction.rows(select(*columns).where(*mine).order_by(Space.id).with_for_update(key_share=True))
