"""One execution of a plan: level after level, each field of all objects of a level before the next field."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from graphql import located_error
from graphql.execution.executor import Executor
from graphql.pyutils import Path

from graph.execution.failures import Failures
from graph.execution.fields import answer
from graph.execution.plan import FieldPlan, Plan, SelectionPlan
from graph.execution.slots import Level, Slots
from graph.execution.tally import Tally
from graph.execution.waiting import Waiting


class Run:
    """The state of one execution."""

    def __init__(self, executor: Executor[Any], plan: Plan) -> None:
        self.executor = executor
        self.solid = plan.solid
        self.failures = Failures(propagate=executor.error_propagation)
        self.waiting: list[Waiting] = []
        """What has to be awaited before it can be completed, and was not yet begun."""
        self.levels: deque[Level] = deque()
        """Objects whose fields come next."""
        self.tally = Tally()
        self._infos: dict[FieldPlan, Any] = {}

    def root(self, plan: SelectionPlan) -> Level:
        """The level of the root value, with nothing in it yet."""
        level = Level(plan, [self.executor.root_value], None)
        level.outs = [plan.empty.copy()]
        self.tally.levels.append((plan, 1))
        return level

    def add(self, level: Level, fields: Sequence[FieldPlan]) -> None:
        """Answers some fields of a level, and all that can be answered below them without waiting."""
        for field in fields:
            answer(self, level, field)
        self.drain()

    def drain(self) -> None:
        """Answers the levels that are ready."""
        while self.levels:
            level = self.levels.popleft()
            if self.failures.nulled and level.turn:
                level = self._standing(level)
            if level.sources:
                self._level(level)

    def settle(self) -> None:
        """Lets what nobody waits for any more settle by itself."""
        if self.waiting:
            left = [awaitable for waiting in self.waiting for awaitable in waiting.awaitables]
            self.waiting = []
            self.executor.settle_in_background(left)

    def fail(self, slots: Slots, index: int, error: Exception) -> None:
        """Takes an error of a place."""
        located = located_error(error, slots.field.nodes, slots.path(index).as_list())
        self.failures.add(slots, index, located)

    def _standing(self, level: Level) -> Level:
        """A level without the objects below what an error has made null meanwhile."""
        kept = []
        for index in range(len(level.sources)):
            place = level.place(index)
            if place is None or not self.failures.is_nulled(*place, before=level.turn):
                kept.append(index)
        if len(kept) == len(level.sources):
            return level
        positions = kept if level.positions is None else [level.positions[index] for index in kept]
        return Level(level.plan, [level.sources[index] for index in kept], level.slots, positions, level.columns)

    def _level(self, level: Level) -> None:
        plan, sources = level.plan, level.sources
        self.tally.levels.append((plan, len(sources)))
        outs, fields = None, plan.resolved
        build = plan.builder(level.columns, len(sources))
        if build is not None:
            try:
                outs = build(sources)
            except Exception:
                # Something is not as usual: each field by itself finds out what, and whose error it is.
                outs = None
        if outs is None:
            empty, fields = plan.empty, plan.fields
            outs = [empty.copy() for _ in sources]
        level.outs = outs
        if level.slots is not None:
            level.slots.put_all(outs, level.positions)
        for field in fields:
            answer(self, level, field)

    def info(self, slots: Slots, index: int) -> Any:
        """What a resolver is told for one object. All but the path is made once for a field."""
        field = slots.field
        level, own = slots.owner(index)
        path = Path(level.path(own), field.key, field.parent_type.name)
        base = self._infos.get(field)
        if base is None:
            executor = self.executor
            base = executor.build_resolve_info(field.definition, field.nodes, field.parent_type, path)
            self._infos[field] = base
            return base
        return tuple.__new__(type(base), (*base[:4], path, *base[5:]))
