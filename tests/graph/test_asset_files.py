"""Files of assets by signed links, shown or saved under their names, and sent to signed links."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio
from starlette.types import Message

from db.engine import Database
from graph.files import Links, safe_name
from jobs.objects import Objects
from tests.api import Api, build
from tests.conftest import UrlOf, admin
from tests.exports import put_file
from tests.stores import BUCKET, environment, s3
from tests.uploads import MIB, a_full_disk, open_files, raw, zeros

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONTENT = bytes(range(256))
PATH = "uploads/1/abc"
CHANGED = (403, "This link was not made here, or was changed.")


class World:
    """An application, and the folder of its objects."""

    def __init__(self, api: Api, data_dir: Path) -> None:
        self.api, self.data_dir, self.objects = api, data_dir, data_dir / "objects"
        self.links: Links = api._state.links

    async def link(self, path: str, name: str | None) -> str:
        """The link to a file, without the server."""
        reads = self.api.database.reads(1)
        try:
            [found] = await self.links.file_links(reads, [(path, name)])
        finally:
            await reads.close()
        return _here(found)

    async def upload_link(self, size: int, path: str = PATH, seconds: int = 60) -> str:
        """The link to send a file to, without the server."""
        reads = self.api.database.reads(1)
        try:
            return _here(await self.links.upload_link(reads, path, size, seconds))
        finally:
            await reads.close()

    async def put(self, url: str, body: bytes | AsyncIterator[bytes]) -> tuple[int, str]:
        """Sends a file to a link."""
        answer = await self.api.client.put(url, content=body)
        return answer.status_code, answer.text

    def kept(self) -> dict[str, bytes]:
        """All files of uploads."""
        root = self.objects / "uploads"
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


def _here(url: str) -> str:
    return url[url.index("/", len("https://")) :]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database_url(url_of: UrlOf, template: str) -> AsyncIterator[str]:
    """One database for all."""
    name = f"groundswell_asset_files_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield url_of(name)
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="module")
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The application with an empty folder."""
    async with build(database_url, tmp_path) as api:
        yield World(api, tmp_path)


