"""Values become answers: nothing, an error, a leaf, a list of values, or an object whose fields come next.

All values of some places are completed together, as the stock executor completes each of them.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType, Undefined
from graphql.execution.executor import invalid_return_type_error

from graph.execution.failures import Below
from graph.execution.hints import is_always_own
from graph.execution.kinds import DONE, Complete
from graph.execution.slots import ItemSlots, Level, Slots
from graph.execution.waiting import Finish, Waiting

if TYPE_CHECKING:
    from graph.execution.run import Run

Columns = tuple[str, ...] | None
Answered = Callable[["Run", Slots, Sequence[Any], list[int], list[Any]], None]


def take(run: "Run", slots: Slots, values: list[Any], columns: Columns = None) -> None:
    """Completes values, those that have to be awaited when they are there."""
    if columns is None:
        settled, is_awaitable = run.solid.settled, run.executor.is_awaitable
        late = [index for index, value in enumerate(values) if type(value) not in settled and is_awaitable(value)]
        if late:
            wait(run, slots, late, [values[index] for index in late], partial(_arrived, run, slots, len(values), late))
            if len(late) == len(values):
                return
            values = list(values)
            for index in late:
                values[index] = DONE
    complete(run, slots, values, columns)


def wait(run: "Run", slots: Slots, places: Sequence[int], awaitables: list[Any], finish: Finish) -> None:
    """Goes on when awaitables, one for each of some places, have arrived."""
    run.waiting.append(Waiting(slots, [(place,) for place in places], awaitables, finish))


def _arrived(run: "Run", slots: Slots, count: int, places: Sequence[int], results: list[Any]) -> None:
    values = results
    if len(places) < count:
        values = [DONE] * count
        for place, value in zip(places, results, strict=True):
            values[place] = value
    complete(run, slots, values)


def complete(run: "Run", slots: Slots, values: Sequence[Any], columns: Columns = None) -> None:
    """Completes values that are there, one for each place. DONE stands where nothing is left to do."""
    if values and type(values[0]) is Complete and all(type(value) is Complete for value in values):
        run.tally.written.append((slots.field, len(values), sum([value.objects for value in values])))
        slots.put_all([value.value for value in values], None)
        return
    form = slots.kind.form
    if form == "leaf":
        _leaves(run, slots, values)
    elif form == "list":
        _lists(run, slots, values)
    elif form == "object":
        _objects(run, slots, values, columns)
    else:
        _abstract(run, slots, values)


def _null(run: "Run", slots: Slots, index: int) -> None:
    if slots.kind.non_null:
        name = f"{slots.field.parent_type}.{slots.field.nodes[0].name.value}"
        run.fail(slots, index, TypeError(f"Cannot return null for non-nullable field {name}."))


def _is_something(run: "Run", slots: Slots, index: int, value: Any) -> bool:
    """Whether there is a value to complete. Takes what is null, an error, or complete already."""
    if value is DONE:
        return False
    if type(value) is Complete:
        run.tally.written.append((slots.field, 1, value.objects))
        slots.put(index, value.value)
        return False
    if value is None or value is Undefined:
        _null(run, slots, index)
        return False
    if isinstance(value, Exception):
        run.fail(slots, index, value)
        return False
    return True


def _leaves(run: "Run", slots: Slots, values: Sequence[Any]) -> None:
    try:
        slots.put_all(list(map(slots.kind.lenient, values)), None)
    except Exception:
        for index, value in enumerate(values):
            _leaf(run, slots, index, value)


def _leaf(run: "Run", slots: Slots, index: int, value: Any) -> None:
    if _is_something(run, slots, index, value):
        try:
            slots.put(index, run.executor.complete_leaf_value(slots.kind.type, value))
        except Exception as error:
            run.fail(slots, index, error)


def _lists(run: "Run", slots: Slots, values: Sequence[Any]) -> None:
    lists: list[list[Any]] = []
    parents: list[int] = []
    starts: list[int] = []
    items: list[Any] = []
    columns: set[Columns] = set()
    for index, value in enumerate(values):
        if not _is_something(run, slots, index, value):
            continue
        if not isinstance(value, list | tuple) or run.executor.is_async_iterable(value):
            _elsewhere(run, slots, index, value)
            continue
        found: list[Any] = [None] * len(value)
        slots.put(index, found)
        if found:
            lists.append(found)
            parents.append(index)
            starts.append(len(items))
            items.extend(value)
            columns.add(getattr(value, "columns", None))
    if lists:
        of = slots.kind.of
        assert of is not None  # noqa: S101 - for the type checker: a list has items
        places = ItemSlots(of, slots, parents, lists, starts)
        take(run, places, items, columns.pop() if len(columns) == 1 else None)


def _objects(run: "Run", slots: Slots, values: Sequence[Any], columns: Columns) -> None:
    object_type = slots.kind.type
    if columns is not None:
        _enqueue(run, slots, object_type, values, None, columns)
        return
    solid = run.solid.types
    positions = [
        index
        for index, value in enumerate(values)
        if type(value) in solid or (_is_something(run, slots, index, value) and value in run.solid)
    ]
    if len(positions) == len(values):
        _enqueue(run, slots, object_type, values, None)
    elif positions:
        _enqueue(run, slots, object_type, [values[index] for index in positions], positions)


def _abstract(run: "Run", slots: Slots, values: Sequence[Any]) -> None:
    abstract = slots.kind.type
    resolve_type = abstract.resolve_type or run.executor.type_resolver
    places, names = [], []
    for index, value in enumerate(values):
        if _is_something(run, slots, index, value):
            try:
                names.append(resolve_type(value, run.info(slots, index), abstract))
                places.append(index)
            except Exception as error:
                run.fail(slots, index, error)
    _now_and_later(run, slots, values, places, names, _typed)


def _now_and_later(
    run: "Run",
    slots: Slots,
    values: Sequence[Any],
    places: list[int],
    answers: list[Any],
    go_on: Answered,
) -> None:
    """Goes on with what the types answered about values, and later with those answers that have to be awaited."""
    is_awaitable = run.executor.is_awaitable
    late = {place: answer for place, answer in zip(places, answers, strict=True) if is_awaitable(answer)}
    if late:
        of = list(late)
        wait(run, slots, of, list(late.values()), lambda found: go_on(run, slots, values, of, found))
        now = [pair for pair in zip(places, answers, strict=True) if pair[0] not in late]
        places, answers = [pair[0] for pair in now], [pair[1] for pair in now]
    if places:
        go_on(run, slots, values, places, answers)


def _typed(run: "Run", slots: Slots, values: Sequence[Any], places: list[int], names: list[Any]) -> None:
    found: dict[GraphQLObjectType, list[int]] = {}
    for index, name in zip(places, names, strict=True):
        if name is not DONE:
            try:
                found.setdefault(_type_of(run, slots, index, name, values[index]), []).append(index)
            except Exception as error:
                run.fail(slots, index, error)
    for object_type, positions in found.items():
        _enqueue(run, slots, object_type, [values[index] for index in positions], positions)


def _type_of(run: "Run", slots: Slots, index: int, name: Any, value: Any) -> GraphQLObjectType:
    known = slots.field.runtime_types
    found = known.get((slots.kind.type, name)) if type(name) is str else None
    if found is None:
        executor, field = run.executor, slots.field
        abstract, info = slots.kind.type, run.info(slots, index)
        found = executor.ensure_valid_runtime_type(name, abstract, field.details, info, value)
        known[abstract, name] = found
    return found


def _enqueue(
    run: "Run",
    slots: Slots,
    object_type: GraphQLObjectType,
    sources: Sequence[Any],
    positions: list[int] | None,
    columns: Columns = None,
) -> None:
    if object_type.is_type_of is None or is_always_own(object_type):
        _select(run, slots, object_type, sources, positions, columns)
        return
    places = list(range(len(sources))) if positions is None else positions
    by_place = dict(zip(places, sources, strict=True))
    asked, answers = [], []
    for index, source in by_place.items():
        try:
            answers.append(object_type.is_type_of(source, run.info(slots, index)))
            asked.append(index)
        except Exception as error:
            run.fail(slots, index, error)

    def go_on(run: "Run", slots: Slots, _values: Any, places: list[int], answers: list[Any]) -> None:
        own = []
        for index, answer in zip(places, answers, strict=True):
            if answer is DONE:
                continue
            if answer:
                own.append(index)
            else:
                source = by_place[index]
                run.fail(slots, index, invalid_return_type_error(object_type, source, slots.field.details))
        _select(run, slots, object_type, [by_place[index] for index in own], own)

    _now_and_later(run, slots, (), asked, answers, go_on)


def _select(
    run: "Run",
    slots: Slots,
    object_type: GraphQLObjectType,
    sources: Sequence[Any],
    positions: list[int] | None,
    columns: Columns = None,
) -> None:
    if not sources:
        return
    try:
        plan = slots.field.selection(object_type)
    except Exception as error:
        for index in positions if positions is not None else range(len(sources)):
            run.fail(slots, index, error)
        return
    run.levels.append(Level(plan, sources, slots, positions, columns))


def _elsewhere(run: "Run", slots: Slots, index: int, value: Any) -> None:
    """Leaves a value, and all below it, to the stock executor: what is no list, but may be iterated like one."""
    run.tally.is_complete = False
    executor = copy(run.executor)
    executor.collected_errors = Below(run.failures, slots, index)
    declared, details, path = slots.kind.declared, slots.field.details, slots.path(index)
    try:
        completed = executor.complete_value(declared, details, run.info(slots, index), path, value, None)
    except Exception as error:
        run.fail(slots, index, error)
        return
    if executor.is_awaitable(completed):
        wait(run, slots, [index], [completed], lambda found: _put(run, slots, index, found[0]))
    else:
        _put(run, slots, index, completed)


def _put(run: "Run", slots: Slots, index: int, completed: Any) -> None:
    if completed is not DONE:
        slots.put(index, completed)
