"""The numbers of events: of campaigns, of channels, and of campaigns on channels; one statement for all of a level.

As with the numbers of impressions, all time comes from the totals, and a window from whole quarter-hour buckets plus the
facts at its two edges. Distinct users of a window are counted from the facts; of a channel also those of all time, from
the list of users that each campaign has there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from db.engine import Reads
from db.models.campaigns import Campaign
from db.models.channels import CampaignChannel, Channel
from db.models.event_kinds import NO_CURRENCY, EventType
from db.models.events import Event, EventBucket, EventTotals, EventUser
from db.models.workspaces import Workspace
from db.queries.calendar import Start, TooManyPoints, bounded, points, truncation
from db.queries.columns import Fields, Query
from db.queries.windows import ALL_TIME, Window, bucket_of
from db.statements import Rows, given_ids, prepared, workspace

COUNTS = {
    "impressions": EventType.IMPRESSION,
    "clicks": EventType.CLICK,
    "conversions": EventType.CONVERSION,
}
UNIQUE_USERS = "unique_users"
REVENUE = "revenue"
NUMBERS = (*COUNTS, UNIQUE_USERS, REVENUE)
"""What can be asked for. ``revenue`` is two lists in a row: ``currencies`` in order, and the ``amounts`` of each."""

_REVENUE_CURRENCY = case(
    (Event.type == EventType.CONVERSION.value, func.coalesce(Event.value_currency, NO_CURRENCY)), else_=NO_CURRENCY
)


@dataclass(frozen=True, eq=False)
class Owner:
    """Whose numbers: the table of which there are some ids, and what of a table of events or roll-ups is theirs."""

    model: type[Any]
    campaign: Any | None
    channel: Any | None

    def owns(self, table: Any) -> ColumnElement[bool]:
        """The condition that a row of events or of a roll-up is one's own."""
        conditions = [table.workspace_id == self.model.workspace_id]
        if self.campaign is not None:
            conditions.append(table.campaign_id == self.campaign)
        if self.channel is not None:
            conditions.append(table.channel_id == self.channel)
        return and_(*conditions)


CAMPAIGNS = Owner(Campaign, Campaign.id, None)
CHANNELS = Owner(Channel, None, Channel.id)
CAMPAIGN_CHANNELS = Owner(CampaignChannel, CampaignChannel.campaign_id, CampaignChannel.channel_id)


async def of(reads: Reads, owner: Owner, needs: Fields, window: Window, ids: Sequence[int]) -> Rows:
    """One row for each of the ids that is there: ``id`` and what ``needs`` names of NUMBERS, over the window."""
    if window == ALL_TIME:
        return await reads.rows(_all_time(owner, needs), {"ids": ids})
    # What a window looks like is part of a statement, so it is not kept.
    return await reads.rows(_over(owner, needs, window), {"ids": list(ids), "workspace": reads.workspace_id})


@prepared
def _all_time(owner: Owner, needs: Fields) -> Query:
    return _over(owner, needs, ALL_TIME)


def _over(owner: Owner, needs: Fields, window: Window) -> Query:
    numbers = _numbers(owner, needs, _parts(owner, needs, window), by_start=False)
    return _owners(owner).add_columns(*_asked(numbers, needs)).join(numbers, true())


async def series_of(
    reads: Reads, owner: Owner, needs: Fields, unit: str, window: Window, ids: Sequence[int]
) -> list[Rows | TooManyPoints]:
    """For each id, in order, its rows of ``start`` and what ``needs`` names, as ``db.queries.metrics`` has them.

    An open end of the window stops where the owner's first or last event occurred.
    """
    starts = points(unit, window, owner.model, EventBucket, owner.owns(EventBucket))
    empty = select(starts.c.start, *_row(needs, {}))
    parts = [empty, *_parts(owner, needs, window, truncation(unit))]
    numbers = _numbers(owner, needs, parts, by_start=True)
    statement = (
        _owners(owner)
        .add_columns(numbers.c.start, *_asked(numbers, needs))
        .join(Workspace, Workspace.id == owner.model.workspace_id)
        .join(numbers, true())
        .order_by(numbers.c.start)
    )
    rows = await reads.rows(statement, {"ids": list(ids), "workspace": reads.workspace_id})
    series: dict[int, list[Any]] = {one: [] for one in ids}
    for row in rows:
        series[row.id].append(row)
    return [bounded(Rows(series[one], rows.columns)) for one in ids]


def _owners(owner: Owner) -> Query:
    return select(owner.model.id).where(owner.model.workspace_id == workspace(), owner.model.id == any_(given_ids()))


def _asked(numbers: Any, needs: Fields) -> list[Any]:
    names = [name for name in (*COUNTS, UNIQUE_USERS) if name in needs]
    return [numbers.c[name] for name in (*names, *(("currencies", "amounts") if REVENUE in needs else ()))]


