"""Files by signed links: for a while, in parts if one likes, and never anything else of the disk."""

import time
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from moto.server import ThreadedMotoServer

from db.engine import Database
from db.models.exports import JobStatus
from graph.files import Links
from graph.ids import encode
from jobs.objects import Objects
from tests.api import Api, build
from tests.exports import path_of, put_file, put_job
from tests.facts import create_campaign

CONTENT = bytes(range(256)) * 4
PARTS = "query ($id: ID!) { exportJob(id: $id) { manifestUrl parts { name url } } }"


@pytest.fixture
async def job(api: Api, database: Database, workspace: int, tmp_path: Path) -> int:
    """An export of one file that is there."""
    job = await put_job(database, workspace, await create_campaign(api), JobStatus.SUCCEEDED, [CONTENT])
    put_file(tmp_path, path_of(workspace, job, 0), CONTENT)
    return job


@pytest.fixture
async def url(api: Api, job: int) -> str:
    """The link to that file."""
    found = (await api.data(PARTS, id=encode("ExportJob", job)))["exportJob"]
    assert found["parts"][0]["name"] == "part-00000.csv"
    address: str = found["parts"][0]["url"]
    return address


@pytest.fixture
def links(database: Database, tmp_path: Path) -> Links:
    """What makes links in another process of the same database."""
    return Links(Objects.at((tmp_path / "objects").as_uri()), database, "http://elsewhere", 900)


async def link(links: Links, path: str) -> str:
    """A link of that other process."""
    reads = links._database.reads(1)
    try:
        [found] = await links.links(reads, [path])
    finally:
        await reads.close()
    return found


def here(url: str) -> str:
    """A link without the server that it leads to."""
    return url[url.index("/files/") :]


async def get(api: Api, url: str, **headers: str) -> httpx.Response:
    """What a link answers to somebody without a token."""
    return await api.client.get(here(url), headers=headers)


async def test_a_link_needs_no_token(api: Api, url: str) -> None:
    answer = await get(api, url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    shown = ("content-type", "content-length", "content-disposition", "x-content-type-options", "cache-control")
    assert [answer.headers[name] for name in shown] == [
        "text/csv; charset=utf-8",
        "1024",
        'attachment; filename="part-00000.csv"',
        "nosniff",
        "private",
    ]


async def test_its_size_can_be_asked_for(api: Api, url: str) -> None:
    answer = await api.client.head(here(url))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "1024")


@pytest.mark.parametrize(
    ("asked", "status", "content", "answered"),
    [
        ("bytes=0-9", 206, CONTENT[:10], "bytes 0-9/1024"),
        ("bytes=1000-", 206, CONTENT[1000:], "bytes 1000-1023/1024"),
        ("bytes=-4", 206, CONTENT[-4:], "bytes 1020-1023/1024"),
        ("bytes=1024-", 416, b"Requested Range Not Satisfiable", "bytes */1024"),
    ],
)
async def test_a_part_of_it_can_be_asked_for(
    api: Api, url: str, asked: str, status: int, content: bytes, answered: str
) -> None:
    answer = await get(api, url, range=asked)
    assert (answer.status_code, answer.headers["content-range"]) == (status, answered)
    assert answer.content == content or status == 416


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.jsonl", "application/x-ndjson"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("manifest.json", "application/json"),
        ("a.html", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
async def test_a_file_is_of_the_kind_that_its_name_says(
    api: Api, links: Links, tmp_path: Path, name: str, kind: str
) -> None:
    put_file(tmp_path, name, b"x")
    assert (await get(api, await link(links, name))).headers["content-type"] == kind


async def test_the_manifest_has_a_link_too(api: Api, job: int, workspace: int, tmp_path: Path) -> None:
    put_file(tmp_path, f"exports/{workspace}/manifest.json", b"{}")
    address = (await api.data(PARTS, id=encode("ExportJob", job)))["exportJob"]["manifestUrl"]
    assert (await get(api, address)).json() == {}


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "ä"},
        {"expires": ""},
        {"expires": "9999999999"},
        {"expires": "-1"},
        {"expires": "9" * 5000},
        {"expires": "²"},
    ],
)
async def test_a_link_that_was_changed_is_refused(api: Api, url: str, change: dict[str, str]) -> None:
    parts = urlsplit(url)
    answer = await api.client.get(parts.path, params={**dict(parse_qsl(parts.query)), **change})
    assert (answer.status_code, answer.text) == (403, "This link was not made here, or was changed.")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_link_is_to_one_file(api: Api, url: str, workspace: int, job: int, tmp_path: Path) -> None:
    put_file(tmp_path, path_of(workspace, job, 1), b"another")
    for path in (path_of(workspace, job, 1), path_of(workspace, job, 2)):  # there or not, it says the same
        answer = await api.client.get(f"/files/{path}?{urlsplit(url).query}")
        assert (answer.status_code, answer.text) == (403, "This link was not made here, or was changed.")


