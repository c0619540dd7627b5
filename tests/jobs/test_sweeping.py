"""The sweeper removes what nothing holds, and nothing that is held, whoever stores, deletes and sweeps beside it."""

import asyncio
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.asset_items import NewAsset
from db.models.asset_kinds import AssetType
from db.queries.assets import blobs, uploads, writing
from db.queries.assets.blobs import Vanished
from db.queries.spaces import writing as spaces
from jobs.assets.storing import Storage
from jobs.assets.sweeping import UNUSED_FOR, Swept, sweep
from jobs.objects import Objects
from jobs.worker import Worker
from tests.creatives import picture

LATER = UNUSED_FOR + timedelta(minutes=1)
IMAGE = AssetType.IMAGE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def objects(root: Path) -> Objects:
    return Objects.at(root.as_uri())


@pytest.fixture
async def space(database: Database, workspace: int) -> int:
    async with database.write(workspace) as transaction:
        values = {"name": "Spring", "platform": "META", "import_source": "MANUAL_UPLOAD"}
        return await spaces.create(transaction, values, [], "tests")


async def create(database: Database, objects: Objects, workspace: int, space: int, path: Path) -> int:
    """An asset of a file, as the server makes it: stored again as often as it is swept in between."""
    storage = Storage(database, objects)
    while True:
        with path.open("r+b") as file:
            stored = await storage.take_in(workspace, file, IMAGE, path.name)
        try:
            async with database.write(workspace) as transaction:
                new = NewAsset(IMAGE, file=stored)
                return (await writing.create(transaction, space, new, "tests", skip_duplicate_check=True)).asset_id
        except Vanished:
            continue


async def remove(database: Database, workspace: int, asset: int) -> None:
    async with database.write(workspace) as transaction:
        await writing.delete(transaction, asset, hard=True, force=True)


async def hold(database: Database, workspace: int, *paths: str) -> None:
    """Announces objects whose time has passed."""
    async with database.write(workspace) as transaction:
        await blobs.hold(transaction, paths, datetime.now(UTC) - timedelta(seconds=1))


async def held(database: Database) -> set[str]:
    """The paths that blobs of live assets name."""
    asked = text(
        "SELECT unnest(array_remove(ARRAY[path, thumbnail_path], NULL)) AS path FROM blobs WHERE EXISTS (SELECT FROM assets "
        "WHERE assets.workspace_id = blobs.workspace_id AND assets.sha256 = blobs.sha256)"
    )
    async with database.everywhere() as transaction:
        return {row.path for row in await transaction.rows(asked)}


async def loose(database: Database) -> list[str]:
    async with database.everywhere() as transaction:
        return [row.path for row in await transaction.rows(text("SELECT path FROM loose_objects ORDER BY path"))]


async def stored(database: Database, objects: Objects, workspace: int, asset: int) -> bytes:
    """The bytes of an asset."""
    asked = text("SELECT path FROM blobs JOIN assets USING (workspace_id, sha256) WHERE assets.id = :id")
    async with database.write(workspace) as transaction:
        return await objects.read(await transaction.scalar(asked, {"id": asset}))


def pictures(folder: Path, number: int) -> list[Path]:
    """Files of different pictures."""
    paths = [folder / f"{seed}.png" for seed in range(1, number + 1)]
    for seed, path in enumerate(paths, 1):
        path.write_bytes(picture(seed))
    return paths


async def test_what_no_asset_holds_is_removed_after_a_day(
    database: Database, workspace: int, space: int, objects: Objects, root: Path, tmp_path: Path
) -> None:
    one, other = pictures(tmp_path, 2)
    gone = await create(database, objects, workspace, space, one)
    kept = await create(database, objects, workspace, space, other)
    copy = await create(database, objects, workspace, space, other)
    async with database.write(workspace) as transaction:
        await writing.delete(transaction, kept, hard=False, force=False)
    await remove(database, workspace, copy)  # the other one can still be restored
    await remove(database, workspace, gone)
    assert await sweep(database, objects) == Swept()
    assert len(await objects.listed("assets")) == 4
    assert await sweep(database, objects, datetime.now(UTC) + LATER) == Swept(blobs=1, objects=2)
    assert set(await objects.listed("assets")) == await held(database)
    assert len(list((root / "assets" / str(workspace)).iterdir())) == 1  # no empty folder stays
    assert await sweep(database, objects, datetime.now(UTC) + LATER) == Swept()


