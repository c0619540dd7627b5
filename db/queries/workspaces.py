"""Workspaces: found by key before a transaction can name one."""

from collections.abc import Sequence

import asyncpg
from sqlalchemy import any_, insert, select
from sqlalchemy.exc import DBAPIError

from db.engine import Database, Reads, Transaction
from db.models.workspaces import Workspace
from db.queries.columns import Fields, Query, pick
from db.statements import Rows, given_ids, prepared, workspace


async def id_of(database: Database, key: str) -> int | None:
    """The id of the workspace with this key, or None."""
    async with database.everywhere() as transaction:
        found: int | None = await transaction.scalar(select(Workspace.id).where(Workspace.key == key))
        return found


async def every(database: Database) -> Rows:
    """All workspaces by key: id, key, name, time_zone, currency."""
    statement = select(Workspace.id, Workspace.key, Workspace.name, Workspace.time_zone, Workspace.currency).order_by(
        Workspace.key
    )
    async with database.everywhere() as transaction:
        return await transaction.rows(statement)


async def create(database: Database, key: str, name: str, time_zone: str, currency: str) -> int:
    """Makes a workspace and answers its id. Raises IntegrityError where the key is taken or a value is not valid."""
    values = {"key": key, "name": name, "time_zone": time_zone, "currency": currency}
    async with database.everywhere() as transaction:
        return int(await transaction.scalar(insert(Workspace).values(**values).returning(Workspace.id)))


async def make(database: Database, key: str, name: str, time_zone: str, currency: str) -> str | None:
    """Makes a workspace; answers what is wrong where the database refuses it."""
    try:
        await create(database, key, name, time_zone, currency)
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, asyncpg.InvalidParameterValueError):
            return f"There is no time zone {time_zone!r}. Use an IANA name like Europe/Berlin."
        refusal = _REFUSALS.get(getattr(cause, "constraint_name", None) or "")
        if refusal is None:
            raise
        return refusal
    return None


_REFUSALS = {
    "workspaces_key_key": "A workspace of this key exists already.",
    "workspaces_key_check": "A key is 1 to 63 lower case letters, digits, - and _, and begins with a letter or a digit.",
    "workspaces_name_check": "A name has 1 to 200 characters.",
    "workspaces_currency_check": "A currency is three capital letters, as ISO 4217 has them.",
}


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The workspaces of these ids that the transaction may see: its own."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    picked = select(*pick(Workspace, {}, fields))
    return picked.where(Workspace.id == workspace(), Workspace.id == any_(given_ids()))


async def currency(transaction: Transaction) -> str:
    """The currency of the transaction's own workspace."""
    return str(await transaction.scalar(select(Workspace.currency).where(Workspace.id == transaction.workspace)))
