"""Scripts of other pages: those that the settings name may ask and read, all others learn nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.types import Scope

from graph.settings import Settings
from graph.transport.origins import is_welcome
from tests.api import Api, build

APP, EVIL = "https://app.example.com", "https://evil.example.com"
ALLOWED = "access-control-allow-origin"
ORIGINS = f"{APP}, http://[::1]:3000"


@pytest.fixture
async def api(database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Api]:
    """The application that lets two origins in."""
    async with build(database_url, tmp_path, ALLOWED_ORIGINS=ORIGINS) as api:
        yield api


def words(header: str) -> set[str]:
    return {word.strip() for word in header.split(",")}


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/graphql", "POST", "authorization,content-type,idempotency-key,x-request-id,traceparent,last-event-id"),
        ("/graphql", "PUT", "authorization,x-graphql-event-stream-token"),
        ("/graphql", "DELETE", "x-graphql-event-stream-token"),
        ("/graphql", "POST", "graphql-preflight,apollo-require-preflight,x-requested-with"),
        ("/graphql", "POST", "x-request-timeout,content-encoding"),
        ("/graphql/0a1b", "GET", "authorization,apollographql-client-name"),
        ("/ingest/events", "POST", "authorization,content-type,content-encoding"),
        ("/files/exports/1/part-0.csv", "GET", "range"),
        ("/uploads/1/x", "PUT", "content-type"),
    ],
)
async def test_a_page_that_is_named_may_send_what_clients_send(api: Api, path: str, method: str, headers: str) -> None:
    asked = {"origin": APP, "access-control-request-method": method, "access-control-request-headers": headers}
    answer = await api.client.options(path, headers=asked)
    assert (answer.status_code, answer.content, answer.headers[ALLOWED]) == (204, b"", APP)
    assert method in words(answer.headers["access-control-allow-methods"])
    assert words(headers) <= words(answer.headers["access-control-allow-headers"])
    assert "Origin" in words(answer.headers["vary"])
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "*",
        "",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example.com",
        "https://evil.example.com/https://app.example.com",
        "HTTPS://APP.EXAMPLE.COM",
        "http://[::1",
    ],
)
async def test_no_other_page_is_told_anything(api: Api, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST"}
    answer = await api.client.options("/graphql", headers=asked)
    assert answer.status_code == 403
    plain = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": origin})
    assert "Origin" in words(plain.headers["vary"])
    for one in (answer, plain):
        assert not [name for name in one.headers if name.startswith("access-control-")]
        assert not origin or origin not in one.text


async def test_a_page_that_is_named_may_read_the_answer(api: Api) -> None:
    for origin in (APP, "http://[::1]:3000"):
        answer = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": origin})
        assert (answer.status_code, answer.headers[ALLOWED]) == (200, origin)
        exposed = words(answer.headers["access-control-expose-headers"])
        assert {"x-request-id", "retry-after", "idempotency-replayed", "ratelimit"} <= exposed


async def test_a_refusal_may_be_read_too(api: Api) -> None:
    for path in ("/graphql", "/ingest/events", "/files/x"):
        answer = await api.client.post(path, headers={"origin": APP, "content-type": "application/json"})
        assert answer.status_code >= 400
        assert answer.headers[ALLOWED] == APP


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/t/o/x.gif", "/explorer/x.js", "/", "/nothing"])
async def test_all_else_is_for_no_other_page(api: Api, path: str) -> None:
    answer = await api.client.get(path, headers={"origin": APP})
    assert ALLOWED not in answer.headers


async def test_without_a_setting_nobody_is_named(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path) as api:
        asked = {"origin": APP, "access-control-request-method": "POST"}
        assert (await api.client.options("/graphql", headers=asked)).status_code == 403


async def test_a_stream_of_a_page_that_is_named_may_be_read(api: Api) -> None:
    headers = {"origin": APP, "accept": "text/event-stream", **api._headers}
    answer = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert (answer.headers[ALLOWED], answer.headers["cache-control"]) == (APP, "no-cache")


def test_origins_are_spelled_as_browsers_do(tmp_path: Path) -> None:
    given = "https://App.Example.com:443, http://A.example:80, http://a.example:8080"
    settings = Settings.from_env({"ALLOWED_ORIGINS": given, "PUBLIC_URL": "https://GS.example.com"}, data_dir=tmp_path)
    assert settings.allowed_origins == {"https://app.example.com", "http://a.example", "http://a.example:8080"}
    assert settings.manners().allowed_origins == settings.allowed_origins | {"https://gs.example.com"}


async def test_a_page_can_read_why_its_time_is_none(api: Api) -> None:
    headers = {"origin": APP, "x-request-timeout": "soon"}
    answer = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert (answer.status_code, answer.headers[ALLOWED]) == (400, APP)
    assert (answer.headers["x-content-type-options"], "x-request-id" in answer.headers) == ("nosniff", True)


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "is_own"),
    [
        (None, "gs.example.com", "wss", True),
        ("https://gs.example.com", "gs.example.com", "wss", True),
        ("https://gs.example.com", "GS.example.com", "ws", True),
        ("http://gs.example.com", "gs.example.com", "ws", True),
        ("http://gs.example.com", "gs.example.com", "wss", False),
        ("http://[::1]:8000", "[::1]:8000", "ws", True),
        ("http://[::1]:8001", "[::1]:8000", "ws", False),
        ("https://gs.example.com:8443", "gs.example.com", "wss", False),
        ("null", "gs.example.com", "ws", False),
        ("null", None, "ws", False),
        ("", None, "ws", False),
        ("file://", None, "ws", False),
        ("file://gs.example.com", "gs.example.com", "ws", False),
        ("http://[::1", "[::1", "ws", False),
        ("https://user@gs.example.com", "gs.example.com", "wss", False),
    ],
)
def test_which_page_is_our_own(origin: str | None, host: str | None, scheme: str, is_own: bool) -> None:
    said = ((b"origin", origin), (b"host", host))
    headers = [(name, value.encode()) for name, value in said if value is not None]
    scope: Scope = {"type": "websocket", "scheme": scheme, "headers": headers}
    assert is_welcome(scope, frozenset()) is is_own
