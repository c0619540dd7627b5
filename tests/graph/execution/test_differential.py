"""Both executors answer the same: generated operations in worlds where resolvers do well and badly."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import ExecutionResult, Executor, execute, parse, specified_rules, validate
from graphql.validation import OverlappingFieldsCanBeMergedRule

from graph.execution import BreadthFirstExecutor
from tests.graph.execution.documents import Documents
from tests.graph.execution.world import World

OPERATIONS = int(os.environ.get("EXECUTION_OPERATIONS", "400"))
"""How many in all; the long run asks for 10,000 and more."""

_RULES = [rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule]

Shown = tuple[str, tuple[Any, ...], tuple[tuple[int, int], ...], str]


async def answer(executor_class: type[Executor[Any]], world: World, document: Any, variables: Any) -> ExecutionResult:
    """What an executor answers."""
    found: Any = execute(world.schema, document, variable_values=variables, executor_class=executor_class)
    result: ExecutionResult = await found if hasattr(found, "__await__") else found
    return result


def shown(result: ExecutionResult) -> list[Shown]:
    """The errors as a client sees them."""
    return [
        (error.message, tuple(error.path or ()), tuple(error.locations or ()), repr(error.extensions))
        for error in result.errors or ()
    ]


def above(data: Any, path: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The path of the null in the data that an error's path leads through; None where it leads to its end."""
    for depth, key in enumerate(path):
        if data is None:
            return path[:depth]
        if not isinstance(data, dict | list) or (isinstance(data, dict) and key not in data):
            return None
        data = data[key]
    return None


def differences(stock: ExecutionResult, ours: ExecutionResult, *, in_turn: bool) -> Iterator[str]:
    """What is not the same. Of errors that make the same place null while others are awaited any may be reported."""
    if repr(stock.data) != repr(ours.data):
        yield f"data\n  stock {stock.data}\n  ours  {ours.data}"
        return
    expected, found = shown(stock), shown(ours)
    if in_turn:
        if expected != found:
            yield f"errors\n  stock {expected}\n  ours  {found}"
        return
    nulls = [
        {above(one.data, error[1]) for error in errors} - {None} for one, errors in ((stock, expected), (ours, found))
    ]
    if nulls[0] != nulls[1]:
        yield f"nulls that no error explains\n  stock {expected}\n  ours  {found}"
    for error in ((Counter(expected) - Counter(found)) + (Counter(found) - Counter(expected))).elements():
        if above(stock.data, error[1]) is None:
            yield f"error {error}\n  stock {expected}\n  ours  {found}"


async def compare(seed: int) -> bool:
    """Compares the answers for a seed. False where its document is not valid."""
    rng = random.Random(seed)
    in_turn = seed % 2 == 0
    world = World(
        seed,
        bad=rng.choice((0.0, 0.02, 0.1, 0.3)),
        slow=0.0 if in_turn else rng.choice((0.1, 0.5)),
        asks_types=seed % 3 == 0,
        hinted=seed % 5 != 0,
    )
    text, variables = Documents(world.schema, rng).operation("mutation" if seed % 7 == 0 else "query")
    document = parse(text)
    if validate(world.schema, document):
        return False
    stock = await answer(Executor, world, document, variables)
    for _ in range(2):  # the second time with a plan, and with generated functions
        ours = await answer(BreadthFirstExecutor, world, document, variables)
        found = list(differences(stock, ours, in_turn=in_turn))
        assert not found, f"seed {seed}: {text}\n{variables}\n" + "\n".join(found)
    return True


@pytest.mark.timeout(1800)
# The stock executor does not await all that it makes when several errors meet.
@pytest.mark.filterwarnings("ignore:coroutine 'Executor:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("part", range(4))
async def test_both_executors_answer_the_same(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.execution.plan._WORTHWHILE", 3)
    compared = 0
    seed = part * 10_000_000
    while compared < OPERATIONS // 4:
        seed += 1
        compared += await compare(seed)