async def test_bytes_that_come_again_keep_their_blob(
    database: Database, workspace: int, space: int, objects: Objects, tmp_path: Path
) -> None:
    (path,) = pictures(tmp_path, 1)
    await remove(database, workspace, await create(database, objects, workspace, space, path))
    before = await objects.listed("assets")
    await create(database, objects, workspace, space, path)
    assert await sweep(database, objects, datetime.now(UTC) + LATER) == Swept()
    assert (await objects.listed("assets"), len(before)) == (before, 2)


async def test_uploads_that_were_not_completed_are_removed(
    database: Database, workspace: int, space: int, objects: Objects
) -> None:
    for number, hours in enumerate((-1, 1)):
        values = {
            "file_name": "a.mp4",
            "size_bytes": 5,
            "path": f"uploads/{workspace}/{number}",
            "created_by": "tests",
            "expires_at": datetime.now(UTC) + timedelta(hours=hours),
        }
        async with database.write(workspace) as transaction:
            await uploads.begin(transaction, space, values)
        await objects.put(values["path"], BytesIO(b"bytes"))  # type: ignore[arg-type]
    assert await sweep(database, objects) == Swept(uploads=1)  # whoever began to send in time may take longer
    async with database.everywhere() as transaction:
        await transaction.run(text("UPDATE loose_objects SET expires_at = now() WHERE path LIKE '%/0'"))
    assert await sweep(database, objects) == Swept(objects=1)
    assert await objects.listed("uploads") == await loose(database) == [f"uploads/{workspace}/1"]


async def test_an_object_that_cannot_be_removed_does_not_stand_before_others(
    database: Database, workspace: int, objects: Objects, root: Path
) -> None:
    (root / "a" / "full").mkdir(parents=True)  # no file, and so it cannot be unlinked
    await hold(database, workspace, "a", "b", "c")
    await objects.put("b", BytesIO(b"."))
    (root / "b#1").write_bytes(b"what a server that was killed left of it")
    assert await sweep(database, objects) == Swept(objects=2, failures=1)
    assert (await loose(database), await objects.listed("")) == (["a"], [])
    assert await sweep(database, objects) == Swept()  # for now
    async with database.everywhere() as transaction:
        assert await transaction.scalar(text("SELECT expires_at > now() FROM loose_objects")) is True


async def test_nothing_that_is_used_is_lost_beside_sweepers(
    database: Database, workspace: int, space: int, objects: Objects, tmp_path: Path
) -> None:
    shared, own = pictures(tmp_path, 2)
    swept = Swept()

    async def change(path: Path) -> None:
        for step in range(8):
            asset = await create(database, objects, workspace, space, path)
            assert await stored(database, objects, workspace, asset) == path.read_bytes()
            if step < 7:
                await remove(database, workspace, asset)
                one = await sweep(database, objects, datetime.now(UTC) + LATER)
                swept.blobs += one.blobs

    await asyncio.gather(*(change(path) for path in (shared, shared, shared, own)))
    await sweep(database, objects, datetime.now(UTC) + LATER)
    assert swept.blobs > 0
    # What was stored for a blob that vanished in that moment stays loose for a day.
    kept = await held(database)
    assert set(await objects.listed("assets")) == kept | set(await loose(database))
    assert len(kept) == 4
    assert {await objects.read(path) for path in kept if "thumb" not in path} == {
        path.read_bytes() for path in (shared, own)
    }


async def test_a_worker_sweeps(database_url: str, database: Database, workspace: int, objects: Objects) -> None:
    await hold(database, workspace, "x")
    await objects.put("x", BytesIO(b"."))
    worker = Worker(database_url, database, objects, timedelta(hours=1))
    running = asyncio.create_task(worker.run())
    while await loose(database):  # noqa: ASYNC110 - what is waited for is the table
        await asyncio.sleep(0.02)
    worker.stop()
    await running
    assert await objects.listed("") == []
