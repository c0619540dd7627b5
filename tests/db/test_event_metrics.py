"""Every number of events equals a recount, whatever arrived twice, late or in another order, in zones with odd offsets."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.engine import Database, Reads
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.queries import campaigns, channels, workspaces
from db.queries.events import metrics, recording
from db.queries.windows import ALL_TIME, Window
from tests.db.test_metrics import start_of

# Around the night in which the clocks of Berlin go forward, on and off the edges of buckets, hours and days; and Lord Howe
# Island's, whose clocks are moved by half an hour a week later.
BASE = datetime(2026, 3, 28, 22, 45, tzinfo=UTC)
MINUTES = st.sampled_from([0, 1, 14, 15, 16, 30, 59, 60, 75, 90, 119, 120, 135, 60 * 24, 60 * 24 * 4, 60 * 24 * 8])
MOMENTS = st.builds(lambda m, s: BASE + timedelta(minutes=m, seconds=s), MINUTES, st.integers(0, 2))
ZONES = ["Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
ITEMS = st.fixed_dictionaries(
    {
        "key": st.sampled_from([f"k{n}" for n in range(15)]),
        "type": st.sampled_from(EventType),
        "campaign": st.integers(0, 1),
        "channel": st.sampled_from([None, 0, 1]),
        "user_id": st.sampled_from([None, "u", "v", "w"]),
        "occurred_at": MOMENTS,
        "value": st.none() | st.tuples(st.sampled_from(["0.0035", "12.5", "0"]), st.sampled_from(["EUR", "USD"])),
    }
)
BATCHES = st.lists(st.lists(ITEMS, max_size=10), max_size=5)
MAYBE = st.none() | MOMENTS
WINDOWS = st.builds(lambda a, b: Window(*sorted((a, b))), MOMENTS, MOMENTS) | st.builds(Window, MAYBE, st.none())
NEEDS = frozenset(metrics.NUMBERS)


def recount(rows: Sequence[Any]) -> dict[str, Any]:
    """The numbers of some events, counted one by one."""
    revenue: dict[str, Decimal] = {}
    for row in rows:
        if row.type == "CONVERSION" and row.value_currency is not None:
            revenue[row.value_currency] = revenue.get(row.value_currency, Decimal(0)) + row.value_amount
    return {
        "impressions": sum(row.type == "IMPRESSION" for row in rows),
        "clicks": sum(row.type == "CLICK" for row in rows),
        "conversions": sum(row.type == "CONVERSION" for row in rows),
        "unique_users": len({row.user_id for row in rows if row.user_id is not None}),
        "currencies": sorted(revenue) or None,
        "amounts": [revenue[currency] for currency in sorted(revenue)] or None,
    }


def inside(rows: Sequence[Any], window: Window) -> list[Any]:
    """The events that occurred in a window."""
    start, end = window.start or datetime.min.replace(tzinfo=UTC), window.end or datetime.max.replace(tzinfo=UTC)
    return [row for row in rows if start <= row.occurred_at < end]


async def check(database: Database, zone: str, batches: Any, windows: list[Window], unit: str) -> None:
    """Records batches, one transaction each, and compares all that the metrics say with a recount."""
    workspace = await workspaces.create(database, f"w{next(NUMBERS)}", "W", zone, "EUR")
    async with database.write(workspace) as transaction:
        plain = {"status": "ACTIVE", "currency": "EUR"}
        campaign_ids = [await campaigns.create(transaction, {"name": name, **plain}) for name in "CD"]
        channel_ids = [await channels.create_channel(transaction, name, "ADS", None) for name in "ab"]
    for batch in batches:
        async with database.write(workspace) as transaction:
            await recording.record(transaction, [item(one, campaign_ids, channel_ids) for one in batch])
    reads = database.reads(workspace)
    try:
        await compare_all(reads, workspace, campaign_ids, channel_ids, windows, unit, zone)
    finally:
        await reads.close()


async def compare_all(
    reads: Reads, workspace: int, campaign_ids: list[int], channel_ids: list[int], windows: Any, unit: str, zone: str
) -> None:
    """Compares the numbers of every campaign, channel and campaign on a channel."""
    rows = list(await reads.rows(text(f"SELECT * FROM events WHERE workspace_id = {workspace}")))
    pairs = await reads.rows(
        text(f"SELECT id, campaign_id, channel_id FROM campaign_channels WHERE workspace_id = {workspace}")
    )
    assert {(p.campaign_id, p.channel_id) for p in pairs} == {
        (r.campaign_id, r.channel_id) for r in rows if r.channel_id
    }
    owned: list[tuple[metrics.Owner, dict[int, list[Any]]]] = [
        (metrics.CAMPAIGNS, {one: [row for row in rows if row.campaign_id == one] for one in campaign_ids}),
        (metrics.CHANNELS, {one: [row for row in rows if row.channel_id == one] for one in channel_ids}),
        (
            metrics.CAMPAIGN_CHANNELS,
            {p.id: [r for r in rows if (r.campaign_id, r.channel_id) == (p.campaign_id, p.channel_id)] for p in pairs},
        ),
    ]
    for owner, facts in owned:
        for window in (ALL_TIME, *windows):
            answers = {row.id: row for row in await metrics.of(reads, owner, NEEDS, window, list(facts))}
            assert {one: answer._asdict() for one, answer in answers.items()} == {
                one: {"id": one, **recount(inside(mine, window))} for one, mine in facts.items()
            }
            series = await metrics.series_of(reads, owner, NEEDS, unit, window, list(facts))
            for points, mine in zip(series, facts.values(), strict=True):
                assert not isinstance(points, Exception)
                compare(points, inside(mine, window), unit, zone)


def compare(series: Sequence[Any], rows: list[Any], unit: str, zone: str) -> None:
    """A series has each step once and in order, holds every event, and is zero elsewhere."""
    steps: dict[datetime, list[Any]] = {}
    for row in rows:
        steps.setdefault(start_of(row.occurred_at, unit, ZoneInfo(zone)), []).append(row)
    starts = [point.start for point in series]
    assert starts == sorted(set(starts))
    assert set(steps) <= set(starts)
    for point in series:
        counted = point._asdict()
        counted.pop("id")
        assert counted == {"start": point.start, **recount(steps.get(point.start, []))}


def item(given: Any, campaign_ids: list[int], channel_ids: list[int]) -> NewEvent:
    """An event of a history."""
    amount, currency = given["value"] or (None, None)
    return NewEvent(
        given["key"],
        given["type"],
        campaign_ids[given["campaign"]],
        given["occurred_at"],
        channel_id=None if given["channel"] is None else channel_ids[given["channel"]],
        user_id=given["user_id"],
        value_amount=None if amount is None else Decimal(amount),
        value_currency=currency,
    )


NUMBERS = iter(range(10_000))


def test_all_numbers_of_events_equal_a_recount_over_random_histories(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)

        @settings(max_examples=40, suppress_health_check=list(HealthCheck))
        @given(
            st.sampled_from(ZONES),
            BATCHES,
            st.lists(WINDOWS, min_size=1, max_size=3),
            st.sampled_from(["HOUR", "DAY", "WEEK", "MONTH"]),
        )
        def histories(zone: str, batches: Any, windows: list[Window], unit: str) -> None:
            runner.run(check(database, zone, batches, windows, unit))

        histories()
        runner.run(database.close())
