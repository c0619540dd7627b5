"""Files are stored once, byte for byte, in a folder and in S3; what fails leaves nothing that the sweeper does not find."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from db.engine import Database
from db.errors import Refused
from db.models.asset_items import NewAsset, StoredFile
from db.models.asset_kinds import AssetType
from db.queries.assets import writing
from db.queries.spaces import writing as spaces
from jobs.assets.storing import Storage
from jobs.assets.sweeping import Swept, sweep
from jobs.objects import NoRoom, Objects, ObjectsError, Patience
from tests.creatives import picture
from tests.stores import BUCKET, Proxy, environment, proxied, s3

QUICK = Patience(tries=1)
IMAGE, DOCUMENT, OTHER = AssetType.IMAGE, AssetType.DOCUMENT, AssetType.OTHER
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as address:
        yield address


@pytest.fixture
async def proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """Before the endpoint; the environment leads there."""
    async with proxied(endpoint) as made:
        for name, value in environment(made.address).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def bucket(proxy: Proxy) -> Objects:
    assert proxy.address
    return Objects.at(f"s3://{BUCKET}/{uuid4().hex}", QUICK)


@pytest.fixture
def folder(tmp_path: Path) -> Objects:
    return Objects.at((tmp_path / "objects").as_uri(), QUICK)


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest) -> Objects:
    made: Objects = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def space(database: Database, workspace: int) -> int:
    async with database.write(workspace) as transaction:
        values = {"name": "Spring", "platform": "META", "import_source": "MANUAL_UPLOAD"}
        return await spaces.create(transaction, values, [], "tests")


async def take_in(
    database: Database,
    objects: Objects,
    workspace: int,
    content: bytes,
    kind: AssetType = IMAGE,
    name: str | None = None,
) -> StoredFile:
    """Takes bytes in as the server does: from a file that is on the disk once it is large."""
    with SpooledTemporaryFile(max_size=MIB) as file:
        file.write(content)
        return await Storage(database, objects).take_in(workspace, cast("BinaryIO", file), kind, name)


async def keep(database: Database, workspace: int, space: int, file: StoredFile) -> None:
    """Makes an asset of a file."""
    async with database.write(workspace) as transaction:
        await writing.create(transaction, space, NewAsset(OTHER, file=file), "tests", skip_duplicate_check=True)


async def loose(database: Database) -> list[str]:
    """The paths of objects that no blob has."""
    async with database.everywhere() as transaction:
        return [row.path for row in await transaction.rows(text("SELECT path FROM loose_objects ORDER BY path"))]


async def expire(database: Database) -> None:
    async with database.everywhere() as transaction:
        await transaction.run(text("UPDATE loose_objects SET expires_at = now()"))


async def test_equal_bytes_are_stored_once(database: Database, workspace: int, space: int, objects: Objects) -> None:
    content = picture()
    first = await take_in(database, objects, workspace, content, name="../../a.exe")
    assert (first.is_known, first.content_type, first.size_bytes, first.width) == (False, "image/png", len(content), 64)
    beginning = f"assets/{workspace}/{first.sha256}/"
    assert first.path.startswith(beginning)
    assert (first.path[-4:], first.thumbnail_path) == (".png", f"{first.path[:-4]}.thumb.webp")
    assert await loose(database) == sorted([first.path, first.thumbnail_path or ""])
    await keep(database, workspace, space, first)
    second = await take_in(database, objects, workspace, content)
    assert second.is_known
    assert (second.path, second.width, second.image_hash) == (first.path, 64, first.image_hash)
    assert await objects.read(first.path) == content
    assert (await objects.read(first.thumbnail_path or ""))[8:12] == b"WEBP"
    assert (await loose(database), len(await objects.listed(beginning))) == ([], 2)


async def test_another_workspace_has_bytes_of_its_own(
    database: Database, workspace: int, other_workspace: int, space: int, folder: Objects
) -> None:
    await keep(database, workspace, space, await take_in(database, folder, workspace, picture()))
    assert not (await take_in(database, folder, other_workspace, picture())).is_known


async def test_a_store_knows_what_may_be_shown(database: Database, workspace: int, bucket: Objects) -> None:
    said = {}
    for kind, content in (
        (IMAGE, picture()),
        (DOCUMENT, b"a,b\n"),
        (OTHER, b"<html>"),
        (IMAGE, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ):
        stored = await take_in(database, bucket, workspace, content, kind, "a.csv")
        async with httpx.AsyncClient() as client:
            got = await client.get(await bucket.sign(stored.path, timedelta(minutes=1)) or "")
        assert got.content == content
        said[stored.content_type] = (got.headers["content-type"], got.headers["content-disposition"])
    assert said == {
        "image/png": ("image/png", "inline"),
        "text/csv": ("text/csv", "attachment"),
        "text/html": ("application/octet-stream", "attachment"),
        "image/svg+xml": ("application/octet-stream", "attachment"),
    }


async def test_what_is_refused_is_not_stored(database: Database, workspace: int, folder: Objects) -> None:
    for content, kind in ((b"%PDF-1.7", IMAGE), (picture()[:-20], IMAGE), (b"", OTHER), (b"<html>", DOCUMENT)):
        with pytest.raises(Refused):
            await take_in(database, folder, workspace, content, kind, "a.png")
    assert (await loose(database), await folder.listed("")) == ([], [])


async def test_bytes_that_are_known_are_judged_by_the_type(
    database: Database, workspace: int, space: int, folder: Objects
) -> None:
    broken = picture()[:-20]
    for content, kind in ((picture(), IMAGE), (broken, OTHER)):
        await keep(database, workspace, space, await take_in(database, folder, workspace, content, kind))
    with pytest.raises(Refused, match="of which no asset of the type DOCUMENT is made"):
        await take_in(database, folder, workspace, picture(), DOCUMENT)
    with pytest.raises(Refused, match="truncated or broken"):
        await take_in(database, folder, workspace, broken, IMAGE)
    assert (await take_in(database, folder, workspace, broken, OTHER)).is_known


async def test_a_store_that_fails_leaves_nothing_that_is_not_swept(
    database: Database, workspace: int, bucket: Objects, proxy: Proxy
) -> None:
    proxy.fault = lambda method, path: 403 if method == "PUT" and ".thumb." in path else None
    with pytest.raises(ObjectsError, match="could not be reached, or refused"):
        await take_in(database, bucket, workspace, picture())
    assert (len(await loose(database)), len(await bucket.listed("assets"))) == (2, 1)
    assert await sweep(database, bucket) == Swept()  # it may still be on its way
    await expire(database)
    assert await sweep(database, bucket) == Swept(objects=2)
    assert (await loose(database), await bucket.listed("assets")) == ([], [])


async def test_what_was_sent_before_is_checked(
    database: Database, workspace: int, objects: Objects, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    storage, content, path = Storage(database, objects, temporary), picture(), "uploads/1/x"

    async def complete(size: int, sha256: str | None = None) -> StoredFile:
        return await storage.take_in_staged(workspace, path, size, sha256, IMAGE, "a.png")

    async def problem(size: int, sha256: str | None = None) -> tuple[str, str, tuple[str, ...]]:
        with pytest.raises(Refused) as raised:
            await complete(size, sha256)
        (one,) = raised.value.problems
        return one.code, one.message.partition(".")[0], one.field

    assert await problem(9) == ("INVALID", "Nothing has come yet", ("upload_id",))
    await objects.put(path, BytesIO(content))
    more, less = len(content) - 1, len(content) + 1
    assert await problem(more) == ("INVALID", f"More came than the {more:,} bytes that were said", ("upload_id",))
    assert await problem(less) == ("INVALID", f"{len(content):,} bytes came, and {less:,} were said", ("upload_id",))
    assert (await problem(len(content), "0" * 64))[1].endswith(f"and was to be {'0' * 64}")
    assert (await problem(65 * MIB))[0] == "TOO_LARGE"
    stored = await complete(len(content))
    assert await complete(len(content), stored.sha256) != stored  # it is no blob's yet: each has objects of its own
    assert await objects.read(stored.path) == content
    assert list(temporary.iterdir()) == []


async def test_a_large_file_needs_little_memory(
    database: Database, workspace: int, folder: Objects, tmp_path: Path
) -> None:
    size = 300 * MIB
    sent = folder.local_path("uploads/1/large")
    assert sent is not None
    sent.parent.mkdir(parents=True)
    with sent.open("wb") as file:
        file.truncate(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (tmp_path / "fetched").open("w+b") as file:
        assert await folder.fetch("uploads/1/large", file, size) == size
        stored = await Storage(database, folder).take_in(workspace, file, OTHER, None)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    found = folder.local_path(stored.path)
    assert found is not None
    assert (found.stat().st_size, stored.size_bytes, stored.content_type) == (size, size, "application/octet-stream")
    assert grown < 48


async def test_a_full_disk_is_said_and_leaves_nothing(
    database: Database, workspace: int, bucket: Objects, tmp_path: Path
) -> None:
    content = picture() + os.urandom(2 * MIB)
    await bucket.put("uploads/1/x", BytesIO(content))
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, was[1]))  # what is written beyond fails as on a full disk
    try:
        with pytest.raises(NoRoom, match="no room for the file on the server's disk"):
            await Storage(database, bucket, tmp_path).take_in_staged(
                workspace, "uploads/1/x", len(content), None, OTHER, None
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
    assert (list(tmp_path.iterdir()), await loose(database)) == ([], [])


async def test_who_is_called_off_leaves_what_is_swept(
    database: Database, workspace: int, bucket: Objects, proxy: Proxy
) -> None:
    proxy.fault = lambda method, path: 0 if method == "PUT" and ".thumb." in path else None
    taking = asyncio.create_task(take_in(database, bucket, workspace, picture()))
    await proxy.stalled.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert len(await loose(database)) == 2
    await expire(database)
    assert await sweep(database, bucket) == Swept(objects=2)
    assert await bucket.listed("assets") == []