def _numbers(owner: Owner, needs: Fields, parts: Sequence[Query], *, by_start: bool) -> Any:
    """Adds up parts: first for each currency, then all together."""
    rows = union_all(*(part.correlate(owner.model, Workspace) for part in parts)).subquery("parts")
    names = [name for name in (*COUNTS, UNIQUE_USERS) if name in needs]
    keys = [rows.c.start] if by_start else []
    sums = [_total(rows.c[name], BigInteger()).label(name) for name in names]
    if REVENUE not in needs:
        return _grouped(select(*keys, *sums), keys, owner)
    each = (
        select(*keys, rows.c.currency, *sums, _total(rows.c.revenue, Numeric()).label(REVENUE))
        .group_by(*keys, rows.c.currency)
        .subquery("each_currency")
    )
    keys = [each.c.start] if by_start else []
    paid = each.c.currency != NO_CURRENCY
    lists = [
        func.array_agg(aggregate_order_by(column, each.c.currency)).filter(paid).label(name)
        for name, column in (("currencies", each.c.currency), ("amounts", each.c.revenue))
    ]
    sums = [_total(each.c[name], BigInteger()).label(name) for name in names]
    return _grouped(select(*keys, *sums, *lists), keys, owner)


def _grouped(statement: Query, keys: Sequence[Any], owner: Owner) -> Any:
    return statement.group_by(*keys).correlate(owner.model, Workspace).lateral("numbers")


def _total(column: Any, kind: Any) -> ColumnElement[Any]:
    # The sum of bigints is NUMERIC in PostgreSQL; counts are whole numbers again here.
    return cast(func.coalesce(func.sum(column), 0), kind)


def _parts(owner: Owner, needs: Fields, window: Window, start: Start | None = None) -> list[Query]:
    """Selects of ``start``, ``currency`` and what is needed, that add up to the window's numbers."""
    additive = needs - {UNIQUE_USERS}
    parts: list[Query] = []
    if window == ALL_TIME and start is None:
        parts = _of_all_time(owner, needs, additive)
    else:
        if additive:
            parts += _of_buckets(owner, needs, window, start)
            parts += [_of_edge(owner, needs, edge, start) for edge in window.edges()]
        if UNIQUE_USERS in needs:
            parts.append(_users_of_window(owner, needs, window, start))
    # Something to add up even where nothing is asked for.
    return parts or [select(_no_start(), *_row(needs, {})).where(literal_column("false"))]


def _of_all_time(owner: Owner, needs: Fields, additive: Fields) -> list[Query]:
    columns: dict[str, Any] = {name: getattr(EventTotals, name) for name in additive}
    if UNIQUE_USERS in needs and owner is CAMPAIGNS:
        columns[UNIQUE_USERS] = EventTotals.campaign_unique_users
    elif UNIQUE_USERS in needs and owner is CAMPAIGN_CHANNELS:
        columns[UNIQUE_USERS] = EventTotals.unique_users
    parts = []
    if columns:
        row = _row(needs, {**columns, "currency": EventTotals.currency})
        parts.append(select(_no_start(), *row).where(owner.owns(EventTotals)))
    if UNIQUE_USERS in needs and owner is CHANNELS:
        users = {UNIQUE_USERS: func.count(EventUser.user_id.distinct())}
        parts.append(select(_no_start(), *_row(needs, users)).where(owner.owns(EventUser)))
    return parts


def _of_buckets(owner: Owner, needs: Fields, window: Window, start: Start | None) -> list[Query]:
    inner = window.whole_buckets()
    if inner is None:
        return []
    columns = {name: getattr(EventBucket, name) for name in (*COUNTS, REVENUE)}
    row = _row(needs, {**columns, "currency": EventBucket.currency})
    part = select(_start(EventBucket.starts_at, start), *row)
    return [part.where(owner.owns(EventBucket), inner.covers(EventBucket.starts_at))]


def _of_edge(owner: Owner, needs: Fields, edge: Window, start: Start | None) -> Query:
    # All events of an edge lie in one bucket, so that bucket's time stands for all of them.
    at = literal(bucket_of(edge.start or edge.end), DateTime(timezone=True))
    columns: dict[str, Any] = {
        name: func.count().filter(Event.type == kind.value) for name, kind in COUNTS.items() if name in needs
    }
    columns[REVENUE] = func.coalesce(func.sum(Event.value_amount).filter(Event.type == EventType.CONVERSION.value), 0)
    part = select(_start(at, start), *_row(needs, {**columns, "currency": _REVENUE_CURRENCY}))
    part = part.where(owner.owns(Event), edge.covers(Event.occurred_at))
    return part.group_by(_REVENUE_CURRENCY) if REVENUE in needs else part.having(func.count() > 0)


def _users_of_window(owner: Owner, needs: Fields, window: Window, start: Start | None) -> Query:
    begins = _start(Event.occurred_at, start)
    part = select(begins, *_row(needs, {UNIQUE_USERS: func.count(Event.user_id.distinct())}))
    part = part.where(owner.owns(Event), window.covers(Event.occurred_at))
    return part if start is None else part.group_by(part.selected_columns.start)


def _no_start() -> Any:
    return literal(None, DateTime(timezone=True)).label("start")


def _start(at: Any, start: Start | None) -> Any:
    return _no_start() if start is None else start(at).label("start")


def _row(needs: Fields, columns: dict[str, Any]) -> list[ColumnElement[Any]]:
    """What a part has of each number, in one order, nothing where it has none."""
    nothing: ColumnElement[Any] = literal_column("0", Integer)
    row = [columns.get(name, nothing).label(name) for name in (*COUNTS, UNIQUE_USERS) if name in needs]
    if REVENUE in needs:
        row += [
            columns.get(REVENUE, nothing).label(REVENUE),
            columns.get("currency", literal(NO_CURRENCY, Text)).label("currency"),
        ]
    return row
