"""The numbers of campaigns: one statement for all campaigns of a level, reading only what is asked for.

All time comes from the totals. A window comes from whole quarter-hour buckets, plus the facts at its two
edges where it cuts a bucket. Distinct users of a window are counted from the facts, for the whole window.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Numeric,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime

from db.engine import Reads
from db.leaves import Leaves, object_as_json
from db.models.campaigns import Campaign
from db.models.engagement import Engagement
from db.models.impressions import Impression
from db.models.metrics import ADDITIVE, CampaignBucket, CampaignTotals
from db.models.workspaces import Workspace
from db.queries.columns import Fields, Query
from db.queries.engagement.counting import COUNTERS as ENGAGEMENT
from db.queries.rollups import QUARTER
from db.queries.windows import ALL_TIME, Window, bucket_of
from db.statements import Rows, given_ids, prepared, workspace

MAX_POINTS = 1000
REACH = "reach"
COUNTERS = (*ADDITIVE, REACH)
PLAN = {"currency": Campaign.currency, "total_impressions_planned": Campaign.total_impressions_planned}
"""What a number may need of its campaign."""

_ACTED = or_(Impression.clicked, Impression.converted)
_FACTS: dict[str, ColumnElement[Any]] = {
    "impressions": func.count(),
    "unique_impressions": func.count().filter(Impression.is_unique),
    "viewable_impressions": func.count().filter(Impression.is_viewable.is_(True)),
    "clicks": func.count().filter(Impression.clicked),
    "conversions": func.count().filter(Impression.converted),
    "impressions_clicked_or_converted": func.count().filter(_ACTED),
    "impressions_charged": func.count().filter(Impression.charged),
    "spend": func.sum(Impression.cpi_rate).filter(Impression.charged),
    "impressions_only_engaged": func.count().filter(Impression.engagement_count > 0, not_(_ACTED)),
    REACH: func.count(Impression.user_id.distinct()),
    **{name: func.count().filter(Engagement.type == kind.value) for kind, name in ENGAGEMENT.items()},
}
"""Each number, counted from the facts."""
_OF_ENGAGEMENTS = frozenset(ENGAGEMENT.values())
"""The numbers whose facts are engagements. Those of the others are impressions: each side is added up by itself."""

_LONGEST = {
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1, hours=1),
    "WEEK": timedelta(days=7, hours=1),
    "MONTH": timedelta(days=31, hours=1),
}

NOTHING: ColumnElement[Any] = literal_column("0")

Start = Callable[[Any], ColumnElement[Any]]
"""From a time to the start of its bucket in a series."""


class TooManyPoints(ValueError):
    """A series would have more than MAX_POINTS points."""


async def of_campaigns(reads: Reads, needs: Fields, window: Window, ids: Sequence[int]) -> Rows:
    """One row a campaign: ``id`` and what ``needs`` names (of COUNTERS and PLAN), over the window."""
    if window == ALL_TIME:
        return await reads.rows(_all_time(needs), {"ids": ids})
    names = [name for name in COUNTERS if name in needs]
    return await reads.rows(_with_numbers(needs, _added_up(names, _parts(names, window))), _whose(reads, ids))


@prepared
def _all_time(needs: Fields) -> Query:
    return _with_numbers(needs, _totals([name for name in COUNTERS if name in needs]))


def as_json(campaign: Any, leaves: Leaves) -> ColumnElement[str]:
    """The JSON of a campaign's numbers of all time: leaves of COUNTERS, their sums and rates. To be part of a statement."""
    needed = frozenset[str]().union(*(leaf.columns for leaf in leaves))
    own = (CampaignTotals.workspace_id == workspace(), CampaignTotals.campaign_id == campaign.id)
    sums = [_sum(name, getattr(CampaignTotals, name)) for name in COUNTERS if name in needed]
    if not sums:
        return object_as_json({}, leaves)
    numbers = select(*sums).where(*own).correlate(campaign.id.table).lateral("numbers")
    return select(object_as_json(numbers.c, leaves)).correlate(campaign.id.table).scalar_subquery()


