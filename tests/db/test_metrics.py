"""Every number equals a recount from the base tables, whatever arrived twice, late, or in another order."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, bindparam, select, text

from db.engine import Database, Reads, Transaction
from db.leaves import Form, Leaf
from db.models.campaigns import Campaign
from db.models.impression_items import ImpressionChange, NewImpression
from db.queries import campaigns, metrics, workspaces
from db.queries.calendar import TooManyPoints
from db.queries.impressions import recording, updating
from db.queries.windows import ALL_TIME, Window
from db.rates import percent
from db.statements import Prepared

# Around the night in which the clocks of Berlin go forward, on and off the edges of buckets, hours and days.
BASE = datetime(2026, 3, 28, 22, 45, tzinfo=UTC)
MINUTES = st.sampled_from([0, 1, 14, 15, 16, 30, 59, 60, 75, 90, 119, 120, 135, 60 * 24, 60 * 24 * 4])
MOMENTS = st.builds(lambda m, s: BASE + timedelta(minutes=m, seconds=s), MINUTES, st.integers(0, 2))
MAYBE = st.none() | MOMENTS
RATES = st.none() | st.sampled_from([Decimal("0.0035"), Decimal("1.5"), Decimal(0)])
KEYS = st.sampled_from([f"k{n}" for n in range(12)])
ITEMS = st.fixed_dictionaries(
    {
        "key": KEYS,
        "occurred_at": MOMENTS,
        "user_id": st.sampled_from([None, "u", "v", "w"]),
        "is_unique": st.sampled_from([None, None, True, False]),
        "is_viewable": st.sampled_from([None, True, False]),
        "clicked_at": MAYBE,
        "converted_at": MAYBE,
        "charged_at": MAYBE,
        "cpi_rate": RATES,
    }
)
CHANGES = st.fixed_dictionaries(
    {
        "key": KEYS,
        "is_viewable": st.sampled_from([None, True, False]),
        "clicked_at": MAYBE,
        "converted_at": MAYBE,
        "charged_at": MAYBE,
        "cpi_rate": RATES,
    }
)
STEPS = st.lists(
    st.tuples(st.just("record"), st.lists(ITEMS, max_size=8))
    | st.tuples(st.just("update"), st.lists(CHANGES, max_size=8))
    | st.tuples(st.just("price"), st.sampled_from([None, Decimal("0.01"), Decimal(2)])),
    max_size=6,
)
WINDOWS = st.builds(lambda a, b: Window(*sorted((a, b))), MOMENTS, MOMENTS) | st.builds(Window, MAYBE, st.none())


async def play(transaction: Transaction, campaign_id: int, prefix: str, kind: str, given: Any) -> None:
    """One step of a history."""
    if kind == "record":
        items = [NewImpression(campaign_id=campaign_id, **{**item, "key": prefix + item["key"]}) for item in given]
        await recording.record(transaction, items)
    elif kind == "update":
        changes = [ImpressionChange(**{**change, "key": prefix + change["key"]}) for change in given]
        await updating.update(transaction, dict(enumerate(changes)))
    else:
        await campaigns.change(transaction, campaign_id, {"cost_per_impression": given})


def recount(rows: Sequence[Any]) -> dict[str, Any]:
    """The numbers of some impressions, counted one by one."""
    return {
        "impressions": len(rows),
        "unique_impressions": sum(row.is_unique for row in rows),
        "viewable_impressions": sum(row.is_viewable is True for row in rows),
        "clicks": sum(row.clicked_at is not None for row in rows),
        "conversions": sum(row.converted_at is not None for row in rows),
        "impressions_clicked_or_converted": sum(
            row.clicked_at is not None or row.converted_at is not None for row in rows
        ),
        "impressions_charged": sum(row.charged_at is not None for row in rows),
        "spend": sum((row.cpi_rate or Decimal(0) for row in rows if row.charged_at is not None), Decimal(0)),
        "reach": len({row.user_id for row in rows if row.user_id is not None}),
    }


NUMBERS = frozenset(recount([]))
"""The numbers of impressions. Those of engagement have a history of their own."""


def inside(rows: Sequence[Any], window: Window) -> list[Any]:
    """The impressions that occurred in a window."""
    start, end = window.start or datetime.min.replace(tzinfo=UTC), window.end or datetime.max.replace(tzinfo=UTC)
    return [row for row in rows if start <= row.occurred_at < end]


def start_of(moment: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """The start of the calendar's step in which a moment lies, by Python's own calendar."""
    if unit == "HOUR":
        local = moment.astimezone(zone)
        return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = moment.astimezone(zone).date()
    if unit == "WEEK":
        day -= timedelta(days=day.weekday())
    if unit == "MONTH":
        day = day.replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


async def check(database: Database, workspace: int, number: int, steps: Any, windows: list[Window], unit: str) -> None:
    """Plays a history, one transaction a step, and compares all that the metrics say with a recount."""
    async with database.write(workspace) as transaction:
        campaign_id = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
    for kind, facts in steps:
        async with database.write(workspace) as transaction:
            await play(transaction, campaign_id, f"{number}-", kind, facts)
    reads = database.reads(workspace)
    rows = await reads.rows(text(f"SELECT * FROM impressions WHERE campaign_id = {campaign_id}"))
    for window in (ALL_TIME, *windows):
        [answer] = await metrics.of_campaigns(reads, NUMBERS, window, [campaign_id])
        assert answer._asdict() == {"id": campaign_id, **recount(inside(rows, window))}
        [series] = await metrics.series_of_campaigns(reads, NUMBERS, unit, window, [campaign_id])
        assert not isinstance(series, Exception)
        compare(series, inside(rows, window), window, unit)
    assert await written(reads, campaign_id) == {name: recount(rows)[name] for name in COUNTS}
    await reads.close()


COUNTS = sorted(NUMBERS - {"spend"})
"""The numbers that PostgreSQL may write as JSON."""


async def written(reads: Reads, campaign_id: int) -> Any:
    """The numbers of all time as PostgreSQL writes them."""
    table = Campaign.__table__
    leaves = tuple(Leaf(name, "", Form.NUMBER, non_null=True, parts=(name,)) for name in COUNTS)
    statement = select(metrics.as_json(table.c, leaves).label("json")).where(
        table.c.id == bindparam("id", type_=BigInteger)
    )
    return json.loads((await reads.row(Prepared(statement), {"id": campaign_id})).json)


def compare(series: Sequence[Any], rows: list[Any], window: Window, unit: str) -> None:
    """A series has each step once and in order, holds every impression, and is zero elsewhere."""
    steps: dict[datetime, list[Any]] = {}
    for row in rows:
        steps.setdefault(start_of(row.occurred_at, unit, ZoneInfo("Europe/Berlin")), []).append(row)
    starts = [point.start for point in series]
    assert starts == sorted(set(starts))
    assert set(steps) <= set(starts)
    for point in series:
        counted = point._asdict()
        counted.pop("id")
        assert counted == {"start": point.start, **recount(steps.get(point.start, []))}


def test_all_metrics_equal_a_recount_over_random_histories(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        workspace = runner.run(workspaces.create(database, "w", "W", "Europe/Berlin", "EUR"))
        numbers = iter(range(10_000))

        @settings(max_examples=60, suppress_health_check=list(HealthCheck))
        @given(STEPS, st.lists(WINDOWS, min_size=2, max_size=4), st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH"]))
        def histories(steps: Any, windows: list[Window], unit: str) -> None:
            runner.run(check(database, workspace, next(numbers), steps, windows, unit))

        histories()
        runner.run(database.close())


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_percent_rounds_half_up_to_two_decimals(part: int, whole: int) -> None:
    if whole == 0:
        assert percent(part, whole) is None
    else:
        exact = (Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert percent(part, whole) == float(exact)


@pytest.mark.parametrize(
    ("part", "whole", "rate"), [(1, 3, 33.33), (2, 3, 66.67), (1, 800, 0.13), (5, 4, 125.0), (0, 7, 0.0)]
)
def test_percent_of_examples(part: int, whole: int, rate: float) -> None:
    assert percent(part, whole) == rate


async def series(
    database: Database, zone: str, moments: list[datetime], unit: str, window: Window = ALL_TIME
) -> list[tuple[str, int]]:
    """Local starts and impressions of a series in a workspace of its own."""
    workspace = await workspaces.create(database, "z", "Z", zone, "EUR")
    async with database.write(workspace) as transaction:
        campaign_id = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
        items = [NewImpression(str(n), campaign_id, moment) for n, moment in enumerate(moments)]
        await recording.record(transaction, items)
    reads = database.reads(workspace)
    try:
        [points] = await metrics.series_of_campaigns(reads, frozenset({"impressions"}), unit, window, [campaign_id])
        if isinstance(points, Exception):
            raise points
        return [(p.start.astimezone(ZoneInfo(zone)).isoformat(), p.impressions) for p in points]
    finally:
        await reads.close()


async def test_a_day_in_kathmandu_does_not_start_on_an_utc_hour(database: Database) -> None:
    moments = [datetime(2026, 3, 1, 18, 14, 59, tzinfo=UTC), datetime(2026, 3, 1, 18, 15, tzinfo=UTC)]
    assert await series(database, "Asia/Kathmandu", moments, "DAY") == [
        ("2026-03-01T00:00:00+05:45", 1),
        ("2026-03-02T00:00:00+05:45", 1),
    ]


async def test_the_day_on_which_clocks_go_forward_has_23_hours(database: Database) -> None:
    window = Window(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    hours = await series(database, "Europe/Berlin", [window.start or BASE], "HOUR", window)
    assert len(hours) == 23
    assert [start[11:16] for start, _ in hours[:4]] == ["00:00", "01:00", "03:00", "04:00"]


async def test_the_day_on_which_clocks_go_back_has_25_hours(database: Database) -> None:
    window = Window(datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC))
    moments = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    hours = await series(database, "Europe/Berlin", moments, "HOUR", window)
    assert len(hours) == 25
    assert [hour for hour in hours if hour[1]] == [("2026-10-25T02:00:00+02:00", 1), ("2026-10-25T02:00:00+01:00", 1)]


async def test_weeks_start_on_monday_and_empty_ones_are_zero(database: Database) -> None:
    moments = [datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC)]
    assert await series(database, "UTC", moments, "WEEK") == [
        ("2026-02-23T00:00:00+00:00", 1),
        ("2026-03-02T00:00:00+00:00", 0),
        ("2026-03-09T00:00:00+00:00", 0),
        ("2026-03-16T00:00:00+00:00", 1),
    ]


async def test_a_day_that_never_was_and_a_midnight_that_never_was(database: Database) -> None:
    # Samoa skipped 30 December 2011 whole.
    moments = [datetime(2011, 12, 30, 9, tzinfo=UTC), datetime(2011, 12, 30, 11, tzinfo=UTC)]
    assert await series(database, "Pacific/Apia", moments, "DAY") == [
        ("2011-12-29T00:00:00-10:00", 1),
        ("2011-12-31T00:00:00+14:00", 1),
    ]


async def test_a_midnight_that_never_was(database: Database) -> None:
    # In Cairo the clocks went from 00:00 to 01:00 on 26 April 2024.
    moments = [
        datetime(2024, 4, 25, 20, tzinfo=UTC),
        datetime(2024, 4, 25, 22, tzinfo=UTC),
        datetime(2024, 4, 27, tzinfo=UTC),
    ]
    assert await series(database, "Africa/Cairo", moments, "DAY") == [
        ("2024-04-25T00:00:00+02:00", 1),
        ("2024-04-26T01:00:00+03:00", 1),
        ("2024-04-27T00:00:00+03:00", 1),
    ]


async def test_a_series_of_more_than_1000_points_is_refused(database: Database) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1000)]
    with pytest.raises(TooManyPoints):
        await series(database, "UTC", moments, "HOUR")


async def test_a_series_of_1000_points_is_answered(database: Database) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=999)]
    assert len(await series(database, "UTC", moments, "HOUR")) == 1000


async def test_months_have_their_own_lengths(database: Database) -> None:
    moments = [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)]
    assert [start[:10] for start, _ in await series(database, "UTC", moments, "MONTH")] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
    ]


async def test_a_campaign_without_impressions_has_zeros_and_no_series(database: Database) -> None:
    assert await series(database, "UTC", [], "DAY") == []


async def test_an_empty_window_has_no_points(database: Database) -> None:
    moment = datetime(2026, 3, 1, 12, 7, tzinfo=UTC)
    assert await series(database, "UTC", [moment], "HOUR", Window(moment, moment)) == []


async def test_the_widest_window_of_months_is_refused_at_once(database: Database) -> None:
    window = Window(datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    with pytest.raises(TooManyPoints):
        await series(database, "Europe/Berlin", [datetime(2026, 3, 1, tzinfo=UTC)], "MONTH", window)
