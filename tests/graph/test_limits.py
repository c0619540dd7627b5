"""Documents that were made to hurt: each is refused for its shape, before validation, and with work that grows with its length only."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import get_introspection_query, parse

from graph.documents import Document, Documents
from graph.environment import SettingsError
from graph.ids import encode
from graph.operation_limits import OperationLimits
from graph.schema import schema
from graph.shapes import Shape, shapes
from tests.api import Api, build

LIMITS = OperationLimits()


def document(text: str, **limits: int) -> Document:
    """A document that was looked at with these limits."""
    return Documents(schema._schema, replace(LIMITS, **limits)).of(text)


def refusal(text: str, **limits: int) -> str | None:
    """Why a document is refused by a limit, if it is."""
    errors = document(text, **limits).errors
    if not any((error.extensions or {}).get("code") == "LIMIT_REACHED" for error in errors):
        return None
    [error] = errors
    return error.message


def shape(text: str) -> Shape:
    """The shape of the first definition of a text."""
    return shapes(parse(text).definitions)[0]  # type: ignore[arg-type]


def counted(text: str) -> tuple[int, int, int, int, int, int]:
    """What the shape of an operation counts."""
    found = shape(text)
    return found.depth, found.nesting, found.root_fields, found.fields, found.aliases, found.directives


def test_each_thing_is_counted() -> None:
    text = "query ($v: Int @b) @a { x: a @c { b { c } } ... on Query @d { e f: g } }"
    assert counted(text) == (3, 3, 3, 5, 2, 4)


def test_fragments_count_where_they_are_spread_as_often_as_they_are() -> None:
    text = "{ a { ...F @x } ...G ...G } fragment F on A { b { y: c } } fragment G on Query { d ...H } fragment H on Query { e }"
    assert counted(text) == (3, 4, 5, 7, 1, 1)


def test_fragments_that_lead_back_to_themselves_and_missing_ones_count_nothing_more() -> None:
    assert counted("{ ...A } fragment A on Query { a ...B } fragment B on Query { b ...A ...C }")[3] == 2


AT_MOST: dict[str, tuple[str, dict[str, int], str]] = {
    "depth": ("{ a { b { c } } }", {"depth": 2}, "The document has 3 levels of fields; at most 2."),
    "braces": ("{" + "...{" * 3 + "a" + "}" * 4, {"depth": 1}, "The document has 4 levels of braces; at most 3."),
    "root fields": ("{ a b c }", {"root_fields": 2}, "The document has 3 root fields; at most 2."),
    "fields": ("{ a { b c } }", {"fields": 2}, "The document has 3 fields; at most 2."),
    "aliases": ("{ x: a y: a }", {"aliases": 1}, "The document has 2 aliases; at most 1."),
    "directives": ("{ a @x @y }", {"directives": 1}, "The document has 2 directives; at most 1."),
    "definitions": (
        "{ ...F } fragment F on Query { a }",
        {"definitions": 1},
        "The document has 2 operations and fragments; at most 1.",
    ),
    "tokens": ("{ a b c }", {"tokens": 4}, "The document has too many tokens or comments; at most 4 of each."),
    "bytes": ('{ a(b: "ß") }', {"bytes": 13}, "The document has 14 bytes; at most 13."),
}


@pytest.mark.parametrize("name", AT_MOST)
def test_what_is_over_a_limit_is_refused(name: str) -> None:
    text, limits, message = AT_MOST[name]
    assert refusal(text, **limits) == message


@pytest.mark.parametrize("name", AT_MOST)
def test_what_is_just_within_is_not(name: str) -> None:
    text, limits, _ = AT_MOST[name]
    # Two more: of a depth there are three levels of braces each.
    assert refusal(text, **{key: value + 2 for key, value in limits.items()}) is None


BOMBS: dict[str, Callable[[int], str]] = {
    "wide": lambda n: "{" + "viewer{subject}" * n + "}",
    "deep": lambda n: "{" + "viewer{" * (min(n, 190)) + "subject" + "}" * (min(n, 190) + 1),
    "aliases": lambda n: "{viewer{" + "".join(f"a{i}:subject " for i in range(n + 200)) + "}}",
    "one name": lambda n: "{viewer{" + "workspace{id}" * n + "}}",
    "one leaf": lambda n: "{viewer{" + "subject " * (4 * n) + "}}",
    "directives": lambda n: "{__typename " + "@skip(if:true)" * n + "}",
    "exponential": lambda n: (
        "{...F0}"
        + "".join(f"fragment F{i} on Query{{...F{i + 1} ...F{i + 1}}}" for i in range(80))
        + "fragment F80 on Query{__typename}"
    ),
    "exponential fields": lambda n: (
        "{viewer{...F0}}"
        + "".join(f"fragment F{i} on Viewer{{a:subject ...F{i + 1} ...F{i + 1}}}" for i in range(30))
        + "fragment F30 on Viewer{subject}"
    ),
    "all with all": lambda n: (
        "{...F0}"
        + "".join(f"fragment F{i} on Query{{{''.join(f'...F{j} ' for j in range(i + 1, 31))}}}" for i in range(30))
        + "fragment F30 on Query{__typename}"
    ),
    "inline": lambda n: "{" + "...{" * (min(n, 190)) + "__typename" + "}" * (min(n, 190) + 1),
    "overlapping": lambda n: (
        "{viewer{"
        + "".join(f"...F{i} " for i in range(n // 3))
        + "}}"
        + "".join(f"fragment F{i} on Viewer{{workspace{{id}}}}" for i in range(n // 3))
    ),
    "a chain": lambda n: (
        "{...F0}"
        + "".join(f"fragment F{i} on Query{{...F{i + 1}}}" for i in range(n // 3))
        + f"fragment F{n // 3} on Query{{__typename}}"
    ),
    "braces": lambda n: "{a" * n,
    "lists": lambda n: "{campaigns(first:" + "[" * n + "]" * n + "){nodes{id}}}",
    "input objects": lambda n: "{campaigns(filter:" + "{a:" * n + "1" + "}" * n + "){nodes{id}}}",
    "tokens": lambda n: "{" + "a " * 100 * n + "}",
    "comments": lambda n: "{a" + "#\n" * 20 * n + "}",
    "bytes": lambda n: '{a(b:"' + "x" * 1000 * n + '")}',
    "definitions": lambda n: "".join(f"query Q{i}{{viewer{{subject}}}}" for i in range(n)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str) -> None:
    assert refusal(BOMBS[name](400)) is not None


WRONG: dict[str, str] = {
    "a cycle": "{...A0}" + "".join(f"fragment A{i} on Query{{...A{(i + 1) % 90}}}" for i in range(90)),
    "unknown fields": "{viewer{" + "".join(f"x{i} " for i in range(1450)) + "}}",
    "unknown fragments": "{" + "".join(f"...X{i} " for i in range(900)) + "}",
    "unknown arguments": "{campaigns(" + "".join(f"x{i}:1 " for i in range(600)) + "){nodes{id}}}",
    "variables that nobody uses": "query(" + "".join(f"$v{i}:Int " for i in range(450)) + "){__typename}",
    "fragments that nobody uses": "{__typename}" + "".join(f"fragment F{i} on Query{{__typename}}" for i in range(190)),
    "wrong values": "{nodes(ids:[" + "{} " * 900 + "]){id}}",
    "unknown fields of an input": "{campaigns(filter:{" + "".join(f"x{i}:1 " for i in range(640)) + "}){nodes{id}}}",
    "one argument": "{campaigns(" + "first:1 " * 640 + "){nodes{id}}}",
    "long names": "{viewer{" + "".join("x" * 30 + f"{i} " for i in range(1450)) + "}}",
    "type definitions": "type A{a:Int}" * 220,
    "operations of one name": "query A{__typename}" * 190,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_a_thousand_times_is_told_a_few_times(name: str) -> None:
    errors = document(WRONG[name]).errors
    assert 1 <= len(errors) <= 4
    assert all("code" not in (error.extensions or {}) for error in errors)


def test_a_schema_is_not_asked_in_circles() -> None:
    loop = "{__schema{types{" + "fields{type{" * 14 + "name" + "}}" * 14 + "}}}"
    assert [error.message for error in document(loop).errors] == ["Maximum introspection depth exceeded"]


def _work(text: str) -> int:
    definitions: Any = parse(text).definitions
    return sum(one.visited for one in shapes(definitions))


@pytest.mark.parametrize("name", ["wide", "aliases", "one name", "overlapping", "a chain", "definitions"])
def test_twice_the_document_is_twice_the_work(name: str) -> None:
    single, double = (BOMBS[name](n) for n in (300, 600))
    assert _work(double) <= 2 * _work(single) + 10


def test_doubling_fragments_are_looked_at_once() -> None:
    assert _work(BOMBS["exponential"](0)) == 323


def test_fields_of_a_fragment_are_no_root_fields() -> None:
    assert (
        refusal("{ viewer { ...F } } fragment F on Viewer { subject scopes actor { userId } }", root_fields=1) is None
    )


def test_what_tools_and_pages_ask_is_let_through() -> None:
    for descriptions in (True, False):
        assert document(get_introspection_query(descriptions=descriptions)).errors == []
    fragments = "".join(f"fragment F{i} on Campaign{{id name status brand{{id name}}}}" for i in range(25))
    assert document("{campaigns{nodes{" + "".join(f"...F{i} " for i in range(25)) + "}}}" + fragments).errors == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LIMIT_DEPTH", "0", "LIMIT_DEPTH must be a whole number, 1 or more; it is '0'."),
        ("LIMIT_DEPTH", "61", "LIMIT_DEPTH must be at most 60; it is '61'."),
        ("LIMIT_TOKENS", "many", "LIMIT_TOKENS must be a whole number, 1 or more; it is 'many'."),
        (
            "COST_BUDGET",
            "1000",
            "COST_BUDGET must be 0 or at least LIMIT_COST, 500000: what costs more than it could never run.",
        ),
    ],
)
def test_limits_that_make_no_sense_are_told(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        OperationLimits.from_env({name: value})
    assert str(raised.value) == message


def test_each_limit_can_be_set() -> None:
    of_costs = {"COST_BUDGET": "budget", "COST_IN_FLIGHT": "in_flight"}
    names = {f"LIMIT_{name.upper()}": name for name in vars(LIMITS) if name not in of_costs.values()} | of_costs
    given = {name: str(7 + index) for index, name in enumerate(names)}
    limits: Any = OperationLimits.from_env(given | {"COST_BUDGET": "1000"})
    assert {name: getattr(limits, field) for name, field in names.items()} == {
        **{name: int(value) for name, value in given.items()},
        "COST_BUDGET": 1000,
    }


@pytest.mark.parametrize("depth", [32, 60])
async def test_what_is_as_deep_as_it_may_be_is_answered(
    database_url: str, tmp_path: Path, workspace: int, depth: int
) -> None:
    levels = depth - 2
    query = (
        f'{{ node(id: "{encode("Comment", 1)}") {{ ... on Comment {{ '
        + "parent { ...{ ...{ " * levels
        + "id"
        + " } } }" * levels
        + " } } }"
    )
    async with build(database_url, tmp_path, LIMIT_DEPTH=str(depth)) as api:
        assert shape(query).nesting in range(3 * depth - 5, 3 * depth + 1)
        assert await api.data(query) == {"node": None}


async def test_a_refused_document_is_refused_over_http_and_in_streams(api: Api) -> None:
    query = "subscription { " + "".join(f"a{n}: __typename " for n in range(101)) + "}"
    message = "The document has 101 root fields; at most 100."
    assert await api.error(query) == ("LIMIT_REACHED", message)
    assert message in await api.stream(query)
