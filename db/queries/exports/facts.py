"""The facts that an export writes: counted, and read in chunks in the order of their time, without a snapshot in between.

The place where a chunk ends is a fact's time and id, so that the next one, by whomever it is read, begins right behind it.
Events never change and their bound is that of a snapshot: every reading of them gives the same rows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array

from db.engine import Reads
from db.models.brands import Brand
from db.models.channels import Audience, Channel
from db.models.engagement import Engagement
from db.models.engagement_kinds import EngagementType
from db.models.events import Event
from db.models.exports import ExportDataset
from db.models.impressions import Impression
from db.statements import Rows, given_ids, prepared, workspace

Place = tuple[datetime, int]
"""The time and the id of a fact."""


@dataclass(frozen=True)
class Which:
    """Facts of one campaign, up to an id; the time is half-open, and open where it is None."""

    dataset: ExportDataset
    campaign_id: int
    upto_id: int
    start: datetime | None
    end: datetime | None

    def values(self) -> dict[str, Any]:
        """The parameters of a statement."""
        given = {"campaign": self.campaign_id, "upto": self.upto_id, "start": self.start, "end": self.end}
        return {name: value for name, value in given.items() if value is not None}

    def given(self) -> frozenset[str]:
        """Which ends of the window there are."""
        return frozenset(self.values()) & {"start", "end"}


async def count(reads: Reads, which: Which) -> int:
    """How many there are: linear, from an index alone."""
    return int((await reads.row(_count(which.dataset, which.given()), which.values()))[0])


@prepared
def _count(dataset: ExportDataset, given: frozenset[str]) -> Any:
    model = _MODELS[dataset]
    return select(func.count()).select_from(model).where(*_conditions(model, given))


async def chunk(reads: Reads, which: Which, after: Place | None, limit: int) -> Rows:
    """The next facts behind a place, from the first one where that is None."""
    values = {**which.values(), "limit": limit}
    given = which.given()
    if after is not None:
        values |= {"after_at": after[0], "after_id": after[1]}
        given |= {"after"}
    return await reads.rows(_chunk(which.dataset, given), values)


@prepared
def _chunk(dataset: ExportDataset, given: frozenset[str]) -> Any:
    model, columns = _MODELS[dataset], _COLUMNS[dataset]
    rows = (
        select(*columns).where(*_conditions(model, given)).order_by(model.occurred_at, model.id).limit(_whole("limit"))
    )
    if dataset != ExportDataset.ENGAGEMENTS:
        return rows
    # The index is in order within each type: the next rows of each, of which the first are taken.
    kinds = func.unnest(array([kind.value for kind in EngagementType])).table_valued("kind").render_derived("kinds")
    each = rows.where(Engagement.type == kinds.c.kind).correlate(kinds).lateral("each")
    merged = select(each).select_from(kinds.join(each, true()))
    return merged.order_by(each.c.occurred_at, each.c.id).limit(_whole("limit"))


async def names(reads: Reads, kind: str, ids: Collection[int]) -> dict[int, str]:
    """The names of channels, audiences or brands (``NAMED``) by id."""
    return {row.id: row.name for row in await reads.rows(_names(kind), {"ids": sorted(ids)})}


@prepared
def _names(kind: str) -> Any:
    model = NAMED[kind]
    return select(model.id, model.name).where(model.workspace_id == workspace(), model.id == any_(given_ids()))


NAMED: dict[str, Any] = {"channel": Channel, "audience": Audience, "brand": Brand}
"""What facts refer to by a column of this name and ``_id``, and has a name."""


def _whole(name: str) -> Any:
    return bindparam(name, type_=BigInteger)


def _moment(name: str) -> Any:
    return bindparam(name, type_=DateTime(timezone=True))


def _conditions(model: Any, given: frozenset[str]) -> list[ColumnElement[bool]]:
    found = [model.workspace_id == workspace(), model.campaign_id == _whole("campaign"), model.id <= _whole("upto")]
    if model is Engagement:
        found.append(Engagement.deleted_at.is_(None))
    optional = {
        "start": model.occurred_at >= _moment("start"),
        "end": model.occurred_at < _moment("end"),
        "after": tuple_(model.occurred_at, model.id) > tuple_(_moment("after_at"), _whole("after_id")),
    }
    return found + [condition for name, condition in optional.items() if name in given]


def _of_comments(column: Any) -> ColumnElement[Any]:
    """A column that only comments have: there it is a number, for all others it would be 0."""
    return case((Engagement.type == EngagementType.COMMENT.value, column)).label(column.key)


def _all(model: Any, *without: str) -> list[Any]:
    return [getattr(model, column.key) for column in model.__table__.columns if column.key not in without]


_MODELS: dict[ExportDataset, Any] = {
    ExportDataset.EVENTS: Event,
    ExportDataset.IMPRESSIONS: Impression,
    ExportDataset.ENGAGEMENTS: Engagement,
}
_COLUMNS: dict[ExportDataset, list[Any]] = {
    # JSON as PostgreSQL writes it: numbers keep all their digits.
    ExportDataset.EVENTS: [*_all(Event, "workspace_id", "campaign_id", "data"), cast(Event.data, Text).label("data")],
    ExportDataset.IMPRESSIONS: [
        *_all(Impression, "workspace_id", "campaign_id", "ip_address", "engagement_count"),
        func.host(Impression.ip_address, type_=Text).label("ip_address"),
    ],
    ExportDataset.ENGAGEMENTS: [
        *(getattr(Engagement, name) for name in ("id", "type", "brand_id", "impression_id", "user_id")),
        *(getattr(Engagement, name) for name in ("profile_id", "profile_type", "source", "device_type", "location")),
        *(getattr(Engagement, name) for name in ("occurred_at", "created_at", "updated_at")),
        *(getattr(Engagement, name) for name in ("body", "edited_at", "parent_id", "root_id", "depth")),
        _of_comments(Engagement.reply_count),
        _of_comments(Engagement.descendant_count),
    ],
}
