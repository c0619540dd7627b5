"""Many write the same events at once: each counts once, nobody deadlocks, and a snapshot has all that came before it."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.queries import campaigns, channels
from db.queries.events import barrier, metrics, recording
from db.queries.windows import ALL_TIME

WRITERS, BATCHES, SIZE, KEYS = 8, 12, 60, 900
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


@pytest.fixture
async def places(database: Database, workspace: int) -> tuple[list[int], list[int]]:
    """Three campaigns and three channels."""
    async with database.write(workspace) as transaction:
        plain = {"status": "ACTIVE", "currency": "EUR"}
        made = [await campaigns.create(transaction, {"name": name, **plain}) for name in "abc"]
        return made, [await channels.create_channel(transaction, name, "ADS", None) for name in "abc"]


def event(number: int, places: tuple[list[int], list[int]]) -> NewEvent:
    """The event of a number: the same whoever sends it."""
    campaign_ids, channel_ids = places
    return NewEvent(
        f"k{number}",
        list(EventType)[number % 3],
        campaign_ids[number % 3],
        NOON + timedelta(minutes=number % 50),
        channel_id=[None, *channel_ids][number % 4],
        user_id=f"u{number % 40}",
    )


async def test_eight_writers_of_the_same_events_neither_deadlock_nor_count_twice(
    database: Database, workspace: int, places: tuple[list[int], list[int]]
) -> None:
    sent: set[int] = set()

    async def writer(seed: int) -> int:
        rng, accepted = random.Random(seed), 0
        for _ in range(BATCHES):
            numbers = [rng.randrange(KEYS) for _ in range(SIZE)]
            sent.update(numbers)
            async with database.write(workspace) as transaction:
                accepted += (await recording.record(transaction, [event(n, places) for n in numbers])).accepted
        return accepted

    assert sum(await asyncio.gather(*map(writer, range(WRITERS)))) == len(sent)
    async with database.write(workspace) as transaction:
        assert await transaction.scalar(DEADLOCKS) == 0
    reads = database.reads(workspace)
    needs = frozenset({"impressions", "clicks", "conversions", "unique_users"})
    found = {row.id: row for row in await metrics.of(reads, metrics.CAMPAIGNS, needs, ALL_TIME, places[0])}
    await reads.close()
    for place, campaign_id in enumerate(places[0]):
        mine = [number for number in sent if number % 3 == place]
        counted = (found[campaign_id].impressions, found[campaign_id].clicks, found[campaign_id].conversions)
        assert counted == tuple(len(mine) if kind == place else 0 for kind in range(3))
        assert found[campaign_id].unique_users == len({number % 40 for number in mine})


async def test_a_snapshot_waits_for_who_records_and_bounds_what_is_recorded_later(
    database: Database, workspace: int, places: tuple[list[int], list[int]]
) -> None:
    newest = text("SELECT coalesce(max(id), 0) FROM events")
    [campaign_id, *_], _ = places
    running, may_commit = asyncio.Event(), asyncio.Event()

    async def record(number: int, *, slowly: bool = False) -> None:
        async with database.write(workspace) as transaction:
            await recording.record(transaction, [event(number, places)])
            running.set()
            if slowly:
                await may_commit.wait()

    async def bound() -> int:
        async with database.write(workspace) as transaction:
            await barrier.settled(transaction, campaign_id)
            return int(await transaction.scalar(newest))

    slow = asyncio.create_task(record(0, slowly=True))
    await running.wait()
    snapshot = asyncio.create_task(bound())
    # Another campaign is not held up, and its event has a larger id than the one that is not committed yet.
    await record(1)
    assert not snapshot.done()
    may_commit.set()
    await slow
    upto = await snapshot
    await record(3)
    async with database.write(workspace) as transaction:
        rows = await transaction.rows(text("SELECT key, id FROM events WHERE campaign_id = :id"), {"id": campaign_id})
    assert {row.key: row.id <= upto for row in rows} == {"k0": True, "k3": False}