def _with_numbers(needs: Fields, source: Query) -> Query:
    statement = _campaigns(needs)
    if needs.isdisjoint(COUNTERS):
        return statement
    numbers = source.correlate(Campaign).lateral("numbers")
    return statement.add_columns(*numbers.c).join(numbers, true())


async def series_of_campaigns(
    reads: Reads, needs: Fields, unit: str, window: Window, ids: Sequence[int]
) -> list[Rows | TooManyPoints]:
    """For each campaign, in the order of the ids, its rows of ``start`` and what ``needs`` names.

    A row is an HOUR, DAY, WEEK or MONTH of the workspace's calendar. In order of time, zero where nothing happened.
    An open end of the window stops where the campaign's first or last fact was recorded. A series that would be too long is
    answered by the error, in its place.
    """
    names = [name for name in COUNTERS if name in needs]
    parts = [select(_points(unit, window).c.start, *_filled(names, {})), *_parts(names, window, _truncation(unit))]
    numbers = _added_up(names, parts, by_start=True).correlate(Campaign, Workspace).lateral("numbers")
    statement = (
        _campaigns(needs)
        .add_columns(numbers.c.start, *(numbers.c[name] for name in names))
        .join(Workspace, Workspace.id == Campaign.workspace_id)
        .join(numbers, true())
        .order_by(numbers.c.start)
    )
    series: dict[int, list[Any]] = {campaign_id: [] for campaign_id in ids}
    rows = await reads.rows(statement, _whose(reads, ids))
    for row in rows:
        series[row.id].append(row)
    return [_bounded(Rows(series[campaign_id], rows.columns)) for campaign_id in ids]


def _bounded(rows: Rows) -> Rows | TooManyPoints:
    if len(rows) > MAX_POINTS:
        return TooManyPoints(f"The series would have more than {MAX_POINTS} points.")
    return rows


def _campaigns(needs: Collection[str]) -> Query:
    plan = [column for name, column in PLAN.items() if name in needs]
    return select(Campaign.id, *plan).where(Campaign.workspace_id == workspace(), Campaign.id == any_(given_ids()))


def _whose(reads: Reads, ids: Sequence[int]) -> dict[str, Any]:
    # What a window looks like is part of a statement, so it is not kept.
    return {"ids": list(ids), "workspace": reads.workspace_id}


def _own(table: Any) -> ColumnElement[bool]:
    return and_(table.workspace_id == Campaign.workspace_id, table.campaign_id == Campaign.id)


def _totals(names: Sequence[str]) -> Query:
    return select(*(_sum(name, getattr(CampaignTotals, name)) for name in names)).where(_own(CampaignTotals))


