"""What graphql-cop looks for (github.com/dolevf/graphql-cop), written down from what its probes send and take for a finding.

Each is asked as the tool does: by its user agent, taking any answer, without a token at a server as it is set up for the network;
and with a token at one whose schema is shown to nobody.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api import Api, build

PLACES = ("/graphql", "/", "/graphiql", "/playground", "/console")
IDES = ("graphiql.min.css", "GraphQL Playground", "GraphiQL", "graphql-playground")
INTROSPECTION = "query cop { __schema { types { name fields { name } } } }"
_AT_DEPTH = "fields { type { fields { type { fields { type { fields { type { name } } } } } } } }"
CIRCLE = f"query cop {{ __schema {{ types {{ {_AT_DEPTH} }} }} }}"


class Cop:
    """Who looks for weaknesses."""

    def __init__(self, api: Api, headers: dict[str, str]) -> None:
        self._client = api.client
        self._headers = {"user-agent": "python-requests/2.32", "accept": "*/*", **headers}

    async def request(self, method: str = "GET", path: str = "/graphql", **how: Any) -> httpx.Response:
        """What a request is answered with, wherever it is sent on to."""
        headers = {**self._headers, **how.pop("headers", {})}
        return await self._client.request(method, path, headers=headers, follow_redirects=True, **how)

    async def ask(self, query: str) -> Any:
        """The answer to an operation."""
        response = await self.request("POST", json={"query": query, "operationName": "cop"})
        assert response.status_code < 500
        return response.json()


@pytest.fixture(params=["without a token", "with a token"])
async def cop(request: pytest.FixtureRequest, database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Cop]:
    """One who has nothing, and one who was let in."""
    is_known = request.param == "with a token"
    async with build(database_url, tmp_path, INTROSPECTION="off" if is_known else "") as api:
        yield Cop(api, api._headers if is_known else {})


async def test_field_suggestions(cop: Cop) -> None:
    answer = await cop.ask("query cop { __schema { directive } }")
    assert answer["errors"]
    assert "Did you mean" not in str(answer)


async def test_introspection(cop: Cop) -> None:
    answer = await cop.ask(INTROSPECTION)
    assert (answer.get("data"), len(answer["errors"])) == (None, 1)


async def test_a_circle_in_introspection(cop: Cop) -> None:
    assert not (await cop.ask(CIRCLE)).get("data")


async def test_a_circle_in_introspection_where_it_is_open(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, INTROSPECTION="on") as api:
        answer = await Cop(api, {}).ask(CIRCLE)
    assert not answer.get("data")
    assert [error["message"] for error in answer["errors"]] == ["Maximum introspection depth exceeded"]


@pytest.mark.parametrize("path", PLACES)
async def test_a_page_to_explore(cop: Cop, path: str) -> None:
    """There is one, at /graphql, and it is no stock one: it takes nothing from elsewhere and tells nobody a token."""
    page = await cop.request(path=path, headers={"accept": "text/html"})
    assert not any(word in page.text for word in IDES)
    assert '"token": null' in page.text or "The explorer is not built" in page.text or page.status_code == 404


async def test_queries_by_get_that_a_page_could_send(cop: Cop) -> None:
    """With a token in a header, which no page can send, they are answered."""
    answer = await cop.request(params={"query": "query cop {__typename}"})
    if "authorization" not in answer.request.headers:
        assert answer.status_code == 403
        assert "data" not in answer.json()


async def test_changes_by_get(cop: Cop) -> None:
    answer = await cop.request(params={"query": "mutation cop {__typename}"})
    assert 400 <= answer.status_code < 500
    assert "Mutation" not in answer.text


async def test_a_form_by_post(cop: Cop) -> None:
    answer = await cop.request("POST", data={"query": "query cop { __typename }"})
    assert 400 <= answer.status_code < 500
    assert '"Query"' not in answer.text


async def test_batches(cop: Cop) -> None:
    answer = await cop.request("POST", json=[{"query": "query cop { __typename }"}] * 10)
    assert 400 <= answer.status_code < 500
    assert answer.text.count("__typename") == 0


async def test_a_trace(cop: Cop) -> None:
    answer = await cop.ask("query cop { __typename }")
    assert answer["data"] == {"__typename": "Query"}
    assert "tracing" not in str(answer)


async def test_errors_that_nobody_handles(cop: Cop) -> None:
    answer = await cop.ask("qwerty cop { abc }")
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "GRAPHQL_PARSE_FAILED"}]
    assert not any(word in str(answer).lower() for word in ("exception", "traceback", "stack"))


async def test_too_many_aliases(cop: Cop) -> None:
    answer = await cop.ask("query cop { " + " ".join(f"alias{n}:__typename" for n in range(101)) + " }")
    assert not answer.get("data")
    assert answer["errors"]


async def test_too_many_directives(cop: Cop) -> None:
    answer = await cop.ask("query cop { __typename " + "@aa" * 10 + " }")
    assert 0 < len(answer["errors"]) < 10


async def test_a_field_too_often(cop: Cop) -> None:
    """Which the tool has switched off: the same field 500 times."""
    answer = await cop.ask("query cop { " + "__typename " * 500 + "}")
    assert not answer.get("data")
    assert answer["errors"]
