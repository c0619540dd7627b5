"""Faults of our own are masked, and one bad field does not drag others along."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from db.engine import Reads
from db.queries import brands
from graph import nodes
from graph.access import Viewer
from graph.context import Context
from graph.loaders import Loaders
from tests.api import Api
from tests.facts import create_campaign


async def test_an_unexpected_error_is_masked_with_an_id_that_the_log_has(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setitem(nodes.FETCHES, "Brand", broken)
    with capture_logs() as logs:
        answer = await api.ask('{ node(id: "QnJhbmQ6MQ==") { id } viewer { subject } }')
    [error], [entry] = answer["errors"], [one for one in logs if one["event"] == "operation failed"]
    assert answer["data"] == {"node": None, "viewer": {"subject": "ada"}}
    assert error["extensions"] == {"code": "INTERNAL", "errorId": entry["error_id"]}
    assert error["message"] == f"Something went wrong on our side. Error id: {entry['error_id']}"
    assert str(entry["exc_info"]) == "the password is hunter2"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: ID!) { node(id: $id) { id } }", "BAD_USER_INPUT"),
        ('{ campaigns(filter: {activeOn: "2026-02-30"}) { totalCount } }', "GRAPHQL_VALIDATION_FAILED"),
        ("{ campaigns(orderBy: SIZE) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ node(id: "Tm90aGluZzox") { id } }', "BAD_USER_INPUT"),
        ('{ campaign(id: "QnJhbmQ6MQ==") { id } }', "BAD_USER_INPUT"),
        (f"{{ campaigns(first: {'9' * 5000}) {{ totalCount }} }}", "BAD_USER_INPUT"),
        ("query A { viewer { subject } } query B { viewer { subject } }", "BAD_USER_INPUT"),
        ("query ($x: Int) { viewer { subject } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_every_error_has_a_code(api: Api, query: str, code: str) -> None:
    assert (await api.error(query))[0] == code


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-03-01", "Not an RFC 3339 date and time with offset"),
        ("2026-03-01T12:00:00", "Not an RFC 3339 date and time with offset"),
        ("2026-02-30T12:00:00Z", "Not an RFC 3339 date and time with offset"),
        (1, "Not an RFC 3339 date and time with offset"),
    ],
)
async def test_a_time_needs_its_offset(api: Api, value: object, message: str) -> None:
    campaign_id = await create_campaign(api)
    query = "query ($id: ID!, $t: DateTime!) { campaign(id: $id) { metrics(window: {from: $t}) { clicks } } }"
    code, said = await api.error(query, id=campaign_id, t=value)
    assert code == "BAD_USER_INPUT"
    assert message in said


async def test_a_window_that_ends_before_it_starts(api: Api) -> None:
    campaign_id = await create_campaign(api)
    query = (
        "query ($id: ID!) { campaign(id: $id) { metrics(window: "
        '{from: "2026-03-02T00:00:00Z", to: "2026-03-01T00:00:00Z"}) { clicks } } }'
    )
    assert await api.error(query, id=campaign_id) == ("BAD_USER_INPUT", "The window ends before it starts.")


async def test_waiting_for_a_loader_can_be_cancelled_alone() -> None:
    no_reads: Any = SimpleNamespace(observer=None)
    loaders, answer = Loaders(lambda: no_reads), asyncio.Event()

    async def fetch(_reads: Reads, keys: list[int]) -> list[int]:
        await answer.wait()
        return keys

    given_up, kept = loaders.many_each(fetch, (), [1]), loaders.many_each(fetch, (), [1])
    given_up.cancel()
    answer.set()
    assert await kept == [1]


def test_what_node_finds_is_what_has_an_id() -> None:
    from graph.schema import schema

    node: Any = schema._schema.type_map["Node"]
    assert {kind.name for kind in schema._schema.get_possible_types(node)} == set(nodes.FETCHES)
    assert nodes.FETCHES["Brand"] is brands.by_ids


@pytest.mark.parametrize("body", [b"5", b"null", b'"x"', b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"query": 5}'])
async def test_a_senseless_body_is_the_clients_mistake(api: Api, body: bytes) -> None:
    response = await api.client.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400


async def test_windows_at_the_end_of_time(api: Api) -> None:
    campaign_id = await create_campaign(api)
    query = "query ($id: ID!, $t: DateTime!) { campaign(id: $id) { metrics(window: {from: $t}) { clicks } } }"
    assert (await api.error(query, id=campaign_id, t="0001-01-01T00:00:00Z"))[0] == "BAD_USER_INPUT"
    assert await api.data(query, id=campaign_id, t="1900-01-01T00:00:00Z") == {"campaign": {"metrics": {"clicks": 0}}}
    assert (await api.error(query, id=campaign_id, t="9999-12-31T23:59:59Z"))[0] == "BAD_USER_INPUT"


async def test_nothing_is_read_once_the_operation_is_over(api: Api) -> None:
    context = Context(api.database, Viewer("ada", 1, frozenset()))
    await context.close()
    with pytest.raises(RuntimeError, match="over"):
        _ = context.reads


NESTED = "impressions(first: 100) { nodes { campaign { "


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("{ campaigns { nodes { " + NESTED * 60 + "id" + " } } }" * 60 + " } } }", True),
        ("query ($n: Int = 100) { campaigns(first: $n) { nodes { " + NESTED * 2 + "id" + " } } }" * 2 + " } } }", True),
        ("{ campaigns(first: 100) { nodes { impressions(first: 100) { nodes { brand { name } } } } } }", False),
        ("{ campaigns(first: 20) { nodes { metricSeries { metrics { clicks } } } } }", False),
        ("{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }", False),
    ],
)
async def test_answers_that_could_be_too_large_are_refused_before_anything_is_read(
    api: Api, query: str, refused: bool
) -> None:
    answer = await api.ask(query)
    assert [error["extensions"]["code"] for error in answer.get("errors", [])] == ["LIMIT_REACHED"] * refused


THREADS = """query ($n: Int = 100) { campaigns(first: $n) { nodes { comments(first: $n) { nodes {
  replies(first: $n) { nodes { id } } } } } } }"""


@pytest.mark.parametrize("variables", [{}, {"n": 100}, {"n": 100.0}])
async def test_an_answer_is_counted_with_the_variables_as_they_will_be(api: Api, variables: dict[str, Any]) -> None:
    code, message = await api.error(THREADS, **variables)
    assert code == "LIMIT_REACHED"
    assert message.startswith("The answer could hold 1,020,201 objects")
    assert await api.data(THREADS, n=2) == {"campaigns": {"nodes": []}}


async def test_a_variable_that_is_wrong_is_told_as_such(api: Api) -> None:
    code, _ = await api.error(THREADS, n="many")
    assert code == "BAD_USER_INPUT"


async def test_many_aliases_are_no_statement_of_their_own(api: Api, statements: list[str]) -> None:
    await create_campaign(api, name="C")
    query = f"{{ campaigns {{ nodes {{ {' '.join(f'a{n}: name' for n in range(300))} }} }} }}"
    for _ in range(4):
        [node] = (await api.data(query))["campaigns"]["nodes"]
        assert node == {f"a{n}": "C" for n in range(300)}
    assert "a299" not in statements[-1]


@pytest.mark.parametrize("length", [125, 300])
async def test_a_chain_of_fragments_too_long_to_follow_is_refused(api: Api, length: int) -> None:
    links = "".join(f"fragment F{n} on Comment {{ parent {{ ...F{n + 1} }} }} " for n in range(length))
    query = '{ node(id: "x") { ...F0 } } ' + links + f"fragment F{length} on Comment {{ id }}"
    assert (await api.error(query))[0] == "LIMIT_REACHED"


async def test_a_slash_too_many_is_redirected(api: Api) -> None:
    response = await api.client.post("/graphql/", json={"query": "{ __typename }"})
    assert (response.status_code, response.headers["location"]) == (307, "/graphql")
    response = await api.client.get("/graphql/?a=%20b", headers={"sec-fetch-site": "cross-site"})
    assert (response.status_code, response.headers["location"]) == (307, "/graphql?a=%20b")
