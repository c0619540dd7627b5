"""What operations cost, exactly: before they run, and when they are answered.

That none uses more than it asked for is tried by generated queries, in tests/graph/execution/test_real_schema.py.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from graph.costs import Cost, cost_of
from graph.documents import Documents
from graph.operation_limits import OperationLimits
from graph.schema import schema
from tests.api import Api
from tests.facts import create_campaign

DOCUMENTS = Documents(schema._schema, OperationLimits())
COUNTS = pytest.mark.skipif(
    os.environ.get("EXECUTOR") == "stock", reason="the stock executor does not count what it answers"
)


def cost(text: str, **variables: Any) -> Cost:
    """What the only operation of a text costs."""
    document = DOCUMENTS.of(text)
    assert document.errors == []
    return cost_of(document, document.operations[0], variables)


def test_the_example_in_the_documentation_costs_what_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    [example] = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    assert cost(example) == Cost(objects=231, always=1, requested=282)


PAGES = (
    "query ($n: Int = 7, $m: Int) { campaigns(first: $n) { nodes { comments(last: $m) { edges { node { id } } } } } }"
)


@pytest.mark.parametrize(
    ("text", "objects", "requested"),
    [
        ("{ __typename }", 0, 1),
        ("{ viewer { subject } }", 1, 2),
        ("{ campaigns { nodes { id } } }", 21, 22),
        ("{ campaigns(first: 100) { nodes { id } } }", 101, 102),
        ("{ campaigns(first: 100) { totalCount } }", 1, 12),
        ("{ campaigns(last: 3) { edges { cursor node { id } } pageInfo { hasNextPage } } }", 8, 9),
        ("{ campaigns(first: 10) { nodes { metrics { likes } } } }", 21, 62),
        ('{ campaigns(first: 1, filter: {search: "a"}) { nodes { id } } }', 2, 23),
        (
            "{ campaigns(first: 10) { nodes { comments(first: 5) { nodes { replies(first: 2) { nodes { id } } } } } } }",
            221,
            222,
        ),
        ("{ campaigns(first: 2) { ...F } } fragment F on CampaignConnection { nodes { id } }", 3, 4),
        ("{ a: viewer { subject } ... { b: viewer { subject } } }", 2, 3),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3, 4),
        ("{ followerCohorts(weeks: 5) { size } }", 5, 51),
        ("{ campaigns(first: 2) { nodes { metricSeries { start } } } }", 203, 204),
        ('mutation { createBrand(input: {name: "a"}) { brand { id } } }', 2, 12),
        ("mutation { recordInteractions(input: {interactions: []}) { accepted } }", 1, 11),
    ],
)
def test_what_an_operation_costs(text: str, objects: int, requested: int) -> None:
    found = cost(text)
    assert (found.objects, found.requested) == (objects, requested)


@pytest.mark.parametrize(
    ("variables", "requested"),
    [
        ({}, 1 + 1 + 7 * (1 + 1 + 20 * 2)),
        ({"n": 2, "m": 3}, 1 + 1 + 2 * (1 + 1 + 3 * 2)),
        ({"n": 2.0, "m": None}, 1 + 1 + 2 * (1 + 1 + 20 * 2)),
        ({"n": "many", "m": -4}, 1 + 1 + 20 * (1 + 1 + 1 * 2)),
        ({"n": 10**400, "m": True}, 1 + 1 + 20 * (1 + 1 + 20 * 2)),
    ],
)
def test_variables_multiply_as_the_executor_will_read_them(variables: dict[str, Any], requested: int) -> None:
    assert cost(PAGES, **variables).requested == requested


def test_what_does_not_depend_on_variables_is_worked_out_once() -> None:
    text = "{ campaigns(first: 9) { nodes { id } } }"
    assert cost(text) is cost(text)


def test_the_items_that_a_mutation_brings_cost_whatever_is_answered() -> None:
    text = "mutation ($i: RecordEventsInput!) { recordEvents(input: $i) { accepted } }"
    found = cost(text, i={"events": [{}] * 500})
    assert (found.always, found.requested) == (510, 511)


def test_fragments_are_counted_once_and_multiply() -> None:
    links = "".join(f"fragment F{n} on Campaign {{ ...F{n + 1} a{n}: brand {{ id }} ...F{n + 1} }} " for n in range(6))
    text = (
        "query ($n: Int) { campaigns(first: $n) { nodes { ...F0 } } } "
        + links
        + "fragment F6 on Campaign { b: brand { id } }"
    )
    # Of each campaign: itself, 63 brands on the way and 64 at the end.
    assert cost(text, n=10).objects == 1 + 10 * (1 + 63 + 64)


async def answered(api: Api, query: str, **variables: Any) -> dict[str, Any]:
    """What an operation cost, and its answer."""
    body = {"query": query, "variables": variables, "extensions": {"cost": True}}
    found: dict[str, Any] = (await api.client.post("/graphql", json=body, headers=api._headers)).json()
    return found


USED = [
    ("{ campaigns { nodes { id name } } }", 22, 5),
    ("{ campaigns { totalCount nodes { id } pageInfo { hasNextPage } } }", 33, 16),
    ("{ campaigns { edges { node { name brand { name } } } } }", 62, 8),
    ("{ campaigns { nodes { name metrics { likes } } } }", 122, 20),
    ("{ campaigns { nodes { comments { nodes { id } } } } }", 442, 8),
    ("{ campaigns { nodes { comments { nodes { id } totalCount } } } }", 642, 38),
    ("{ __typename }", 1, 1),
    ('mutation { createBrand(input: {name: ""}) { brand { id } userErrors { message } } }', 22, 12),
]


@COUNTS
@pytest.mark.parametrize(("query", "requested", "used"), USED)
async def test_what_is_used_is_what_is_answered(api: Api, query: str, requested: int, used: int) -> None:
    for name in "abc":
        await create_campaign(api, name=name)
    for _ in range(4):  # lists are first answered as rows, and then as PostgreSQL writes them
        found = (await answered(api, query))["extensions"]["cost"]
        assert (found["requested"], found["used"]) == (requested, used)


@COUNTS
@pytest.mark.parametrize(
    ("query", "is_given_back"),
    [("{ __schema { types { name } } }", False), ('{ __type(name: "Brand") { fields { name } } }', True)],
)
async def test_what_was_not_counted_is_not_given_back(api: Api, query: str, is_given_back: bool) -> None:
    found = (await answered(api, query))["extensions"]["cost"]
    assert (found["used"] != found["requested"]) == is_given_back
