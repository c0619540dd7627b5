"""Exports by id, in lists, and the files that each has finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, bindparam, func, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page, rows_per_parent
from db.models.exports import ExportJob, ExportPart, JobStatus
from db.queries.columns import Fields, Query, own
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS = {
    "campaign": (ExportJob.campaign_id,),
    "window": (ExportJob.window_from, ExportJob.window_to),
    "manifest_url": (ExportJob.manifest_path,),
}
NEWEST = Order("export_jobs:newest", (ExportJob.created_at, ExportJob.id), descending=True)

_PART = {
    "index": ExportPart.index,
    "name": ExportPart.path,
    "rows": ExportPart.rows,
    "size_bytes": ExportPart.size_bytes,
    "sha256": ExportPart.sha256,
    "url": ExportPart.path,
}
"""From a field of a part to its column."""


@dataclass(frozen=True)
class Filter:
    """Which exports. All that is given must hold."""

    campaign_id: int | None = None
    status: tuple[JobStatus, ...] | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        status = None if self.status is None else [one.value for one in self.status]
        values = {"campaign_id": self.campaign_id, "status": status}
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of what is given."""
        return frozenset(self.values())


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The exports of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(ExportJob, NEEDS, fields).where(ExportJob.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, which: Filter, request: PageRequest) -> Page:
    """One page of the workspace's exports, newest first."""
    values = {**which.values(), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, which.given(), request.shape), values))


@prepared
def _listed(fields: Fields, given: frozenset[str], shape: Shape) -> Query:
    return page(own(ExportJob, NEEDS, fields).where(*_conditions(given)), NEWEST, shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many exports the filter lets through."""
    return int((await reads.row(_count(which.given()), which.values()))[0])


@prepared
def _count(given: frozenset[str]) -> Query:
    own_ones = ExportJob.workspace_id == workspace()
    return select(func.count()).select_from(ExportJob).where(own_ones, *_conditions(given))


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    conditions = {
        "campaign_id": ExportJob.campaign_id == bindparam("campaign_id", type_=BigInteger),
        "status": ExportJob.status == any_(given_texts("status")),
    }
    return [condition for name, condition in conditions.items() if name in given]


async def parts(reads: Reads, fields: Fields, ids: Sequence[int]) -> list[Rows]:
    """The finished files of each export, by index, in the order of the ids."""
    rows = await reads.rows(_parts(fields), {"ids": ids})
    of_job = rows_per_parent(rows)
    return [of_job.get(one, Rows((), rows.columns)) for one in ids]


@prepared
def _parts(fields: Fields) -> Query:
    columns = {_PART[field].key: _PART[field] for field in sorted(fields) if field in _PART}
    return (
        select(ExportPart.export_job_id, *columns.values())
        .where(ExportPart.workspace_id == workspace(), ExportPart.export_job_id == any_(given_ids()))
        .order_by(ExportPart.export_job_id, ExportPart.index)
    )
