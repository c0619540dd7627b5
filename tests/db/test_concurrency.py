"""Many writers on one campaign neither deadlock nor lose a count."""

import asyncio
import random
from datetime import timedelta

from sqlalchemy import text

from db.engine import Database
from db.models.impression_items import ImpressionChange, NewImpression
from db.queries import campaigns, metrics
from db.queries.impressions import recording, updating
from db.queries.windows import ALL_TIME
from tests.db.test_metrics import NUMBERS, recount
from tests.facts import NOON

WRITERS = 32


async def create(database: Database, workspace: int) -> int:
    async with database.write(workspace) as transaction:
        return await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})


def batch(campaign_id: int, seed: int) -> list[NewImpression]:
    """Overlapping keys and users, in an order of its own."""
    rng = random.Random(seed)
    numbers = rng.sample(range(300), 60)
    return [NewImpression(f"k{n}", campaign_id, NOON + timedelta(minutes=7 * n), user_id=f"u{n % 90}") for n in numbers]


async def test_32_writers_of_overlapping_batches(database_url: str, workspace: int) -> None:
    database = Database(database_url, size=WRITERS, overflow=0)
    campaign_id = await create(database, workspace)

    async def write(seed: int) -> int:
        accepted = 0
        for turn in range(3):
            async with database.write(workspace) as transaction:
                outcome = await recording.record(transaction, batch(campaign_id, seed * 3 + turn))
                accepted += outcome.accepted
            changes = random.Random(seed).sample(range(300), 40)
            async with database.write(workspace) as transaction:
                clicks = {n: ImpressionChange(key=f"k{k}", clicked_at=NOON) for n, k in enumerate(changes)}
                await updating.update(transaction, clicks)
        return accepted

    accepted = sum(await asyncio.gather(*(write(seed) for seed in range(WRITERS))))
    reads = database.reads(workspace)
    rows = await reads.rows(text("SELECT * FROM impressions"))
    [answer] = await metrics.of_campaigns(reads, NUMBERS, ALL_TIME, [campaign_id])
    assert answer._asdict() == {"id": campaign_id, **recount(rows)}
    assert answer.impressions == accepted == 300
    assert answer.reach == answer.unique_impressions == 90
    [[deadlocks]] = await reads.rows(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    assert deadlocks == 0
    await reads.close()
    await database.close()


async def test_two_writers_of_the_same_new_key_make_one_impression(database: Database, workspace: int) -> None:
    campaign_id = await create(database, workspace)
    first_wrote, second_waits = asyncio.Event(), asyncio.Event()
    item = NewImpression("k", campaign_id, NOON, user_id="u")
    other = NewImpression("k", campaign_id, NOON, user_id="v")

    async def first() -> recording.Outcome:
        async with database.write(workspace) as transaction:
            outcome = await recording.record(transaction, [item])
            first_wrote.set()
            await second_waits.wait()
        return outcome

    async def second() -> recording.Outcome:
        await first_wrote.wait()
        async with database.write(workspace) as transaction:
            task = asyncio.create_task(recording.record(transaction, [other]))
            while not await waiting(database):  # noqa: ASYNC110 - only PostgreSQL knows
                await asyncio.sleep(0.01)
            second_waits.set()
            return await task

    assert [o.accepted for o in await asyncio.gather(first(), second())] == [1, 0]
    reads = database.reads(workspace)
    [answer] = await metrics.of_campaigns(reads, NUMBERS, ALL_TIME, [campaign_id])
    # The user of the impression that lost must not have been claimed.
    assert (answer.impressions, answer.reach, answer.unique_impressions) == (1, 1, 1)
    [[users]] = await reads.rows(text("SELECT array_agg(user_id) FROM campaign_users"))
    assert users == ["u"]
    await reads.close()


async def waiting(database: Database) -> bool:
    """Whether some backend waits for a lock."""
    async with database.everywhere() as transaction:
        return bool(await transaction.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
