"""The page at the endpoint: who gets it, under which policy, and who is told the development token."""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.types import Scope

from db.engine import Database
from db.queries import workspaces
from graph.explorer import build, owner
from graph.explorer.page import HEADERS, Explorer, is_for_people
from graph.explorer.routes import routes
from graph.settings import Settings
from tests.api import SECRET, Api

NAME = "main-ABCD2345.js"
FROM_A_BROWSER = {
    "accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "host": "127.0.0.1:8000",
    "sec-fetch-dest": "document",
}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build leaves: its page, its manifest and a script, packed too."""
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "index.html").write_text((build.SOURCES / "index.html").read_text())
    (folder / "manifest.json").write_text(json.dumps({"script": NAME, "style": "main-ABCD2345.css"}))
    (folder / NAME).write_text("1")
    (folder / f"{NAME}.gz").write_bytes(b"packed")
    return folder


def request(headers: dict[str, str], client: tuple[str, int] = ("127.0.0.1", 40001), query: bytes = b"") -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    server = ("127.0.0.1", 8000)
    return {"type": "http", "method": "GET", "query_string": query, "headers": raw, "client": client, "server": server}


@pytest.fixture
async def demo(database: Database) -> Database:
    """A database with a workspace for demonstrations, empty."""
    await workspaces.create(database, "demo", "Demo", "UTC", "EUR")
    return database


def told(page: Any) -> Any:
    """What a page is told."""
    found = re.search(r'<script type="application/json" id="settings">(.*)</script>', page.body.decode())
    assert found is not None
    return json.loads(found[1])


async def page_of(database: Database, dist: Path, scope: Scope, **environ: str) -> Any:
    return await Explorer(Settings.from_env(environ, data_dir=dist.parent), database, "/graphql", dist).page(scope)


@pytest.mark.parametrize(
    ("headers", "query", "is_page"),
    [
        (FROM_A_BROWSER, b"", True),
        (FROM_A_BROWSER, b"theme=dark", True),
        (FROM_A_BROWSER, b"query={viewer{id}}", False),
        (FROM_A_BROWSER, b"a=b&documentId=x", False),
        ({"accept": "application/json, text/html"}, b"", False),
        ({"accept": "*/*"}, b"", False),
        ({}, b"", False),
    ],
)
def test_people_are_told_from_programs(headers: dict[str, str], query: bytes, is_page: bool) -> None:
    assert is_for_people(request(headers, query=query)) is is_page
    assert not is_for_people({**request(headers, query=query), "method": "POST"})


async def test_the_page_has_a_strict_policy_and_is_never_kept(api: Api) -> None:
    answer = await api.client.get("/graphql", headers=FROM_A_BROWSER)
    assert {name: answer.headers[name] for name in HEADERS} == {**HEADERS, "Vary": "Accept, Origin"}
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} < set(policy)
    assert "unsafe-eval" not in answer.headers["content-security-policy"]


def files_of(dist: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes(dist))), base_url="http://test")


async def test_there_is_no_other_page(api: Api) -> None:
    """What is neither for people nor an operation is refused: no page that takes its scripts from elsewhere."""
    for path, accept, status in (
        ("/graphql", "text/html, application/json", 400),
        ("/graphql?token=x", "text/html", 404),
        ("/graphql?query={viewer{subject}}", "text/html", 403),
        ("/graphql/some-document", "text/html", 403),
    ):
        response = await api.client.get(path, headers={"accept": accept})
        assert (response.status_code, [*response.json()]) == (status, ["errors"])


@pytest.mark.parametrize(("packing", "body"), [("identity", b"1"), ("gzip, br", b"packed")])
async def test_files_are_kept_for_long(dist: Path, packing: str, body: bytes) -> None:
    asked = {"accept-encoding": packing}
    async with files_of(dist) as client, client.stream("GET", f"/explorer/{NAME}", headers=asked) as answer:
        assert b"".join([part async for part in answer.aiter_raw()]) == body
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["manifest.json", "index.html", "..%2Fbuild.py", "main-ABCD2346.js", f"{NAME}.gz"])
async def test_other_files_are_not_there(dist: Path, name: str) -> None:
    async with files_of(dist) as client:
        assert (await client.get(f"/explorer/{name}")).status_code == 404


async def test_without_a_build_a_page_says_why(database: Database, tmp_path: Path) -> None:
    (tmp_path / build.PROBLEM).write_text("no <network>")
    page = await page_of(database, tmp_path, request(FROM_A_BROWSER))
    assert page.status_code == 503
    assert b"<code>make explorer</code>" in page.body
    assert b"<pre>no &lt;network&gt;</pre>" in page.body
    assert b"network&gt;" not in (await page_of(database, tmp_path, request(FROM_A_BROWSER), JWT_SECRET=SECRET)).body


async def test_a_build_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(build.BuildError, match="It needs Node 20 or newer"):
        build.build(tmp_path / "dist")
    assert (tmp_path / "dist" / build.PROBLEM).read_text().startswith("It needs Node 20 or newer")


async def test_the_development_token_is_for_the_demo(
    demo: Database, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_is_own_connection", lambda *_: True)
    found = told(await page_of(demo, dist, request(FROM_A_BROWSER)))
    claims = jwt.decode(found["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["workspace"], claims["exp"] - claims["iat"]) == ("developer", "demo", 12 * 3600)
    assert claims["scope"] == "read write ingest live admin"
    # Where tokens are signed with somebody's own secret, nobody is given one.
    assert told(await page_of(demo, dist, request(FROM_A_BROWSER), JWT_SECRET=SECRET))["token"] is None


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example:8000"},
        {"host": ""},
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-dest": "iframe"},
        {"sec-fetch-dest": "empty"},
        {"x-forwarded-for": "203.0.113.7"},
        {"via": "1.1 proxy"},
    ],
)
def test_the_token_is_kept_from_others(headers: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "_is_own_connection", lambda *_: True)
    assert owner.is_of_owner(request(FROM_A_BROWSER))
    assert owner.is_of_owner(request({**FROM_A_BROWSER, "host": "localhost:8000"}))
    assert not owner.is_of_owner(request({**FROM_A_BROWSER, **headers}))
    assert not owner.is_of_owner(request(FROM_A_BROWSER, client=("192.0.2.9", 40001)))


def test_a_connection_is_known_to_be_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, own = tmp_path / "tcp", os.geteuid()
    row = " 0: 0100007F:{:04X} 0100007F:1F40 01 00000000:00000000 00:00000000 00000000 {} 0 1\n"
    monkeypatch.setattr(owner, "_TABLES", (table,))
    table.write_text("header\n" + row.format(40001, own) + row.format(40002, own + 1))
    assert owner.is_of_owner(request(FROM_A_BROWSER))
    assert not owner.is_of_owner(request(FROM_A_BROWSER, client=("127.0.0.1", 40002)))
    assert not owner.is_of_owner(request(FROM_A_BROWSER, client=("127.0.0.1", 40003)))