def _sum(name: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    # The sum of bigints is NUMERIC in PostgreSQL; counts are whole numbers again here.
    kind = Numeric() if name == "spend" else BigInteger()
    return cast(func.coalesce(func.sum(column), 0), kind).label(name)


def _added_up(names: Sequence[str], parts: Sequence[Query], *, by_start: bool = False) -> Query:
    if not parts:
        return select(*(_sum(name, NOTHING) for name in names))
    rows = union_all(*(part.correlate(Campaign, Workspace) for part in parts)).subquery("parts")
    sums = [_sum(name, rows.c[name]) for name in names]
    return select(rows.c.start, *sums).group_by(rows.c.start) if by_start else select(*sums)


def _parts(names: Sequence[str], window: Window, start: Start | None = None) -> list[Query]:
    """Selects of (``start``, the names) that add up to the window's numbers, correlated with a campaign."""
    additive, parts = [name for name in names if name != REACH], []
    if additive and (inner := window.whole_buckets()):
        columns = {name: getattr(CampaignBucket, name) for name in additive}
        part = _part(names, columns, CampaignBucket.starts_at, start)
        parts.append(part.where(_own(CampaignBucket), inner.covers(CampaignBucket.starts_at)))
    if additive:
        parts += [part for edge in window.edges() for part in _edge(names, additive, edge, start)]
    if REACH in names:
        part = _part(names, {REACH: _FACTS[REACH]}, Impression.occurred_at, start)
        part = part.where(_own(Impression), window.covers(Impression.occurred_at))
        parts.append(part if start is None else part.group_by(part.selected_columns.start))
    return parts


def _edge(names: Sequence[str], additive: Sequence[str], edge: Window, start: Start | None) -> Iterator[Query]:
    # All facts of an edge lie in one bucket, so that bucket's time stands for all of them.
    at = literal(bucket_of(edge.start or edge.end), DateTime(timezone=True))
    impressions = {name: _FACTS[name] for name in additive if name not in _OF_ENGAGEMENTS}
    if impressions:
        part = _part(names, impressions, at, start).where(_own(Impression), edge.covers(Impression.occurred_at))
        yield part.having(func.count() > 0)
    engagements = {name: _FACTS[name] for name in additive if name in _OF_ENGAGEMENTS}
    if engagements:
        part = _part(names, engagements, at, start).where(_own(Engagement), edge.covers(Engagement.occurred_at))
        kinds = [kind.value for kind, name in ENGAGEMENT.items() if name in engagements]
        part = part.where(Engagement.deleted_at.is_(None), Engagement.type == any_(literal(kinds, ARRAY(Text))))
        yield part.having(func.count() > 0)


def _part(names: Sequence[str], columns: dict[str, ColumnElement[Any]], at: Any, start: Start | None) -> Query:
    moment = literal(None, DateTime(timezone=True)) if start is None else start(at)
    return select(moment.label("start"), *_filled(names, columns))


def _filled(names: Sequence[str], columns: dict[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [columns.get(name, NOTHING).label(name) for name in names]


def _truncation(unit: str) -> Start:
    # Spelt out and not bound: a GROUP BY must see the very same expression.
    return lambda at: func.date_trunc(
        literal_column(f"'{unit}'"), at, Workspace.time_zone, type_=DateTime(timezone=True)
    )


def _points(unit: str, window: Window) -> Any:
    """The starts of a series' buckets. Distinct, since a calendar may skip a day or an hour or have one twice."""
    bounds = (
        select(
            func.coalesce(literal(window.start, DateTime(timezone=True)), func.min(CampaignBucket.starts_at)).label(
                "lo"
            ),
            func.coalesce(
                literal(window.end, DateTime(timezone=True)),
                func.max(CampaignBucket.starts_at) + timedelta(seconds=QUARTER),
            ).label("hi"),
        )
        .where(_own(CampaignBucket))
        .correlate(Campaign)
        .lateral("bounds")
    )
    last = func.least(bounds.c.hi - timedelta(microseconds=1), bounds.c.lo + _LONGEST[unit] * (MAX_POINTS + 2))
    truncate, zone = _truncation(unit), Workspace.time_zone
    if unit == "HOUR":
        # In steps of a quarter of an hour: some zones' clocks are moved by half of one.
        step = func.generate_series(truncate(bounds.c.lo), last, timedelta(seconds=QUARTER))
        moments, moment = _values(step)
    else:
        first_local = func.date_trunc(unit, func.timezone(zone, bounds.c.lo))
        step = func.generate_series(first_local, func.timezone(zone, last), func.make_interval(*_step(unit)))
        moments, local = _values(step)
        moment = func.timezone(zone, local)
    starts = select(truncate(moment).label("start")).select_from(bounds.join(moments, true())).distinct()
    # LEAST passes over a null: without facts and with an open end there is nothing to fill, nor in an empty window.
    starts = starts.where(bounds.c.hi > bounds.c.lo)
    return starts.correlate(Campaign, Workspace).subquery("points")


def _values(function: Any) -> tuple[Any, ColumnElement[Any]]:
    values = function.table_valued("value").render_derived("moments").lateral()
    return values, values.c.value


def _step(unit: str) -> tuple[int, int, int, int]:
    """Years, months, weeks, days, as make_interval takes them."""
    return (0, int(unit == "MONTH"), int(unit == "WEEK"), int(unit == "DAY"))
