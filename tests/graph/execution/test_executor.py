"""What the differential test does not reach: what is left to the stock executor, cancellation, order, events."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from graphql import Executor, GraphQLSchema, parse
from graphql.execution import AbortedGraphQLExecutionError, experimental_execute_incrementally
from graphql.execution.incremental.incremental_executor import IncrementalExecutor
from graphql.pyutils import AbortController

from graph.execution import BreadthFirstExecutor
from tests.graph.execution.asking import Ours, awaited, field, run, said


class OursIncremental(BreadthFirstExecutor[Any], IncrementalExecutor):
    """Mixed into the executor that knows @defer and @stream."""


@pytest.fixture
def not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is executed, it is the stock executor that does it."""

    def never(*_: Any) -> None:
        raise AssertionError("this was for the stock executor")

    monkeypatch.setattr("graph.execution.executor.Run", never)


# What is left to the stock executor


@pytest.mark.usefixtures("not_ours")
@pytest.mark.parametrize(
    "text", ["{ name ... @defer { other } }", "{ all @stream(initialCount: 1) { name } name other }"]
)
async def test_what_is_deferred_or_streamed_is_the_stock_executors_whole(schema: GraphQLSchema, text: str) -> None:
    root = {"name": "n", "other": "o", "all": [{"name": 1}, {"name": 2}]}
    answers = []
    for by in (IncrementalExecutor, OursIncremental):
        found: Any = experimental_execute_incrementally(schema, parse(text), root, executor_class=by)
        later = [one.formatted async for one in found.subsequent_results]
        answers.append((found.initial_result.formatted, later))
    assert answers[0] == answers[1]
    assert answers[0][0]["hasNext"] is True


@pytest.mark.usefixtures("not_ours")
def test_what_is_not_deferred_after_all_is_the_stock_executors_too(schema: GraphQLSchema) -> None:
    assert run(schema, "{ ... @defer(if: false) { name } }", {"name": "n"}).data == {"name": "n"}
    assert run(schema, "query { ...F } fragment F on Query { all @stream { name } }", {"all": []}).data == {"all": []}


@pytest.mark.usefixtures("not_ours")
def test_a_middleware_sees_every_field(schema: GraphQLSchema) -> None:
    seen = []

    def middleware(resolve: Any, source: Any, info: Any) -> Any:
        seen.append(info.path.as_list())
        return resolve(source, info)

    executor: Any = Ours.build(schema, parse("{ self { name } }"), {"self": {"name": 1}}, middleware=[middleware])
    assert executor.execute_operation().data == {"self": {"name": "1"}}
    assert seen == [["self"], ["self", "name"]]


@pytest.mark.usefixtures("not_ours")
async def test_an_abort_signal_ends_what_is_awaited(schema: GraphQLSchema) -> None:
    controller, begun, ended = AbortController(), asyncio.Event(), asyncio.Event()

    async def slow(_info: Any) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    executor: Any = Ours.build(schema, parse("{ slow }"), {"slow": slow}, abort_signal=controller.signal)
    task = asyncio.ensure_future(executor.execute_operation())
    await begun.wait()
    controller.abort(ValueError("enough"))
    with pytest.raises(AbortedGraphQLExecutionError):
        await task
    await ended.wait()


# Waiting and cancelling


