"""What documents and answers cost: no more than linear in their size, counted in calls."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from graphql import Executor, GraphQLSchema, parse

from tests.graph.execution.asking import Ours, field, run


@contextmanager
def calls() -> Iterator[list[int]]:
    """Counts the calls of functions: a measure of work that does not depend on the machine."""
    counted = [0]

    def note(_frame: Any, event: str, _argument: Any) -> None:
        counted[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield counted
    finally:
        sys.setprofile(before)


def chain(size: int, selection: str) -> str:
    """Fragments, each of which has the next in it."""
    links = [f"fragment F{n} on Thing {{ {selection.replace('NEXT', f'...F{n + 1}')} }}" for n in range(size)]
    return "{ self { ...F0 } } " + " ".join(links) + f" fragment F{size} on Thing {{ name }}"


def nested(size: int) -> Any:
    """A thing in a thing, so deep."""
    thing: Any = {"name": "x"}
    for _ in range(size):
        thing = {"self": thing, "need": thing, "name": "y"}
    return {"self": thing}


def slowly(size: int) -> Any:
    """The same, where each has to be awaited."""

    def later(thing: Any) -> Any:
        async def resolve(_info: Any) -> Any:
            return thing

        return {"self": resolve, "name": "y"}

    thing: Any = {"name": "x"}
    for _ in range(size):
        thing = later(thing)
    return {"self": thing}


DOCUMENTS: dict[str, tuple[Callable[[int], str], Callable[[int], Any]]] = {
    "deep": (lambda size: chain(size, "self { NEXT }"), nested),
    "deep, awaited": (lambda size: chain(size, "self { NEXT }"), slowly),
    "deep, and nothing there": (lambda size: chain(size, "self { NEXT }"), lambda _: {"self": None}),
    "each spreads the next twice": (lambda size: chain(size, "NEXT NEXT"), nested),
    "each spreads the next in two ways": (lambda size: chain(size, "NEXT ... on Thing { NEXT }"), nested),
    "each field merged of two": (lambda size: chain(size, "self { NEXT } self { NEXT }"), nested),
    "two of each, and nothing there": (lambda size: chain(size, "a: self { NEXT } b: self { NEXT }"), lambda _: {}),
    "aliases": (lambda size: "{ self {" + " ".join(f"a{n}: name" for n in range(size)) + "} }", nested),
    "aliases of objects": (lambda size: "{" + " ".join(f"a{n}: self {{ name }}" for n in range(size)) + "}", nested),
    "one field often": (lambda size: "{" + " self { name self { name } }" * size + "}", nested),
    "one fragment often": (lambda size: "{" + " ...F" * size + "} fragment F on Query { self { name } }", nested),
    "many operations": (
        lambda size: "{ name }" + " ".join(f"fragment F{n} on Query {{ name }}" for n in range(size)),
        nested,
    ),
}


async def work(schema: GraphQLSchema, text: str, root: Any, by: type[Executor[Any]] = Ours) -> int:
    """How many calls the execution of a document takes, its plan included."""
    executor: Any = by.build(schema, parse(text), root)
    with calls() as counted:
        found = executor.execute_operation()
        result = await found if hasattr(found, "__await__") else found
    assert result.errors is None
    return counted[0]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_document_costs_no_more_than_linear_in_its_size(schema: GraphQLSchema, name: str) -> None:
    text, root = DOCUMENTS[name]
    small, large = [await work(schema, text(size), root(size)) for size in (150, 300)]
    assert large <= 2.1 * small + 100


async def test_resolvers_that_look_where_they_are_cost_no_more_than_linear(schema: GraphQLSchema) -> None:
    """Every level asks for its path, which is as long as the level is deep: no more than the stock executor takes."""
    for of in ("Query", "Thing"):
        field(schema, of, "self").resolve = lambda source, info: source.get("self") if info.path else None
    text = DOCUMENTS["deep"][0]
    small, large = [await work(schema, text(size), nested(size)) for size in (150, 300)]
    assert large <= 2.1 * small + 100


async def failing(schema: GraphQLSchema, size: int, by: type[Executor[Any]]) -> int:
    """How many calls it takes that each of so many objects fails once the one before it has."""
    gates = [asyncio.Event() for _ in range(size + 1)]

    def late(turn: int) -> Callable[..., Any]:
        async def resolve(_info: Any) -> None:
            await gates[turn].wait()
            gates[turn + 1].set()
            raise ValueError("late")

        return resolve

    gates[0].set()
    root = {"all": [{"must": late(turn), "name": "x"} for turn in range(size)]}
    executor: Any = by.build(schema, parse("{ all { must name } }"), root)
    with calls() as counted:
        result = await executor.execute_operation()
    assert result.data == {"all": [None] * size}
    assert len(result.errors) == size
    return counted[0]


async def test_errors_at_many_times_cost_no_more_than_the_stock_executor_takes(schema: GraphQLSchema) -> None:
    assert await failing(schema, 200, Ours) <= 2 * await failing(schema, 200, Executor)


def test_a_deep_answer_needs_no_deep_stack(schema: GraphQLSchema) -> None:
    size = 3000
    result = run(schema, chain(size, "self { NEXT }"), nested(size))
    depth, found = 0, result.data
    while found.get("self") is not None:
        depth, found = depth + 1, found["self"]
    assert (depth, found, result.errors) == (size + 1, {"name": "x"}, None)
