"""Tracked links by id, and pages of a mailing's links for many mailings at once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import any_, func, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages
from db.models.mailings import TrackedLink
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {}
BY_POSITION = Order("tracked_links:position", (TrackedLink.position, TrackedLink.id))


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The links of these ids, in any order; missing ones are left out. Mailings that have links are never deleted."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(TrackedLink, NEEDS, fields).where(TrackedLink.id == any_(given_ids()))


async def of_mailings(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of each mailing's links as they stand in it, in the order of the ids: one statement for all."""
    rows = await reads.rows(_of_mailings(fields, request.shape), {"ids": ids, **BY_POSITION.parameters(request)})
    return pages(BY_POSITION, request, rows, ids)


@prepared
def _of_mailings(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(TrackedLink, NEEDS, fields), TrackedLink.mailing_id, BY_POSITION, shape)


async def count_of_mailings(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many links each mailing has, in the order of the ids."""
    return counted(await reads.rows(_count_of_mailings(), {"ids": ids}), ids)


@prepared
def _count_of_mailings() -> Query:
    mine = (TrackedLink.workspace_id == workspace(), TrackedLink.mailing_id == any_(given_ids()))
    return select(TrackedLink.mailing_id, func.count()).where(*mine).group_by(TrackedLink.mailing_id)