def waiting(log: list[str], begun: asyncio.Event, name: str) -> Callable[..., Any]:
    """A resolver that waits for ever, and notes that it was cancelled."""

    async def resolve(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append(name)
            raise

    return resolve


@pytest.mark.parametrize(
    ("text", "cancelled"),
    [
        ("{ name }", ["a"]),
        ("{ name other }", ["a", "b"]),
        ("{ all { name } }", ["c", "c"]),
        ("{ other all { name } self { name } }", ["b", "c", "c", "d"]),
        ("mutation { one two }", ["e"]),
    ],
)
async def test_who_stops_waiting_stops_all_that_runs(schema: GraphQLSchema, text: str, cancelled: list[str]) -> None:
    log: list[str] = []
    begun = asyncio.Event()
    a, b, c, d, e, never = (waiting(log, begun, name) for name in ("a", "b", "c", "d", "e", "never"))
    things = {"self": {"name": d}, "all": [{"name": c}, {"name": c}]}
    task = asyncio.ensure_future(run(schema, text, {"name": a, "other": b, "one": e, "two": never, **things}))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(log) == cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()  # what was never awaited would say so


async def test_what_is_cancelled_below_cancels_the_operation(schema: GraphQLSchema) -> None:
    log: list[str] = []
    begun = asyncio.Event()

    async def cancelled(_info: Any) -> None:
        await begun.wait()
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await awaited(schema, "{ name other }", {"name": cancelled, "other": waiting(log, begun, "other")})
    assert log == ["other"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("by", [Executor, BreadthFirstExecutor])
async def test_what_nobody_asks_for_any_more_is_cancelled(schema: GraphQLSchema, by: type[Executor[Any]]) -> None:
    log: list[str] = []
    begun = asyncio.Event()

    async def fails(_info: Any) -> None:
        await begun.wait()
        raise ValueError("no")

    thing = {"must": fails, "name": waiting(log, begun, "beside"), "self": {"name": waiting(log, begun, "below")}}
    result = await awaited(schema, "{ self { must name self { name } } other }", {"self": thing, "other": "x"}, by)
    assert result.data == {"self": None, "other": "x"}
    assert said(result) == [("no", ["self", "must"])]
    await asyncio.sleep(0)
    assert sorted(log) == ["below", "beside"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("by", [Executor, BreadthFirstExecutor])
async def test_an_error_at_once_does_not_wait_for_its_siblings(schema: GraphQLSchema, by: type[Executor[Any]]) -> None:
    ended = asyncio.Event()

    async def later(_info: Any) -> None:
        ended.set()

    result = run(schema, "{ name must }", {"name": later, "must": None}, by)
    assert result.data is None
    assert said(result) == [("Cannot return null for non-nullable field Query.must.", ["must"])]
    await ended.wait()  # and yet it is settled


# Subscriptions and mutations


async def test_each_event_has_an_executor_of_its_own(schema: GraphQLSchema, collected: list[str]) -> None:
    executor: Any = Ours.build(schema, parse("subscription { event { name must } }"))
    events = [{"event": {"name": name, "must": must}} for name, must in (("a", "b"), ("c", None), ("d", "e"))]
    results = [executor.build_per_event_executor(event).execute_operation() for event in events]
    assert [result.data["event"] for result in results] == [
        {"name": "a", "must": "b"},
        None,
        {"name": "d", "must": "e"},
    ]
    assert [len(result.errors or ()) for result in results] == [0, 1, 0]
    assert collected == ["collect_fields", "collect_subfields"]


async def test_a_subscription_answers_its_events_with_our_executor(schema: GraphQLSchema) -> None:
    async def events(_root: Any, _info: Any) -> AsyncIterator[Any]:
        for name in "ab":
            yield {"event": {"name": name}}

    field(schema, "Subscription", "event").subscribe = events
    executor: Any = Ours.build(schema, parse("subscription { event { name } }"))
    async for event in events(None, None):
        assert executor.build_per_event_executor(event).execute_operation().data == event


def steps(log: list[str], fails: str = "") -> dict[str, Any]:
    """A root whose fields note when they begin and when they end; some of them wait, one may fail."""

    def step(name: str, waits: int) -> Callable[..., Any]:
        async def later(_info: Any) -> str | None:
            for _ in range(waits):
                await asyncio.sleep(0)
            return end(name)

        def end(name: str) -> str | None:
            log.append(f"-{name}")
            if name == fails:
                raise ValueError(f"{name} failed")
            return name

        def begin(info: Any) -> Any:
            log.append(f"+{name}")
            return later(info) if waits else end(name)

        return begin

    return {"one": step("one", 3), "two": step("two", 0), "three": step("three", 1), "must": step("must", 2)}


@pytest.mark.parametrize("fails", ["", "one", "two", "three", "must"])
@pytest.mark.parametrize(
    "text", ["{ one two three must }", "{ two must one three }", "{ two }", "{ must two }", "{ three x: three y: one }"]
)
async def test_fields_of_a_mutation_run_one_after_another(schema: GraphQLSchema, text: str, fails: str) -> None:
    outcomes = []
    for by in (Executor, BreadthFirstExecutor):
        log: list[str] = []
        found: Any = run(schema, f"mutation {text}", steps(log, fails), by)
        result = await found if hasattr(found, "__await__") else found
        outcomes.append((log, result.data, result.errors))
    assert outcomes[0] == outcomes[1]
    log = outcomes[1][0]
    assert [one[1:] for one in log[::2]] == [one[1:] for one in log[1::2]]


async def test_an_error_in_a_field_of_a_mutation_does_not_stop_the_next(schema: GraphQLSchema) -> None:
    log: list[str] = []
    result = await awaited(schema, "mutation { one two three }", steps(log, "one"))
    assert result.data == {"one": None, "two": "two", "three": "three"}
    assert said(result) == [("one failed", ["one"])]
    assert log == ["+one", "-one", "+two", "-two", "+three", "-three"]
