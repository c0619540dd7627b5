"""The outbox and the log: what is committed is numbered, once, without a gap, whatever the order of commits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.live import ChangeKind, Topic
from db.queries.live import log, outbox, sequencing
from db.session import Session, session


@pytest.fixture
async def own(database_url: str, workspace: int) -> AsyncIterator[Session]:
    """The sequencer's connection."""
    async with session(database_url, "test") as own:
        yield own


def numbered(key: int, subject: int = 1, kind: ChangeKind = ChangeKind.ADDED) -> outbox.Change:
    return outbox.Change(Topic.ENGAGEMENTS, key, kind, subject, "LIKE")


async def append(database: Database, workspace: int, *changes: outbox.Change) -> None:
    async with database.write(workspace) as transaction:
        await outbox.append(transaction, changes)


async def entries(own: Session) -> list[log.Entry]:
    return await log.follow(own, 0, 100_000)


async def test_nothing_is_numbered_before_it_is_committed(database: Database, workspace: int, own: Session) -> None:
    async with database.write(workspace) as transaction:
        await outbox.append(transaction, [numbered(1)])
        assert await sequencing.number(own) == 0
    assert await sequencing.number(own) == 1
    assert await sequencing.number(own) == 0


async def test_what_is_rolled_back_never_was(database: Database, workspace: int, own: Session) -> None:
    async def fail() -> None:
        async with database.write(workspace) as transaction:
            await outbox.append(transaction, [numbered(1)])
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await fail()
    assert await sequencing.number(own) == 0


async def test_a_later_commit_of_an_earlier_entry_is_not_skipped(
    database: Database, workspace: int, own: Session
) -> None:
    async with database.write(workspace) as slow:
        await outbox.append(slow, [numbered(1)])
        await append(database, workspace, numbered(2))
        assert await sequencing.number(own) == 1
    assert await sequencing.number(own) == 1
    assert [(entry.position, entry.key) for entry in await entries(own)] == [(1, 2), (2, 1)]


async def test_the_entries_of_a_transaction_keep_their_order(database: Database, workspace: int, own: Session) -> None:
    await append(database, workspace, *(numbered(key) for key in (5, 3, 9, 1)))
    await sequencing.number(own)
    assert [entry.key for entry in await entries(own)] == [5, 3, 9, 1]


async def test_many_writers_and_several_numberers_leave_no_gap(
    database: Database, database_url: str, workspace: int, own: Session
) -> None:
    over = asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(40):
            await append(database, workspace, *(numbered(writer, 10 * number + part) for part in range(1 + number % 3)))

    async def number() -> None:
        async with session(database_url, "test") as another:
            while not over.is_set() or await sequencing.number(another):
                await sequencing.number(another)

    numbering = [asyncio.create_task(number()) for _ in range(3)]
    await asyncio.gather(*(write(writer) for writer in range(8)))
    over.set()
    await asyncio.gather(*numbering)
    found = await entries(own)
    assert [entry.position for entry in found] == list(range(1, 8 * 79 + 1))
    for writer in range(8):
        mine = [entry.subject_id for entry in found if entry.key == writer]
        assert mine == [10 * number + part for number in range(40) for part in range(1 + number % 3)]


async def test_one_session_is_elected(database_url: str, own: Session) -> None:
    assert await sequencing.elected(own)
    async with session(database_url, "test") as other:
        assert not await sequencing.elected(other)


async def test_who_listens_is_woken_once_for_a_batch(
    database: Database, database_url: str, workspace: int, own: Session
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with session(database_url, "test") as listener:
        await listener.listen(sequencing.CHANNEL, heard.put_nowait, lambda: None)
        await append(database, workspace, *(numbered(key) for key in range(5)))
        await sequencing.number(own)
        assert await asyncio.wait_for(heard.get(), 10) == "5"
        await append(database, workspace, numbered(1))
        await sequencing.number(own)
        assert await asyncio.wait_for(heard.get(), 10) == "6"
        assert heard.empty()


async def test_history_is_of_some_topics_and_of_the_own_workspace(
    database: Database, workspace: int, other_workspace: int, own: Session
) -> None:
    for key in (1, 2, 3, 1, 2, 3):
        await append(database, workspace, numbered(key))
        await append(database, other_workspace, numbered(key))
    await sequencing.number(own)
    reads = database.reads(workspace)

    async def positions(keys: list[int], after: int, upto: int, limit: int = 100) -> list[int]:
        found = await log.history(reads, Topic.ENGAGEMENTS, keys, after, upto, limit)
        return [entry.position for entry in found]

    assert await positions([1, 3], 0, 100) == [1, 5, 7, 11]
    assert await positions([1, 3], 1, 7) == [5, 7]
    assert await positions([1, 3], 0, 100, 2) == [1, 5]
    assert await positions([9], 0, 100) == []
    await reads.close()


async def test_what_is_old_is_cleared_away(database: Database, workspace: int, own: Session) -> None:
    await append(database, workspace, *(numbered(key) for key in range(10)))
    await sequencing.number(own)
    async with database.everywhere() as transaction:
        await transaction.run(text("UPDATE live_log SET logged_at = now() - interval '8 days' WHERE position <= 6"))
    assert await sequencing.trim(own, timedelta(days=7)) == 6
    assert await sequencing.trim(own, timedelta(days=7)) == 0
    head = await log.head(own)
    assert (head.trimmed, head.position) == (6, 10)
    assert [entry.position for entry in await entries(own)] == [7, 8, 9, 10]
    assert await sequencing.trim(own, timedelta()) == 4
    assert (await log.head(own)).trimmed == 10


async def test_the_epoch_is_of_one_database(database_url: str, own: Session) -> None:
    before = await log.head(own)
    assert await sequencing.settle_epoch(own) is False
    assert (await log.head(own)).epoch == before.epoch
    # A restored database is on another timeline, or another server, or has another number.
    await own.scalar("UPDATE live_head SET fingerprint = 'what it was when it was saved'")
    assert await sequencing.settle_epoch(own) is True
    settled = await log.head(own)
    assert settled.epoch != before.epoch
    assert await sequencing.settle_epoch(own) is False
    await sequencing.begin_epoch(own)
    assert (await log.head(own)).epoch != settled.epoch