async def test_without_a_signature_there_is_nothing(api: Api, url: str) -> None:
    assert (await api.client.get(urlsplit(url).path)).status_code == 403
    assert (await api.client.get("/files/")).status_code == 403
    assert (await api.client.post(here(url))).status_code == 405


async def test_a_link_expires(
    api: Api, links: Links, job: int, workspace: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = await link(links, path_of(workspace, job, 0))
    ends = int(dict(parse_qsl(urlsplit(address).query))["expires"])
    assert time.time() + 800 < ends <= time.time() + 900
    monkeypatch.setattr("graph.routes.files.time.time", lambda: ends - 1.0)
    assert (await get(api, address)).status_code == 200
    monkeypatch.setattr("graph.routes.files.time.time", lambda: float(ends))
    answer = await get(api, address)
    assert (answer.status_code, answer.text) == (403, "This link has expired. Ask for the file's url again.")


async def test_a_file_that_is_gone_is_not_found(api: Api, links: Links, workspace: int, job: int) -> None:
    answer = await get(api, await link(links, path_of(workspace, job, 7)))
    assert (answer.status_code, answer.text) == (404, "The file is no longer here.")


@pytest.mark.parametrize(
    "path", ["../jwt-secret", "exports/../../jwt-secret", "/etc/passwd", "exports", "", ".", "out", "a\0b"]
)
async def test_nothing_outside_is_ever_sent(api: Api, links: Links, tmp_path: Path, path: str) -> None:
    """Not even by a link that is good."""
    put_file(tmp_path, "exports/a.csv", b"x")
    (tmp_path / "jwt-secret").write_text("secret")
    (tmp_path / "objects" / "out").symlink_to(tmp_path / "jwt-secret")
    query = urlsplit(await link(links, path)).query
    answer = await _raw(api, f"/files/{path}", query)
    assert (answer["status"], answer["body"]) == (404, b"The file is no longer here.")


async def _raw(api: Api, path: str, query: str) -> dict[str, Any]:
    """Asks for a path as it is: clients would work out its dots."""
    transport: Any = api.client._transport
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
    }
    found: dict[str, Any] = {"body": b""}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        found["status"] = message.get("status", found.get("status"))
        found["body"] += message.get("body", b"")

    await transport.app(scope, receive, send)
    return found


async def test_the_address_and_the_time_can_be_set(database_url: str, workspace: int, tmp_path: Path) -> None:
    settings = {"PUBLIC_URL": "https://gs.example.com", "FILE_LINK_SECONDS": "60"}
    async with build(database_url, tmp_path, **settings) as api:
        job = await put_job(api.database, workspace, await create_campaign(api), contents=[CONTENT])
        put_file(tmp_path, path_of(workspace, job, 0), CONTENT)
        found = (await api.data(PARTS, id=encode("ExportJob", job)))["exportJob"]["parts"][0]["url"]
        assert found.startswith(f"https://gs.example.com/files/{path_of(workspace, job, 0)}?expires=")
        assert int(dict(parse_qsl(urlsplit(found).query))["expires"]) <= time.time() + 60
        assert (await get(api, found)).content == CONTENT


async def test_a_store_that_can_sign_answers_its_links_itself(
    database_url: str, workspace: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    environment = {"ENDPOINT_URL": address, "ALLOW_HTTP": "true", "REGION": "us-east-1"}
    secrets = {"ACCESS_KEY_ID": "known", "SECRET_ACCESS_KEY": "never shown"}
    for name, value in {**environment, **secrets}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    try:
        async with httpx.AsyncClient() as anybody:
            await anybody.put(f"{address}/bucket")
        settings = {"OBJECT_STORE_URL": "s3://bucket/below", "FILE_LINK_SECONDS": "60"}
        async with build(database_url, tmp_path, **settings) as api:
            job = await put_job(api.database, workspace, await create_campaign(api), contents=[CONTENT])
            await Objects.at("s3://bucket/below").put(path_of(workspace, job, 0), BytesIO(CONTENT))
            found = (await api.data(PARTS, id=encode("ExportJob", job)))["exportJob"]["parts"][0]["url"]
        query = dict(parse_qsl(urlsplit(found).query))
        assert found.startswith(f"{address}/bucket/below/{path_of(workspace, job, 0)}?")
        assert (query["X-Amz-Expires"], "never shown" in found) == ("60", False)
        async with httpx.AsyncClient() as anybody:
            assert (await anybody.get(found)).content == CONTENT
    finally:
        server.stop()


async def test_links_of_another_database_are_refused(api: Api, links: Links, job: int, workspace: int) -> None:
    links._key = b"the key of another database's secret"
    assert (await get(api, await link(links, path_of(workspace, job, 0)))).status_code == 403
