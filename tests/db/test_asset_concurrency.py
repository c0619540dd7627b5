"""Assets made, deleted and swept by many at once: one blob for equal bytes, no deadlock, no miscount, nothing lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text

from db.changes import change
from db.engine import Database, Transaction
from db.models.asset_items import NewAsset, StoredFile
from db.models.asset_kinds import AssetType
from db.queries.assets import blobs, sweeping, writing
from db.queries.spaces import reading
from db.queries.spaces import writing as spaces

SHA256 = "d" * 64


async def make_spaces(database: Database, workspace: int, count: int) -> list[int]:
    async with database.write(workspace) as transaction:
        values = [{"name": f"S{n}", "platform": "META", "import_source": "MANUAL_UPLOAD"} for n in range(count)]
        return [await spaces.create(transaction, one, [], "ada") for one in values]


async def stored(database: Database, workspace: int, path: str, sha256: str = SHA256) -> StoredFile:
    """A file as it is after it was put, before anything is made of it."""
    async with database.write(workspace) as transaction:
        await blobs.hold(transaction, [path], datetime.now(UTC) + timedelta(days=1))
    return StoredFile(sha256, 10, "text/plain", path)


async def make(database: Database, workspace: int, space_id: int, file: StoredFile) -> int:
    async def work(transaction: Transaction) -> writing.Created:
        return await writing.create(
            transaction, space_id, NewAsset(AssetType.DOCUMENT, file_name="f", file=file), "ada"
        )

    outcome = await change(database, workspace, work)
    assert outcome.value is not None, outcome.problems
    return outcome.value.asset_id


async def test_the_same_bytes_at_once_are_one_blob_and_one_asset_of_each_space(
    database: Database, workspace: int
) -> None:
    there = await make_spaces(database, workspace, 4)
    files = [await stored(database, workspace, f"p{n}") for n in range(16)]
    made = await asyncio.gather(*(make(database, workspace, there[n % 4], file) for n, file in enumerate(files)))
    assert len(set(made)) == 4
    async with database.write(workspace) as transaction:
        [blob] = await transaction.rows(text("SELECT path FROM blobs"))
        loose = await transaction.rows(
            text("SELECT path, expires_at <= now() AS expired FROM loose_objects ORDER BY path")
        )
    assert {row.path for row in loose} == {f"p{n}" for n in range(16)} - {blob.path}
    assert all(row.expired for row in loose)


async def test_makers_and_deleters_of_the_same_spaces_neither_wait_for_ever_nor_miscount(
    database: Database, workspace: int
) -> None:
    there = await make_spaces(database, workspace, 2)

    async def turn(number: int) -> None:
        hashes = [f"{number % 3}" * 64, f"{(number + 1) % 3}" * 64]
        for space_id, sha256 in zip(there if number % 2 else there[::-1], hashes, strict=True):
            file = await stored(database, workspace, f"{number} {space_id}", sha256)
            asset_id = await make(database, workspace, space_id, file)
            if number % 3 == 0:
                await change(database, workspace, partial(writing.delete, asset_id=asset_id, hard=True, force=True))

    await asyncio.gather(*(turn(number) for number in range(16)))
    async with database.write(workspace) as transaction:
        counted = text("SELECT space_id, count(*), sum(size_bytes), count(DISTINCT sha256) * 10 FROM assets GROUP BY 1")
        expected = {row[0]: tuple(map(int, row[1:])) for row in await transaction.rows(counted)}
    reads = database.reads(workspace)
    found = await reading.stats_of(reads, there)
    await reads.close()
    assert [(one.asset_count, one.total_asset_size_bytes, one.stored_bytes) for one in found] == [
        expected.get(one, (0, 0, 0)) for one in there
    ]


async def test_removals_of_what_shares_bytes_wait_for_each_other(database: Database, workspace: int) -> None:
    there = await make_spaces(database, workspace, 3)
    hashes = [digit * 64 for digit in "01234567"]
    for space_id, order in zip(there, (hashes, hashes, hashes[::-1]), strict=True):
        for sha256 in order:
            await make(database, workspace, space_id, await stored(database, workspace, f"{space_id} {sha256}", sha256))

    async def remove(space_id: int) -> None:
        async with database.write(workspace) as transaction:  # once: a deadlock is not tried again
            await spaces.delete(transaction, space_id, hard=True, force=True)

    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with database.write(workspace) as transaction:
        await transaction.rows(text("SELECT sha256 FROM blobs FOR UPDATE"))
        both = asyncio.gather(*map(remove, there[1:]))
        async with database.engine.connect() as connection:
            while (await connection.execute(waiting)).scalar_one() < 2:
                await connection.rollback()
    await both
    async with database.write(workspace) as transaction:
        assert [row.space_id for row in await transaction.rows(text("SELECT space_id FROM assets"))] == [there[0]] * 8


async def test_what_is_swept_while_it_is_taken_again_is_stored_again(database: Database, workspace: int) -> None:
    [space_id] = await make_spaces(database, workspace, 1)
    first = await make(database, workspace, space_id, await stored(database, workspace, "p"))
    await change(database, workspace, lambda t: writing.delete(t, first, hard=True, force=False))
    reads = database.reads(workspace)
    known = await blobs.find(reads, SHA256)
    await reads.close()
    assert known is not None
    async with database.everywhere() as transaction:
        assert await sweeping.unused_blobs(transaction, datetime.now(UTC) - timedelta(days=1), 10) == 0
        assert await sweeping.unused_blobs(transaction, datetime.now(UTC) + timedelta(days=1), 10) == 1
    try:
        await make(database, workspace, space_id, known)
    except writing.Vanished:
        vanished = True
    assert vanished
    again = await make(database, workspace, space_id, await stored(database, workspace, "q"))
    async with database.everywhere() as transaction:
        assert await sweeping.unused_blobs(transaction, datetime.now(UTC) + timedelta(days=1), 10) == 0
        assert [row.path for row in await sweeping.expired_objects(transaction, 10)] == ["p"]
    assert again != first


async def test_a_blob_that_is_being_taken_is_not_swept(database: Database, workspace: int) -> None:
    [space_id] = await make_spaces(database, workspace, 1)
    first = await make(database, workspace, space_id, await stored(database, workspace, "p"))
    await change(database, workspace, lambda t: writing.delete(t, first, hard=True, force=False))
    async with database.write(workspace) as transaction:
        file = StoredFile(SHA256, 10, "text/plain", "p", is_known=True)
        await writing.create(transaction, space_id, NewAsset(AssetType.DOCUMENT, file_name="f", file=file), "ada")
        async with database.everywhere() as sweeper:
            assert await sweeping.unused_blobs(sweeper, datetime.now(UTC) + timedelta(days=1), 10) == 0
    async with database.everywhere() as sweeper:
        assert await sweeping.unused_blobs(sweeper, datetime.now(UTC) + timedelta(days=1), 10) == 0
        assert await sweeper.scalar(text("SELECT count(*) FROM blobs WHERE unused_since IS NOT NULL")) == 0
