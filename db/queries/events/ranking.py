"""Which channels are best."""

from typing import Any

from sqlalchemy import Integer, bindparam, false, func, select, union_all

from db.engine import Reads
from db.models.channels import Channel
from db.models.event_kinds import EventType
from db.models.events import Event, EventBucket, EventTotals
from db.queries.columns import Query
from db.queries.windows import ALL_TIME, Window
from db.statements import prepared, workspace


async def top_channels(reads: Reads, window: Window, first: int) -> list[int]:
    """The ids of the best channels over a window: by conversions, then clicks, then name."""
    if window == ALL_TIME:
        rows = await reads.rows(_of_all_time(), {"first": first})
    else:
        # What a window looks like is part of a statement, so it is not kept.
        values = {"first": first, "workspace": reads.workspace_id}
        rows = await reads.rows(_ranked(_over(window)), values)
    return [row.id for row in rows]


@prepared
def _of_all_time() -> Query:
    return _ranked(select(EventTotals.channel_id, EventTotals.conversions, EventTotals.clicks).where(_own(EventTotals)))


def _over(window: Window) -> Any:
    """Rows of channel_id, conversions and clicks: whole buckets, and the events of the two edges."""
    parts: list[Any] = []
    inner = window.whole_buckets()
    if inner is not None:
        buckets = select(EventBucket.channel_id, EventBucket.conversions, EventBucket.clicks)
        parts.append(buckets.where(_own(EventBucket), inner.covers(EventBucket.starts_at)))
    for edge in window.edges():
        counts = [
            func.count().filter(Event.type == kind.value).label(name)
            for name, kind in (("conversions", EventType.CONVERSION), ("clicks", EventType.CLICK))
        ]
        facts = select(Event.channel_id, *counts).where(_own(Event), edge.covers(Event.occurred_at))
        parts.append(facts.group_by(Event.channel_id))
    if not parts:  # an empty window
        return select(EventTotals.channel_id, EventTotals.conversions, EventTotals.clicks).where(false())
    return union_all(*parts)


def _own(table: Any) -> Any:
    return table.workspace_id == workspace()


def _ranked(counted: Any) -> Query:
    rows = counted.subquery("counted")
    sums = (
        select(
            rows.c.channel_id,
            func.sum(rows.c.conversions).label("conversions"),
            func.sum(rows.c.clicks).label("clicks"),
        )
        .group_by(rows.c.channel_id)
        .subquery("sums")
    )
    ranks = (func.coalesce(sums.c.conversions, 0).desc(), func.coalesce(sums.c.clicks, 0).desc())
    return (
        select(Channel.id)
        .outerjoin(sums, sums.c.channel_id == Channel.id)
        .where(_own(Channel))
        .order_by(*ranks, Channel.name)
        .limit(bindparam("first", type_=Integer))
    )
