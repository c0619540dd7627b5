"""Object stores: a folder and a real S3 endpoint over HTTP, with its failures."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from jobs.objects import BadObjectUrl, Objects, ObjectsError, Patience, TooManyBytes
from tests.stores import BUCKET, Proxy, environment, proxied, s3

QUICK = Patience(tries=3, first=0.001)


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
    return Objects.at((tmp_path / "a folder").as_uri(), QUICK)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest) -> Objects:
    made: Objects = request.getfixturevalue(request.param)
    return made


async def test_what_is_put_can_be_read(store: Objects) -> None:
    await store.put("a/b/ä c.csv", BytesIO(b"one"))
    await store.put("a/b/ä c.csv", BytesIO(b"two"))
    assert await store.read("a/b/ä c.csv") == b"two"


async def test_what_is_not_there_is_not_found(store: Objects) -> None:
    with pytest.raises(FileNotFoundError):
        await store.read("nothing")


async def test_a_prefix_is_a_folder(store: Objects) -> None:
    for path in ("a/1/x", "a/1/y", "a/10/x"):
        await store.put(path, BytesIO(b"."))
    assert await store.listed("a/1") == ["a/1/x", "a/1/y"]
    await store.delete_all("a/1")
    assert await store.listed("a") == ["a/10/x"]
    await store.delete_all("a/1")


async def test_removing_what_is_not_there_is_no_error(store: Objects) -> None:
    await store.put("x", BytesIO(b"."))
    await store.delete(["nothing", "x"])
    with pytest.raises(FileNotFoundError):
        await store.read("x")


async def test_a_large_file_is_sent_in_parts(bucket: Objects, proxy: Proxy) -> None:
    content = os.urandom(20 * 1024 * 1024)
    await bucket.put("large.parquet", BytesIO(content))
    sent = [path for method, path in proxy.requests if method == "PUT"]
    assert sorted(path.partition("partNumber=")[2].partition("&")[0] for path in sent) == ["1", "2", "3"]
    assert await bucket.read("large.parquet") == content


async def test_an_object_is_fetched_into_a_file(store: Objects, tmp_path: Path) -> None:
    content = os.urandom(3 * 1024 * 1024)
    await store.put("x", BytesIO(content))
    with (tmp_path / "file").open("w+b") as file:
        file.write(b"what was there before" * 1_000_000)
        assert await store.fetch("x", file, len(content)) == len(content)
        file.seek(0)
        assert file.read() == content
        with pytest.raises(TooManyBytes):
            await store.fetch("x", file, len(content) - 1)
        with pytest.raises(FileNotFoundError):
            await store.fetch("nothing", file, 1)


async def test_a_download_that_fails_now_and_then_ends_well(bucket: Objects, proxy: Proxy) -> None:
    await bucket.put("x", BytesIO(b"after all"))
    proxy.requests.clear()
    proxy.fault = lambda method, _: 503 if method == "GET" and len(proxy.requests) % 4 else None
    file = BytesIO()
    assert (await bucket.fetch("x", file, 100), file.getvalue()) == (9, b"after all")


async def test_files_have_their_kind(bucket: Objects) -> None:
    await bucket.put("x.csv", BytesIO(b"a,b\r\n"))
    link = await bucket.sign("x.csv", timedelta(minutes=1))
    async with httpx.AsyncClient() as client:
        got = await client.get(link or "")
    assert (got.content, got.headers["content-type"]) == (b"a,b\r\n", "text/csv; charset=utf-8")


async def test_a_folder_signs_nothing_and_has_paths(folder: Objects, tmp_path: Path) -> None:
    await folder.put("a/x.csv", BytesIO(b"."))
    assert await folder.sign("a/x.csv", timedelta(minutes=1)) is None
    assert folder.local_path("a/x.csv") == tmp_path / "a folder" / "a" / "x.csv"
    assert (folder.can_sign, (tmp_path / "a folder").stat().st_mode & 0o077) == (False, 0)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "", ".", "a\0b", "link/secret"])
def test_no_path_leads_out_of_the_folder(folder: Objects, tmp_path: Path, path: str) -> None:
    (tmp_path / "a folder" / "link").symlink_to(tmp_path)
    assert folder.local_path(path) is None


async def test_a_bucket_has_no_paths_here(bucket: Objects) -> None:
    assert (bucket.can_sign, bucket.local_path("x")) == (True, None)


@pytest.mark.parametrize("status", [500, 503])
async def test_an_upload_that_fails_now_and_then_ends_well(bucket: Objects, proxy: Proxy, status: int) -> None:
    proxy.fault = lambda method, _: status if method == "PUT" and len(proxy.requests) % 3 else None
    await bucket.put("x.csv", BytesIO(b"after all"))
    proxy.fault = lambda _method, _path: None
    assert await bucket.read("x.csv") == b"after all"


async def test_a_part_that_fails_is_sent_again_and_the_others_are_not(bucket: Objects, proxy: Proxy) -> None:
    failed: list[str] = []

    def fault(_method: str, path: str) -> int | None:
        if "partNumber=2" not in path or failed:
            return None
        failed.append(path)
        return 503

    proxy.fault = fault
    content = os.urandom(20 * 1024 * 1024)
    await bucket.put("large.parquet", BytesIO(content))
    assert await bucket.read("large.parquet") == content
    assert sum("partNumber=1" in path for _, path in proxy.requests) == 1


async def test_a_store_that_stays_away_is_given_up(bucket: Objects, proxy: Proxy) -> None:
    proxy.fault = lambda _method, _path: 503
    with pytest.raises(ObjectsError, match="could not be reached, or refused") as raised:
        await bucket.put("x.csv", BytesIO(b"."))
    assert proxy.address not in str(raised.value)
    assert len(proxy.requests) == QUICK.tries * 3  # each request is sent three times


async def test_what_does_not_pass_is_not_tried_again(bucket: Objects, proxy: Proxy) -> None:
    proxy.fault = lambda _method, _path: 403
    with pytest.raises(ObjectsError):
        await bucket.put("x.csv", BytesIO(b"."))
    assert len(proxy.requests) == 1


async def test_a_bucket_that_is_not_there(proxy: Proxy) -> None:
    assert proxy.address
    with pytest.raises(ObjectsError, match="no such bucket"):
        await Objects.at("s3://another", QUICK).put("x.csv", BytesIO(b"."))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/folder", "must be like"),
        ("folder", "must be like"),
        ("file://folder", "three slashes"),
        ("file:///", "three slashes"),
        ("s3:///prefix", "names no bucket"),
        ("s3://key:secret@bucket", "nothing else"),
        ("s3://bucket?region=x", "nothing else"),
    ],
)
def test_an_address_that_names_no_store_is_refused(url: str, message: str) -> None:
    with pytest.raises(BadObjectUrl, match=message):
        Objects.at(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObjectsError, match="cannot be used"):
        Objects.at((tmp_path / "file" / "objects").as_uri())
