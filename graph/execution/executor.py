"""The executor: graphql-core's own, but that an operation is run from a plan, in breadth."""

from typing import Any, TypeVar

from graphql import ExecutionResult, OperationType
from graphql.execution.executor import Executor
from graphql.pyutils import AwaitableOrValue

from graph.execution.plan import Plans, PlansOfOperations
from graph.execution.run import Run
from graph.execution.slots import Level
from graph.execution.tally import Tally
from graph.execution.waiting import Loop

TContext = TypeVar("TContext")

_TURNS = 1 << 20
"""More than an operation has levels: what a field of a mutation does comes after all that the one before did."""


class BreadthFirstExecutor(Executor[TContext]):
    """Answers what the stock executor answers, level by level.

    Mix it in before another subclass of graphql-core's Executor. What it does not cover goes to that one, whole:
    @defer and @stream, arguments of fragments, middleware, and abort signals.

    ``plans`` are those of the operation; without them they are found by the operation's identity.
    """

    _known_plans = PlansOfOperations()

    def __init__(self, *args: Any, plans: Plans | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = plans
        self.tally: Tally | None = None
        """What the execution answered; None as long as it runs, and where the stock executor did all of it."""

    def execute_operation(self, serially: bool | None = None) -> AwaitableOrValue[Any]:
        """Executes the operation; the answer has to be awaited if something of it has."""
        if self.abort_signal is not None or (self.middleware_manager and self.middleware_manager.middlewares):
            return super().execute_operation(serially)
        plans = self._plans or self._known_plans.of(self)
        root_type = self.schema.get_root_type(self.operation.operation)
        if root_type is None or not plans.is_covered:
            return super().execute_operation(serially)
        try:
            plan = plans.of(self)
            selection = plan.root(root_type)
        except Exception:
            # What is wrong with the operation itself the stock executor says best.
            return super().execute_operation(serially)
        run = Run(self, plan)
        root = run.root(selection)
        if self.operation.operation == OperationType.MUTATION if serially is None else serially:
            return self._one_by_one(run, root)
        run.add(root, selection.fields)
        if not run.waiting or run.failures.root_is_null:
            run.settle()
            return self._response(run, root)
        return self._later(run, root)

    def _one_by_one(self, run: Run, root: Level) -> AwaitableOrValue[Any]:
        for at, field in enumerate(root.plan.fields):
            root.turn = at * _TURNS
            run.add(root, [field])
            if run.failures.root_is_null:
                break
            if run.waiting:
                return self._one_by_one_later(run, root, at)
        run.settle()
        return self._response(run, root)

    async def _one_by_one_later(self, run: Run, root: Level, waits: int) -> ExecutionResult:
        await Loop(run).until_done()
        for field in root.plan.fields[waits + 1 :]:
            if run.failures.root_is_null:
                break
            root.turn = field.index * _TURNS
            run.add(root, [field])
            await Loop(run).until_done()
        return self._response(run, root)

    async def _later(self, run: Run, root: Level) -> ExecutionResult:
        await Loop(run).until_done()
        return self._response(run, root)

    def _response(self, run: Run, root: Level) -> Any:
        self.collected_errors = run.failures.collected()
        self.tally = run.tally
        # Past those that look for what @defer and @stream left to do: here is nothing of them.
        return Executor.build_response(self, None if run.failures.root_is_null else root.outs[0])
