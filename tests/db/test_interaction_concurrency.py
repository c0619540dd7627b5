"""Many write the same interactions of the same new followers at once: each counts once, and nobody deadlocks."""

import asyncio
import random
from collections import Counter

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.content_items import NewContent, NewPost
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.content import writing
from db.queries.interactions import placing, recording
from tests.recounted import did, due, kept, read, record

WRITERS, BATCHES, SIZE, KEYS, PEOPLE = 8, 8, 40, 500, 60
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
NUMBERS = """SELECT slug, comments, likes, shares, saves, profile_visits, link_clicks, unique_followers
  FROM content_summaries JOIN content_items ON content_items.id = content_id ORDER BY slug"""


def act(number: int) -> NewInteraction:
    """The interaction of a number: the same whoever sends it."""
    kind = list(InteractionType)[number % 6]
    item = did(f"k{number}", f"u{number * 7 % PEOPLE}", kind, days=number % 20, minutes=number)
    item.external_post_id = [None, "p0", "p1"][number % 3]
    return item


@pytest.fixture
async def posts(database: Database, workspace: int) -> None:
    """Two content items, with a post each."""
    async with database.write(workspace) as transaction:
        for n in range(2):
            await writing.write(transaction, NewContent(f"c{n}", "C", posts=[NewPost(Platform.YOUTUBE, f"p{n}")]))


@pytest.mark.usefixtures("posts")
async def test_eight_writers_that_make_the_same_followers_neither_deadlock_nor_count_twice(
    database: Database, workspace: int
) -> None:
    sent: set[int] = set()

    async def writer(seed: int) -> int:
        rng, accepted = random.Random(seed), 0
        for _ in range(BATCHES):
            numbers = [rng.randrange(KEYS) for _ in range(SIZE)]
            sent.update(numbers)
            items = [act(number) for number in numbers]
            async with database.write(workspace) as transaction:
                assert await placing.place(transaction, items) == {}
                accepted += (await recording.record(transaction, items)).accepted
        return accepted

    assert sum(await asyncio.gather(*map(writer, range(WRITERS)))) == len(sent)
    assert await read(database, DEADLOCKS) == [(0,)]
    items = [act(number) for number in sent]
    assert await kept(database, workspace) == due(items)
    numbers = {row[0]: row[1:] for row in await read(database, NUMBERS)}
    for slug, post in (("c0", "p0"), ("c1", "p1")):
        mine = [item for item in items if item.external_post_id == post]
        kinds = Counter(item.type for item in mine)
        assert numbers[slug] == (*(kinds[kind] for kind in InteractionType), len({item.external_id for item in mine}))


async def test_of_two_new_followers_with_the_same_key_only_the_first_becomes_one(
    database: Database, workspace: int
) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with database.write(workspace) as transaction:
        await recording.record(transaction, [did("same", "amy")])
        # Followers of different stripes, so that they meet at the key.
        assert recording.hash_of(("YOUTUBE", "amy")) != recording.hash_of(("YOUTUBE", "ben"))
        other = asyncio.create_task(record(database, workspace, did("same", "ben")))
        async with database.engine.connect() as connection:
            while not await connection.scalar(waiting):
                await connection.rollback()
    await other
    assert await read(database, "SELECT external_id, likes FROM followers") == [("amy", 1)]
    assert await read(database, "SELECT DISTINCT word FROM follower_words") == [("amy",)]
    await record(database, workspace, did("two", "ben"), did("two", "cleo"))
    assert await read(database, "SELECT external_id FROM followers ORDER BY 1") == [("amy",), ("ben",)]
