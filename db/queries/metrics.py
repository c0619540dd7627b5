"""The numbers of campaigns: one statement for all campaigns of a level, reading only what is asked for.

All time comes from the totals. A window comes from whole quarter-hour buckets, plus the facts at its two
edges where it cuts a bucket. Distinct users of a window are counted from the facts, for the whole window.
"""

from collections.abc import Collection, Iterator, Sequence
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
from db.queries.calendar import Start, TooManyPoints, bounded, points, truncation
from db.queries.columns import Fields, Query
from db.queries.engagement.counting import COUNTERS as ENGAGEMENT
from db.queries.windows import ALL_TIME, Window, bucket_of
from db.statements import Rows, given_ids, prepared, workspace

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

NOTHING: ColumnElement[Any] = literal_column("0")


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
    starts = points(unit, window, Campaign, CampaignBucket, _own(CampaignBucket))
    parts = [select(starts.c.start, *_filled(names, {})), *_parts(names, window, truncation(unit))]
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
    return [bounded(Rows(series[campaign_id], rows.columns)) for campaign_id in ids]


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