@pytest.mark.parametrize(
    ("end", "kind", "how"),
    [
        ("png", "image/png", "inline"),
        ("jpg", "image/jpeg", "inline"),
        ("gif", "image/gif", "inline"),
        ("webp", "image/webp", "inline"),
        ("avif", "image/avif", "inline"),
        ("mp4", "video/mp4", "inline"),
        ("webm", "video/webm", "inline"),
        ("mp3", "audio/mpeg", "inline"),
        ("ogg", "audio/ogg", "inline"),
        ("pdf", "application/pdf", "inline"),
        ("svg", "application/octet-stream", "attachment"),
        ("html", "application/octet-stream", "attachment"),
        ("xml", "application/octet-stream", "attachment"),
        ("js", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
async def test_only_what_cannot_run_is_shown(world: World, end: str, kind: str, how: str) -> None:
    """Whatever its sender called it: the end of the path says what it is."""
    put_file(world.data_dir, f"assets/a.{end}", CONTENT)
    answer = await world.api.client.get(await world.link(f"assets/a.{end}", "b.png"))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    shown = (
        "content-type",
        "content-disposition",
        "x-content-type-options",
        "cache-control",
        "content-security-policy",
    )
    assert [answer.headers[name] for name in shown] == [
        kind,
        f'{how}; filename="b.png"',
        "nosniff",
        "private",
        "default-src 'none'; sandbox",
    ]


async def test_a_film_is_shown_part_by_part(world: World) -> None:
    put_file(world.data_dir, "assets/a.mp4", CONTENT)
    answer = await world.api.client.get(await world.link("assets/a.mp4", "film.mp4"), headers={"range": "bytes=250-"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (
        206,
        CONTENT[250:],
        "bytes 250-255/256",
    )
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


NAMES = [
    ("Spring sale.png", "Spring sale.png"),
    ("Frühling 漢字.png", "Frühling 漢字.png"),
    ("../../etc/passwd", "passwd"),
    ("C:\\Users\\ada\\a.png", "a.png"),
    ("/", "file"),
    ("..", "file"),
    ("", "file"),
    (".env", "env"),
    ('a"; filename=b.html\r\nSet-Cookie: x=1\r\n\r\n.png', 'a"; filename=b.htmlSet-Cookie: x=1.png'),
    ("exe\u202egnp.scr", "exegnp.scr"),
    ("a\0\x7f\x85\u2028.png", "a.png"),
    ("\U0001f469\u200d\U0001f680.png", "\U0001f469\u200d\U0001f680.png"),
    ("x" * 300 + ".png", "x" * 196 + ".png"),
    ("x." + "y" * 300, "x." + "y" * 198),
]


async def test_a_file_is_saved_under_its_name(world: World) -> None:
    put_file(world.data_dir, "assets/a.png", CONTENT)
    for given, name in NAMES:
        assert safe_name(given) == name
        answer = await world.api.client.get(await world.link("assets/a.png", given))
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    client = world.api.client
    answers = [await client.get(await world.link("assets/a.png", given)) for given, _ in (NAMES[0], NAMES[1], NAMES[8])]
    assert [one.headers["content-disposition"] for one in answers] == [
        'inline; filename="Spring sale.png"',
        "inline; filename=\"Fr_hling __.png\"; filename*=UTF-8''Fr%C3%BChling%20%E6%BC%A2%E5%AD%97.png",
        'inline; filename="a_; filename=b.htmlSet-Cookie: x=1.png"; '
        "filename*=UTF-8''a%22%3B%20filename%3Db.htmlSet-Cookie%3A%20x%3D1.png",
    ]


async def test_a_name_cannot_be_changed(world: World) -> None:
    put_file(world.data_dir, "assets/a.png", CONTENT)
    named, nameless = await world.link("assets/a.png", "a.png"), await world.link("assets/a.png", None)
    changed = [named.replace("name=a.png", "name=a.html"), named.replace("name=a.png&", ""), nameless + "&name=a.png"]
    for url in changed:
        answer = await world.api.client.get(url)
        assert (answer.status_code, answer.text) == CHANGED
    assert (await world.api.client.get(nameless)).headers["content-disposition"] == 'inline; filename="a.png"'


async def test_what_is_open_to_everybody_has_links_for_ever(database_url: str, tmp_path: Path, world: World) -> None:
    assert world.links.public("assets/a.png") is None
    async with build(database_url, tmp_path, OBJECT_STORE_PUBLIC_URL="https://cdn.example.com/a/") as api:
        assert api._state.links.public("assets/1/ä b.png") == "https://cdn.example.com/a/assets/1/%C3%A4%20b.png"


async def test_a_file_is_sent_to_a_link(world: World) -> None:
    url = await world.upload_link(256)
    parts = urlsplit(url)
    assert (parts.path, dict(parse_qsl(parts.query))["size"]) == ("/uploads/1/abc", "256")
    assert await world.put(url, CONTENT) == (200, "")
    assert world.kept() == {"1/abc": CONTENT}
    assert await world.put(url, CONTENT[::-1]) == (200, "")  # again, until it is completed
    assert world.kept() == {"1/abc": CONTENT[::-1]}


async def test_a_file_is_sent_whole_or_not_at_all(world: World) -> None:
    url = await world.upload_link(256)
    more = (413, "This upload has 256 bytes, and more were sent. Nothing was kept.")
    fewer = (400, "This upload has 256 bytes, and 255 were sent. Nothing was kept.")
    for body, said in ((CONTENT + b"x", more), (CONTENT[1:], fewer)):
        assert await world.put(url, body) == said  # by what is announced
        assert await world.put(url, _streamed(body)) == said  # by what comes
    assert world.kept() == {}
    assert await world.put(url, CONTENT) == (200, "")
    assert await world.put(url, CONTENT[1:]) == fewer
    assert world.kept() == {"1/abc": CONTENT}


async def _streamed(body: bytes) -> AsyncIterator[bytes]:
    yield body[:100]
    yield body[100:]


async def test_an_upload_that_was_interrupted_leaves_nothing(world: World) -> None:
    parts, before = urlsplit(await world.upload_link(4 * MIB)), open_files()
    came: list[Message] = [
        {"type": "http.request", "body": bytes(2 * MIB), "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = {"method": "PUT", "path": parts.path, "query_string": parts.query.encode(), "headers": []}
    _, seen = await raw(world.api, scope, came)
    assert (seen, world.kept(), open_files()) == (2, {}, before)


async def test_what_a_killed_server_left_is_removed(world: World) -> None:
    put_file(world.data_dir, "uploads/.unfinished/old", b"1")
    put_file(world.data_dir, "uploads/.unfinished/new", b"2")
    ago = time.time() - 2 * 60 * 60
    os.utime(world.objects / "uploads/.unfinished/old", (ago, ago))
    await world.put(await world.upload_link(256), CONTENT)
    assert world.kept() == {"1/abc": CONTENT, ".unfinished/new": b"2"}


async def test_uploads_at_once_do_not_mix(world: World) -> None:
    url, size = await world.upload_link(2 * MIB), 2 * MIB
    bodies = [bytes([number]) * size for number in range(4)]
    answers = await asyncio.gather(*(world.put(url, body) for body in bodies))
    assert answers == [(200, "")] * 4
    assert list(world.kept()) == ["1/abc"]
    assert world.kept()["1/abc"] in bodies


@pytest.mark.parametrize("change", [{"size": "257"}, {"size": "²"}, {"expires": "9999999999"}, {"signature": "x"}])
async def test_a_link_for_an_upload_cannot_be_changed(world: World, change: dict[str, str]) -> None:
    parts = urlsplit(await world.upload_link(256))
    query = {**dict(parse_qsl(parts.query)), **change}
    answers = [await world.api.client.put(parts.path, params=query, content=CONTENT)]
    answers.append(await world.api.client.put("/uploads/1/other", params=dict(parse_qsl(parts.query)), content=CONTENT))
    assert [(one.status_code, one.text) for one in answers] == [CHANGED] * 2
    assert world.kept() == {}


async def test_links_to_files_and_for_uploads_are_not_mixed_up(world: World) -> None:
    """Who may send a file may not read what lies there, and the other way round."""
    put_file(world.data_dir, PATH, CONTENT)
    sending, reading = await world.upload_link(256), await world.link(PATH, None)
    answers = [
        await world.api.client.get(sending.replace("/uploads/", "/files/uploads/", 1)),
        await world.api.client.put(reading.replace("/files/uploads/", "/uploads/", 1) + "&size=256", content=CONTENT),
    ]
    assert [(one.status_code, one.text) for one in answers] == [CHANGED] * 2
    assert (await world.api.client.get(sending)).status_code == 405


async def test_a_link_for_an_upload_expires(world: World) -> None:
    url = await world.upload_link(256, seconds=0)
    assert await world.put(url, CONTENT) == (403, "This link has expired. Prepare another upload.")
    assert world.kept() == {}


@pytest.mark.parametrize(
    "path", ["assets/a.png", "uploads", "uploads/", "uploads/../a", "uploads/a/../../b", "uploads//a", "uploads/.unfinished/a"]
)  # fmt: skip
async def test_nothing_is_sent_elsewhere(world: World, path: str) -> None:
    with pytest.raises(ValueError, match="nothing is sent to"):
        await world.upload_link(1, path)


async def test_a_large_upload_needs_little_memory(world: World) -> None:
    seen: list[int] = []
    assert await world.put(await world.upload_link(200 * MIB), zeros(200 * MIB, seen=seen)) == (200, "")
    assert max(seen) - seen[0] < 32 * MIB
    assert (world.objects / PATH).stat().st_size == 200 * MIB


async def test_a_full_disk_is_told_and_left_as_it_was(world: World) -> None:
    url = await world.upload_link(4 * MIB)
    with a_full_disk(2 * MIB):
        answer = await world.put(url, zeros(4 * MIB))
    assert answer == (507, "There is no room left for files. Nothing was kept: send it again later.")
    assert world.kept() == {}


async def test_a_store_that_signs_takes_uploads_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3() as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        objects, database = Objects.at(f"s3://{BUCKET}/below"), Database(database_url)
        links = Links(objects, database, "http://nowhere", 60)
        reads = database.reads(1)
        url = await links.upload_link(reads, PATH, 256, 90)
        [found] = await links.file_links(reads, [(PATH, "a.png")])
        await reads.close()
        await database.close()
        assert (url.startswith(f"{address}/{BUCKET}/below/{PATH}?"), _query(url)["X-Amz-Expires"]) == (True, "90")
        async with httpx.AsyncClient() as anybody:
            assert (await anybody.put(url, content=CONTENT)).status_code == 200
            assert await objects.read(PATH) == CONTENT
            assert (await anybody.get(found)).content == CONTENT
        assert links.place(PATH) is None


def _query(url: str) -> dict[str, Any]:
    return dict(parse_qsl(urlsplit(url).query))
