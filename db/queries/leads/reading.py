"""Leads by id, pages and counts of them, which attributes they have, and what keeps their addresses from being mailed."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import any_, func, select

from db.engine import Reads, Transaction
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys
from db.models.leads import Lead, LeadAttribute, LeadWord, Suppression
from db.queries import words
from db.queries.columns import Fields, Query, own
from db.queries.words import Words
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {"suppression": (Lead.address,)}
"""What the fields of a lead need, where it is not the column of their name."""
NEWEST = Order("leads:newest", (Lead.id,), descending=True)
WORDS = Words(Lead, LeadWord, "lead_id")
MOST_NAMED = 200
"""Names of attributes that are told to somebody who asked for another one."""


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The leads of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Lead, NEEDS, fields).where(Lead.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, searched: Sequence[str], request: PageRequest) -> Page:
    """One page of the workspace's leads. ``searched``: each begins a word of the lead's."""
    values = {**words.values(searched), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, len(searched), request.shape), values))


@prepared
def _listed(fields: Fields, number: int, shape: Shape) -> Query:
    statement, ways = own(Lead, NEEDS, fields), WORDS.ways(number, [], [[]])
    if len(ways) == 1:
        return page(statement, NEWEST, shape)
    ids = select(Lead.id).where(Lead.workspace_id == workspace())
    return page(
        statement.where(is_one_of(Lead.id, [page_of_keys(ids.where(*way), NEWEST, shape) for way in ways])),
        NEWEST,
        shape,
    )


async def count(reads: Reads, searched: Sequence[str]) -> int:
    """How many leads there are, or have the words of a search."""
    return int((await reads.row(_count(len(searched)), words.values(searched)))[0])


@prepared
def _count(number: int) -> Query:
    statement = select(func.count()).select_from(Lead).where(Lead.workspace_id == workspace())
    return statement.where(is_one_of(Lead.id, [WORDS.who_has(number)])) if number else statement


async def suppressions_of(reads: Reads, addresses: Sequence[str]) -> Rows:
    """Why nothing is sent to these addresses, with ``address``; those that are mailed are left out."""
    return await reads.rows(_suppressions_of(), {"addresses": addresses})


@prepared
def _suppressions_of() -> Query:
    mine = (Suppression.workspace_id == workspace(), Suppression.address == any_(given_texts("addresses")))
    return select(Suppression.address, Suppression.reason, Suppression.since).where(*mine)


async def attributes_known(reader: Reads | Transaction, asked: Collection[str]) -> list[str]:
    """Which of some names of attributes a lead of the workspace has or had, and up to MOST_NAMED others, in order."""
    rows = await reader.rows(_attributes_known(), {"names": sorted(asked)})
    return sorted({row.name for row in rows})


@prepared
def _attributes_known() -> Any:
    mine = select(LeadAttribute.name).where(LeadAttribute.workspace_id == workspace())
    first = mine.order_by(LeadAttribute.name).limit(MOST_NAMED).subquery("first")
    return mine.where(LeadAttribute.name == any_(given_texts("names"))).union_all(select(first.c.name))
