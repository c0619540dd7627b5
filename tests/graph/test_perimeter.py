"""What every answer says to browsers, names that are not this server's, foreign pages, and what is answered when all fails."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError
from starlette.types import Receive, Scope, Send

from db.engine import Database
from graph.transport.perimeter import POLICY, USUAL, Perimeter, own_names
from jobs.mailings.keys import tokens_of
from jobs.mailings.tokens import Kind, Token
from tests.api import Api, build

CREATE = 'mutation { createBrand(input: {name: "B"}) { brand { id } } }'
BRANDS = "{ viewer { workspace { brands { totalCount } } } }"


def said(answer: httpx.Response) -> dict[str, str]:
    """What an answer says of that which all answers say."""
    return {name: answer.headers[name] for name in USUAL if name in answer.headers}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/graphql", 415),
        ("GET", "/health/live", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nothing/here", 404),
        ("DELETE", "/health/live", 405),
        ("POST", "/ingest/events", 401),
        ("GET", "/explorer/nothing.js", 404),
        ("POST", "/graphqlx", 404),
        ("GET", "/", 307),
    ],
)
async def test_every_answer_says_what_it_is(api: Api, method: str, path: str, status: int) -> None:
    answer = await api.client.request(method, path)
    assert (answer.status_code, said(answer)) == (status, dict(USUAL))
    assert {"server", "strict-transport-security", "x-powered-by"}.isdisjoint(answer.headers)


async def test_an_answer_of_graphql_is_kept_by_nobody(api: Api) -> None:
    answer = await api.client.post("/graphql", json={"query": "{ __typename }"})
    assert (answer.json(), said(answer)) == ({"data": {"__typename": "Query"}}, dict(USUAL))


@pytest.mark.parametrize(
    ("public_url", "found"), [("https://gs.example.com", "max-age=63072000"), ("http://gs.example.com", None)]
)
async def test_only_who_is_reached_by_https_says_so(
    database_url: str, tmp_path: Path, public_url: str, found: str | None
) -> None:
    async with build(database_url, tmp_path, PUBLIC_URL=public_url) as api:
        answer = await api.client.get("/health/live")
        assert answer.headers.get("strict-transport-security") == found


async def test_what_is_in_mails_may_be_shown_by_pages_of_others(api: Api, database: Database) -> None:
    answer = await api.client.get("/t/o/nonsense.gif")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    token = (await tokens_of(database)).sign(Token(Kind.UNSUBSCRIBE, 1, 1))
    page = await api.client.get(f"/t/u/{token}")
    assert (page.status_code, page.headers.get_list("content-security-policy")) == (
        200,
        [page.headers["content-security-policy"]],
    )
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert {"x-frame-options", "cross-origin-opener-policy"}.isdisjoint(page.headers)


async def test_files_keep_their_own_policy(api: Api) -> None:
    answer = await api.client.get("/files/x?expires=1&signature=x")
    assert (answer.status_code, answer.headers["content-security-policy"]) == (403, "default-src 'none'; sandbox")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    sent = await api.client.put("/uploads/x?size=1&expires=1&signature=x", content=b"x")
    assert (sent.status_code, sent.headers["cross-origin-resource-policy"]) == (403, "same-origin")


async def test_the_explorers_policy_stands(api: Api) -> None:
    answer = await api.client.get("/graphql", headers={"accept": "text/html"})
    assert answer.headers.get_list("content-security-policy") != [POLICY]
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"


JSON = "application/graphql-response+json"
CROSS = {"sec-fetch-site": "cross-site"}
OWN = "http://test"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": JSON}, 200),
        ({"accept": "application/json"}, 200),
        ({"accept": "*/*", "sec-fetch-mode": "cors"}, 200),  # Node's fetch
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({"accept": "*/*", "graphql-preflight": "1"}, 200),
        ({"accept": "*/*", "origin": OWN}, 200),
        ({"accept": "*/*", "origin": "https://app.example.com", "sec-fetch-mode": "cors", **CROSS}, 200),
        ({"accept": "*/*"}, 403),
        ({"accept": "image/avif,image/webp,*/*"}, 403),
        ({"accept": "text/html;q=0.9"}, 403),
        ({"accept": JSON, "sec-fetch-mode": "no-cors", **CROSS}, 403),
        ({"accept": JSON, "sec-fetch-mode": "navigate", **CROSS}, 403),
        ({"accept": JSON, "sec-fetch-mode": "no-cors", "sec-fetch-site": "same-site"}, 403),
        ({"accept": JSON, "origin": "https://evil.example.com"}, 403),
        ({"accept": JSON, "origin": "https://evil.example.com", "sec-fetch-mode": "cors", **CROSS}, 403),
        ({"accept": JSON, "origin": "null"}, 403),
    ],
)
async def test_an_operation_by_get_is_none_of_a_foreign_page(
    database_url: str, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with build(database_url, tmp_path, ALLOWED_ORIGINS="https://app.example.com") as api:
        answer = await api.client.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


@pytest.mark.parametrize("name", ["query", "%71uery", "quer%79", "document%49d", "e%78tensions"])
async def test_a_picture_runs_nothing_however_its_address_is_written(api: Api, name: str) -> None:
    headers = {"accept": "image/*", "sec-fetch-mode": "no-cors", **CROSS}
    assert (await api.client.get(f"/graphql?a=1&{name}=%7B__typename%7D", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (f'{{"query": "{CREATE}"}}'.replace('"B"', '\\"B\\"'), {"content-type": "text/plain"}),
        (f'{{"query": "{CREATE}"}}'.replace('"B"', '\\"B\\"'), {}),
        ("query=" + CREATE, {"content-type": "application/x-www-form-urlencoded"}),
        (
            f'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{{"query": "{CREATE}"}}\r\n--x--\r\n',
            {"content-type": "multipart/form-data; boundary=x"},
        ),
    ],
)
async def test_what_a_form_can_send_changes_nothing(api: Api, content: str, headers: dict[str, str]) -> None:
    """Not even with a token, which no form can send."""
    sent = {**headers, **api._headers}
    answer = await api.client.post("/graphql", content=content, headers=sent)
    assert 400 <= answer.status_code < 500
    assert (await api.data(BRANDS))["viewer"]["workspace"]["brands"] == {"totalCount": 0}


async def test_a_change_by_get_is_refused(api: Api) -> None:
    headers = {"accept": JSON, **api._headers}
    answer = await api.client.get("/graphql", params={"query": CREATE}, headers=headers)
    assert 400 <= answer.status_code < 500
    assert (await api.data(BRANDS))["viewer"]["workspace"]["brands"] == {"totalCount": 0}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("app.localhost:3000", 200),
        ("gs.example.com", 200),
        ("GS.example.com", 200),
        ("evil.example.com:8000", 421),
        ("localhost.evil.example.com", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("192.168.1.7:8000", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_in_development_a_foreign_name_leads_nowhere(
    database_url: str, tmp_path: Path, host: str, status: int
) -> None:
    async with build(database_url, tmp_path, JWT_SECRET="", PUBLIC_URL="https://gs.example.com") as api:
        for path in ("/health/live", "/graphql?query={__typename}"):
            answer = await api.client.get(path, headers={"host": host, "accept": JSON})
            assert answer.status_code == status


async def test_elsewhere_proxies_choose_the_name(api: Api) -> None:
    assert (await api.client.get("/health/live", headers={"host": "evil.example.com"})).status_code == 200


async def test_a_foreign_name_gets_no_connection() -> None:
    sent: list[Any] = []
    scope = {"type": "websocket", "path": "/graphql", "headers": [(b"host", b"evil.example.com")]}

    async def send(message: Any) -> None:
        sent.append(message)

    async def nobody(*_: Any) -> Any:
        raise AssertionError("it came through")

    await Perimeter(nobody, "/graphql", names=own_names(None))(scope, nobody, send)
    assert sent == [{"type": "websocket.close", "code": 4403, "reason": "This name is not this server's"}]


class Failing:
    """An application that fails, before or while it answers."""

    def __init__(self, error: Exception, *, begins: bool) -> None:
        self._error, self._begins = error, begins

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if self._begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise self._error


async def answer_of(app: Failing) -> httpx.Response:
    transport = httpx.ASGITransport(Perimeter(app, "/graphql"))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/graphql")


async def test_what_fails_says_no_more_than_an_id() -> None:
    answer = await answer_of(Failing(RuntimeError("the password is hunter2"), begins=False))
    [error] = answer.json()["errors"]
    assert (answer.status_code, said(answer), error["extensions"]) == (500, dict(USUAL), {"code": "INTERNAL"})
    assert error["message"].startswith("Something went wrong on our side. Error id: ")


async def test_a_database_that_is_away_is_no_fault_of_ours() -> None:
    answer = await answer_of(Failing(DBAPIError("SELECT 1", None, OSError(), True), begins=False))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_what_fails_half_way_is_cut() -> None:
    with pytest.raises(RuntimeError, match="hunter2"):
        await answer_of(Failing(RuntimeError("hunter2"), begins=True))


@pytest.mark.parametrize(
    "path", ["/nothing", "/graphql/../etc/passwd", "/files/..%2F..%2Fetc", "/explorer/x.js", "/.git/config"]
)
async def test_what_is_not_there_says_nothing_of_what_is(api: Api, path: str) -> None:
    answer = await api.client.get(path, headers={"accept": JSON})
    assert answer.status_code in (400, 403, 404, 405)
    assert not any(
        word in answer.text.lower() for word in ("starlette", "uvicorn", "python", "traceback", "/home", "/tmp")
    )
