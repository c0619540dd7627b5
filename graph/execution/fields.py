"""Fields are asked for their values: one field of all objects of a level, by its hint or by its resolver."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from graph.execution.completion import take
from graph.execution.hints import Batch
from graph.execution.kinds import DONE
from graph.execution.plan import FieldPlan
from graph.execution.slots import FieldSlots, Level, Slots
from graph.execution.waiting import Waiting

if TYPE_CHECKING:
    from graph.execution.run import Run


def answer(run: "Run", level: Level, field: FieldPlan) -> None:
    """Answers a field of all objects of a level."""
    slots = FieldSlots(level, field)
    if field.is_pure:
        values = _read(run, slots, level.sources)
    else:
        try:
            arguments = field.arguments(run.executor)
        except Exception as error:
            _fail_all(run, slots, len(level.sources), error)
            return
        if isinstance(field.hint, Batch):
            _batch(run, slots, field.hint, arguments)
            return
        values = _attributes(run, slots, arguments) if field.is_default else _resolve(run, slots, arguments)
    take(run, slots, values)


def _fail_all(run: "Run", slots: Slots, count: int, error: Exception) -> None:
    for index in range(count):
        run.fail(slots, index, error)


def _read(run: "Run", slots: FieldSlots, sources: Sequence[Any]) -> list[Any]:
    read: Any = slots.field.hint
    values = []
    for index, source in enumerate(sources):
        try:
            values.append(read(source))
        except Exception as error:
            run.fail(slots, index, error)
            values.append(DONE)
    return values


def _attributes(run: "Run", slots: FieldSlots, arguments: dict[str, Any]) -> list[Any]:
    """What graphql-core's own resolver answers, which needs ``info`` only for what is callable."""
    name = slots.field.nodes[0].name.value
    values = []
    for index, source in enumerate(slots.level.sources):
        try:
            is_mapping = type(source) is dict or isinstance(source, Mapping)
            value = source.get(name) if is_mapping else getattr(source, name, None)
            values.append(value(run.info(slots, index), **arguments) if callable(value) else value)
        except Exception as error:
            run.fail(slots, index, error)
            values.append(DONE)
    return values


def _resolve(run: "Run", slots: FieldSlots, arguments: dict[str, Any]) -> list[Any]:
    resolve, values = slots.field.resolve, []
    for index, (source, info) in enumerate(zip(slots.level.sources, _infos_of(run, slots), strict=False)):
        try:
            values.append(resolve(source, info, **arguments))
        except Exception as error:
            run.fail(slots, index, error)
            values.append(DONE)
    return values


def _batch(run: "Run", slots: FieldSlots, hint: Batch, arguments: dict[str, Any]) -> None:
    sources = slots.level.sources
    try:
        answer = hint.function(sources, run.info(slots, 0), **arguments)
    except Exception as error:
        _fail_all(run, slots, len(sources), error)
        return
    if run.executor.is_awaitable(answer):
        run.waiting.append(
            Waiting(slots, [range(len(sources))], [answer], partial(_batch_arrived, run, slots, len(sources)))
        )
    else:
        _answered(run, slots, len(sources), answer)


def _batch_arrived(run: "Run", slots: Slots, count: int, results: list[Any]) -> None:
    [answer] = results
    if answer is not DONE:
        _answered(run, slots, count, answer)


def _answered(run: "Run", slots: Slots, count: int, answer: Any) -> None:
    if not isinstance(answer, list | tuple) or len(answer) != count:
        found = f"{len(answer)}" if isinstance(answer, list | tuple) else f"a {type(answer).__name__}"
        error = TypeError(f"The batch resolver must answer a list of {count} values; it answered {found}.")
        _fail_all(run, slots, count, error)
        return
    take(run, slots, list(answer))


def _infos_of(run: "Run", slots: FieldSlots) -> Iterator[Any]:
    for index in range(len(slots.level.sources)):
        yield run.info(slots, index)
