"""Hints and complete values: what a field says of itself changes no answer."""

from collections.abc import Callable
from operator import attrgetter, itemgetter
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import Executor, GraphQLError, GraphQLSchema

from graph.execution import Attribute, Batch, Complete, Plain, hint
from tests.graph.execution.asking import field, run, said


def batched(schema: GraphQLSchema, answer: Callable[[list[Any]], Any]) -> Any:
    """What is answered where ``Thing.name`` is answered for two objects at once."""
    hint(field(schema, "Thing", "name"), Batch(lambda sources, _info: answer(sources)))
    return run(schema, "{ all { name } other }", {"all": [1, 2], "other": "x"})


def _raises(_: Any) -> Any:
    raise GraphQLError("all", extensions={"code": "ALL"})


_NOT_A_LIST = "The batch resolver must answer a list of 2 values; it answered"


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    ("answer", "names", "messages"),
    [
        (lambda sources: [f"n{one}" for one in sources], ["n1", "n2"], []),
        (tuple, ["1", "2"], []),
        (lambda _: ["a"], [None, None], [f"{_NOT_A_LIST} 1."] * 2),
        (lambda _: ["a", "b", "c"], [None, None], [f"{_NOT_A_LIST} 3."] * 2),
        (lambda _: "ab", [None, None], [f"{_NOT_A_LIST} a str."] * 2),
        (lambda _: None, [None, None], [f"{_NOT_A_LIST} a NoneType."] * 2),
        (lambda _: {1: 2, 3: 4}, [None, None], [f"{_NOT_A_LIST} a dict."] * 2),
        (_raises, [None, None], ["all"] * 2),
        (lambda _: ["a", ValueError("second")], ["a", None], ["second"]),
        (lambda _: [[], "b"], [None, "b"], ["String cannot represent value: []"]),
    ],
)
async def test_a_batch_answers_one_value_for_each_object(
    schema: GraphQLSchema, answer: Any, names: list[Any], messages: list[str], is_late: bool
) -> None:
    async def later(sources: Any) -> Any:
        return answer(sources)

    found: Any = batched(schema, later if is_late else answer)
    result = await found if is_late else found
    assert result.data == {"all": [{"name": name} for name in names], "other": "x"}
    wrong = [index for index, name in enumerate(names) if name is None]
    expected = [(message, ["all", index, "name"]) for message, index in zip(messages, wrong, strict=True)]
    assert said(result) == expected
    assert [error.locations for error in result.errors or ()] == [[(1, 9)]] * len(messages)


async def test_values_of_a_batch_may_be_awaited_one_by_one(schema: GraphQLSchema) -> None:
    async def value(source: int) -> int:
        if source == 2:
            raise ValueError("second")
        return source

    result = await batched(schema, lambda sources: [value(one) for one in sources])
    assert result.data == {"all": [{"name": "1"}, {"name": None}], "other": "x"}
    assert said(result) == [("second", ["all", 1, "name"])]


def test_a_batch_is_asked_once_for_a_level(schema: GraphQLSchema) -> None:
    asked: list[Any] = []

    def names(sources: Any, info: Any) -> Any:
        asked.append((list(sources), info.path.as_list()))
        return [*sources]

    hint(field(schema, "Thing", "name"), Batch(names))
    result = run(schema, "{ all { name x: name } }", {"all": [1, None, 3]})
    assert result.data == {"all": [{"name": "1", "x": "1"}, None, {"name": "3", "x": "3"}]}
    assert asked == [([1, 3], ["all", 0, "name"]), ([1, 3], ["all", 0, "x"])]


@pytest.mark.parametrize(
    ("of", "value"),
    [("name", 5), ("name", {"any": "thing"}), ("must", None), ("all", [1, None]), ("need", {"no": "field of it"})],
)
@pytest.mark.parametrize("objects", [1, 20])
def test_what_is_complete_goes_into_the_answer_as_it_is(
    schema: GraphQLSchema, of: str, value: Any, objects: int
) -> None:
    below = " { name }" if of in ("all", "need") else ""
    things = [{of: Complete(value)}] * objects
    result = run(schema, f"{{ all {{ {of}{below} }} }}", {"all": things})
    assert (result.data, result.errors) == ({"all": [{of: value}] * objects}, None)


def test_what_is_complete_may_stand_among_others(schema: GraphQLSchema) -> None:
    thing = {"names": ["a", Complete(1), None], "all": [Complete("whole"), {"name": "x"}]}
    result = run(schema, "{ self { names all { name } } }", {"self": thing})
    assert result.data == {"self": {"names": ["a", 1, None], "all": ["whole", {"name": "x"}]}}


VALUES = ("x", 4, None, True, ValueError("as a value"), [1], float("nan"))


@pytest.mark.parametrize("objects", [1, 20])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("what", [Attribute("name"), Plain(attrgetter("name")), Attribute("name", lambda value: value)])
def test_a_hint_answers_what_the_resolver_does(schema: GraphQLSchema, what: Any, value: Any, objects: int) -> None:
    root = {"all": [SimpleNamespace(name="y", must="m")] * objects + [SimpleNamespace(name=value, must=value)]}
    text = "{ all { name must x: name } }"
    stock = run(schema, text, root, Executor)
    hint(field(schema, "Thing", "name"), what)
    hint(field(schema, "Thing", "must"), Attribute("must"))
    ours = run(schema, text, root)
    assert (ours.data, ours.errors) == (stock.data, stock.errors)


@pytest.mark.parametrize("objects", [1, 20])
def test_what_raises_where_it_is_read_is_that_fields_error(schema: GraphQLSchema, objects: int) -> None:
    hint(field(schema, "Thing", "name"), Plain(itemgetter("name")))
    result = run(schema, "{ all { name } }", {"all": [{"name": "x"}] * objects + [{}]})
    assert result.data == {"all": [{"name": "x"}] * objects + [{"name": None}]}
    assert said(result) == [("'name'", ["all", objects, "name"])]
