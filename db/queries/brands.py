"""Brands: look-ups, lists, and creation."""

from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Text, any_, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Reads, Rows, Transaction
from db.keyset import Order, Page, PageRequest, page
from db.models.brands import Brand
from db.queries.columns import pick

BY_NAME = Order("brands:name", (Brand.name, Brand.id))


async def by_ids(reads: Reads, fields: Collection[str], ids: Sequence[int]) -> Rows:
    """The brands of these ids, in any order; missing ones are left out."""
    statement = select(*pick(Brand, {}, fields)).where(
        Brand.workspace_id == reads.workspace,
        Brand.id == any_(literal(list(ids), ARRAY(BigInteger))),
    )
    return await reads.rows(statement)


async def listed(reads: Reads, fields: Collection[str], request: PageRequest) -> Page:
    """One page of the workspace's brands, by name."""
    statement = select(*pick(Brand, {}, fields)).where(Brand.workspace_id == reads.workspace)
    return Page.of(BY_NAME, request, await reads.rows(page(statement, BY_NAME, request)))


async def count(reads: Reads) -> int:
    """How many brands the workspace has."""
    row = await reads.row(select(func.count()).select_from(Brand).where(Brand.workspace_id == reads.workspace))
    return int(row[0]) if row else 0


async def exists(transaction: Transaction, brand_id: int) -> bool:
    """Whether the workspace has this brand."""
    found = select(Brand.id).where(Brand.workspace_id == transaction.workspace, Brand.id == brand_id)
    return await transaction.scalar(found) is not None


async def create(transaction: Transaction, name: str) -> int:
    """Inserts a brand and answers its id."""
    statement = insert(Brand).values(workspace_id=transaction.workspace_id, name=name).returning(Brand.id)
    return int(await transaction.scalar(statement))


async def create_missing(transaction: Transaction, names: Sequence[str]) -> dict[str, int]:
    """Inserts brands, leaves alone those that are there, and answers the ids of all by name."""
    values = [{"workspace_id": transaction.workspace_id, "name": name} for name in names]
    unique = (Brand.workspace_id, Brand.name)
    await transaction.run(upsert(Brand).values(values).on_conflict_do_nothing(index_elements=unique))
    statement = select(Brand.name, Brand.id).where(
        Brand.workspace_id == transaction.workspace, Brand.name == any_(literal(list(names), ARRAY(Text)))
    )
    return {row.name: row.id for row in await transaction.rows(statement)}
