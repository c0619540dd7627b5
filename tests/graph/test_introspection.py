"""Who may ask what the schema is like, on which way; and that nobody else is told it bit by bit."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from graph.documents import MOST_ERRORS
from graph.environment import SettingsError
from graph.introspection import Introspection
from graph.operation_limits import OperationLimits
from graph.operations import Operations, Rules
from graph.schema import schema
from graph.settings import Settings
from tests.api import SECRET, Api, build

INTROSPECTION = {
    "field": "{ __schema { queryType { name } } }",
    "type": '{ __type(name: "Brand") { name } }',
    "alias": '{ x: __type(name: "Brand") { name } }',
    "beside": "{ viewer { subject } __schema { queryType { name } } }",
    "inline": "{ ... { ... on Query { __schema { queryType { name } } } } }",
    "fragment": "{ ...A } fragment A on Query { ...B } fragment B on Query { __schema { queryType { name } } }",
    "skipped": "{ viewer { subject } __schema @skip(if: true) { queryType { name } } }",
    "skipped variable": "query ($no: Boolean = false) { __typename __schema @include(if: $no) { queryType { name } } }",
}
Build = Callable[[str], AbstractAsyncContextManager[Api]]


@pytest.fixture
def built(database_url: str, workspace: int, tmp_path: Path) -> Build:
    """The application with a setting."""
    return lambda setting: build(database_url, tmp_path, INTROSPECTION=setting)


@pytest.mark.parametrize(
    ("environ", "setting"),
    [
        ({}, "on"),
        ({"JWT_SECRET": SECRET}, "token"),
        ({"JWT_JWKS_URL": "https://keys.example.com/jwks"}, "token"),
        ({"INTROSPECTION": "off"}, "off"),
        ({"JWT_SECRET": SECRET, "INTROSPECTION": "ON"}, "on"),
    ],
)
def test_in_development_the_schema_is_open(tmp_path: Path, environ: dict[str, str], setting: str) -> None:
    assert Settings.from_env(environ, data_dir=tmp_path).perimeter.introspection == setting


def test_a_setting_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="INTROSPECTION must be on, token or off"):
        Settings.from_env({"INTROSPECTION": "maybe"}, data_dir=tmp_path)


@pytest.mark.parametrize("query", INTROSPECTION.values(), ids=INTROSPECTION)
async def test_wherever_the_schema_is_asked_for(built: Build, query: str) -> None:
    async with built("token") as api:
        assert "errors" not in await api.ask(query)
        code, message = await api.as_(None).error(query)
        assert (code, message) == (
            "UNAUTHENTICATED",
            "The schema is shown to who has a token: Authorization: Bearer ...",
        )


@pytest.mark.parametrize("query", INTROSPECTION.values(), ids=INTROSPECTION)
async def test_switched_off_it_is_shown_to_nobody(built: Build, query: str) -> None:
    async with built("off") as api:
        for asker in (api, api.as_(None)):
            assert await asker.error(query) == ("FORBIDDEN", "The schema is not shown here: INTROSPECTION is off.")
        assert await api.as_(None).data("{ __typename ...A } fragment A on Query { __typename }") == {
            "__typename": "Query"
        }


async def test_in_the_open_anybody_may_ask(built: Build) -> None:
    async with built("on") as api:
        assert (await api.as_(None).data(INTROSPECTION["field"]))["__schema"]["queryType"] == {"name": "Query"}


async def test_of_several_operations_only_the_one_that_asks_is_refused(built: Build) -> None:
    query = "query A { __schema { queryType { name } } } query B { viewer { subject } }"
    async with built("off") as api:
        answers = [
            (
                await api.client.post("/graphql", json={"query": query, "operationName": name}, headers=api._headers)
            ).json()
            for name in "AB"
        ]
    assert answers[0]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert answers[1] == {"data": {"viewer": {"subject": "ada"}}}


async def test_by_every_way_of_http(built: Build) -> None:
    query = INTROSPECTION["field"]
    async with built("off") as api:
        by_get = await api.client.get("/graphql", params={"query": query}, headers=api._headers)
        by_form = await api.post_form([("operations", f'{{"query": "{query}"}}'), ("map", "{}")], {})
        assert '"FORBIDDEN"' in by_get.text
        assert '"FORBIDDEN"' in await api.stream(query)
        assert by_form["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_chain_of_fragments_is_looked_through_once() -> None:
    """Each spreads the next twice: followed blindly, that were 2**40 fields."""
    links = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(40))
    operations = Operations(schema, Rules(limits=OperationLimits(root_fields=10**15, fields=10**15)))
    document = operations.document("{ ...F0 } " + links + "fragment F40 on Query { __schema { queryType { name } } }")
    [operation] = document.operations
    assert document.errors == []
    refusal = Introspection("off").refusal(document, operation, True)
    assert refusal is not None
    assert document.once(("introspection", id(operation)), lambda: None) is not None  # and found only once


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("{ viewerr { subject } }", {}),
    ("{ viewer { subjec } }", {}),
    ("{ campaigns(frst: 1) { totalCount } }", {}),
    ("{ campaigns(orderBy: NAM) { totalCount } }", {}),
    ("{ campaigns(filter: {statuss: LIVE}) { totalCount } }", {}),
    ("query ($x: CampaignFiltr) { campaigns(filter: $x) { totalCount } }", {}),
    ("{ viewer @skip(iff: true) { subject } }", {}),
    ("{ viewer { ... on Viewe { subject } } }", {}),
    ('{ node(id: "x") { name } }', {}),
    ("query ($f: CampaignFilter) { campaigns(filter: $f) { totalCount } }", {"f": {"statuss": "LIVE"}}),
    ("query ($f: CampaignFilter) { campaigns(filter: $f) { totalCount } }", {"f": {"statuses": ["LIV"]}}),
    ("query ($f: CampaignFilter = {statuss: LIVE}) { campaigns(filter: $f) { totalCount } }", {}),
    ("mutation ($i: CreateBrandInput!) { createBrand(input: $i) { brand { id } } }", {"i": {"nam": "x"}}),
]
_SUGGESTION = re.compile("did you mean|perhaps|suggest|instead", re.IGNORECASE)


@pytest.fixture
async def closed(built: Build) -> AsyncIterator[Api]:
    """The application that shows nobody its schema."""
    async with built("off") as api:
        yield api


async def test_what_was_meant_is_not_told(closed: Api) -> None:
    for query, variables in MISTAKES:
        answer = await closed.ask(query, **variables)
        assert answer["errors"], query
        assert not _SUGGESTION.search(str(answer)), answer
        assert not _SUGGESTION.search(await closed.stream(query, **variables))


async def test_what_was_meant_is_told_to_who_may_know(built: Build) -> None:
    """One document is answered to both, each as it may be, in whatever order they ask."""
    async with built("token") as api:
        stranger = api.as_(None)
        for query, variables in MISTAKES:
            first = await stranger.ask(query, **variables)
            known = await api.ask(query, **variables)
            assert not _SUGGESTION.search(str(first)), first
            assert _SUGGESTION.search(str(known)), known
            assert await stranger.ask(query, **variables) == first


async def test_many_mistakes_are_told_without_what_was_meant(built: Build) -> None:
    """To look for what may have been meant takes time, for each of them."""
    async with built("on") as api:
        answer = await api.ask("{ " + " ".join(f"campaignz{n}" for n in range(11)) + " }")
        assert len(answer["errors"]) == MOST_ERRORS + 1  # the last says that there are more
        assert not _SUGGESTION.search(str(answer))
