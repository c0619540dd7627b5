"""Brands: look-ups, lists, and creation."""

from collections.abc import Sequence

from sqlalchemy import Text, any_, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from db.engine import Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, page
from db.models.brands import Brand
from db.queries.columns import Fields, Query, own
from db.statements import Rows, given_ids, prepared, workspace

BY_NAME = Order("brands:name", (Brand.name, Brand.id))


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The brands of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Brand, {}, fields).where(Brand.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, request: PageRequest) -> Page:
    """One page of the workspace's brands, by name."""
    rows = await reads.rows(_listed(fields, request.shape), BY_NAME.parameters(request))
    return Page.of(BY_NAME, request, rows)


@prepared
def _listed(fields: Fields, shape: Shape) -> Query:
    return page(own(Brand, {}, fields), BY_NAME, shape)


async def count(reads: Reads) -> int:
    """How many brands the workspace has."""
    return int((await reads.row(_count()))[0])


@prepared
def _count() -> Query:
    return select(func.count()).select_from(Brand).where(Brand.workspace_id == workspace())


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
