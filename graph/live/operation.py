"""A subscription that is checked and ready: answers its events, many at a time, with fresh reads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson
import structlog
from graphql import ExecutionResult, FieldNode, OperationDefinitionNode, VariableNode, visit
from graphql.language import Visitor

from db.engine import Database, is_unavailable
from db.queries.live.log import Entry
from graph.access import Viewer
from graph.context import Context
from graph.documents import Document
from graph.encoding import encoded
from graph.errors import shown
from graph.files import Links
from graph.live.hub import Live
from graph.live.mailbox import Message
from graph.live.sources import Show, Shown
from graph.operations import Operations

T = TypeVar("T")

log = structlog.get_logger("groundswell.live")

_RETRY, _RETRY_AT_MOST = 0.1, 2.0


@dataclass(frozen=True)
class Operation:
    """A valid document, which of its operations, and the variables."""

    operations: Operations
    document: Document
    node: OperationDefinitionNode
    name: str | None
    variables: dict[str, Any]

    def identity(self) -> bytes:
        """What is the same for all that ask the same: all but where they begin."""
        variables = dict(self.variables)
        beginning = self._variable_of_after()
        if beginning is not None:
            variables.pop(beginning, None)
        return orjson.dumps([self.document.text, self.name, variables], option=orjson.OPT_SORT_KEYS)

    def _variable_of_after(self) -> str | None:
        """The variable that says after which cursor it begins, if that is all that it does."""
        name = next((found for node in self.node.selection_set.selections if (found := _after_of(node))), None)
        uses = _Uses()
        visit(self.document.node, uses)
        # Once where it is declared, once as the argument.
        return name if name is not None and uses.of.count(name) == 2 else None

    def executor(self, context: Context) -> Any:
        """The executor of this operation, or the errors of its variables."""
        return self.operations.executor(self.document, self.name, self.variables, context)


@dataclass(frozen=True)
class Answerer:
    """Answers the events of an operation, with the eyes of a viewer."""

    database: Database
    live: Live
    links: Links
    viewer: Viewer
    operation: Operation

    async def messages(self, entries: Sequence[Entry]) -> list[Message]:
        """The messages for entries of the log, in order."""
        results = await self.results(entries)
        pairs = zip(results, entries, strict=True)
        return [Message(message_of(result), entry.position, self.cursor(entry.position)) for result, entry in pairs]

    def cursor(self, position: int) -> str:
        """The cursor of a position in the log as it is now."""
        return self.live.hub.cursor(position)

    async def results(self, events: Sequence[Any]) -> list[ExecutionResult]:
        """The answers to events, in order. All of them read one snapshot, taken after they came."""
        one = self.operation
        return await one.operations.answering(one.document, one.node, patiently(partial(self._results, events)))

    async def look(self, show: Show) -> tuple[Shown, ExecutionResult]:
        """A value as it is now, and the answer about it, both read from one snapshot."""
        one = self.operation
        return await one.operations.answering(one.document, one.node, patiently(partial(self._look, show)))

    async def _results(self, events: Sequence[Any]) -> list[ExecutionResult]:
        async with self._context() as context:
            return await self._answers(context, events)

    async def _look(self, show: Show) -> tuple[Shown, ExecutionResult]:
        async with self._context() as context:
            seen = await show(context.reads)
            [result] = await self._answers(context, [seen.value])
        return seen, result

    @asynccontextmanager
    async def _context(self) -> AsyncIterator[Context]:
        context = Context(self.database, self.viewer, self.live, self.links)
        try:
            yield context
        finally:
            await context.close()

    async def _answers(self, context: Context, events: Sequence[Any]) -> list[ExecutionResult]:
        executor = self.operation.executor(context)
        answers = [executor.build_per_event_executor(event).execute_operation() for event in events]
        waiting = [answer for answer in answers if executor.is_awaitable(answer)]
        done = iter(await asyncio.gather(*waiting))
        results = [next(done) if executor.is_awaitable(answer) else answer for answer in answers]
        for error in (error for result in results for error in result.errors or ()):
            if error.original_error is not None and is_unavailable(error.original_error):
                raise error.original_error
        for result in results:
            if result.errors:
                result.errors = [shown(error, self.operation.name) for error in result.errors]
        return results


def message_of(result: ExecutionResult) -> str:
    """The JSON of an execution result, as a text."""
    return encoded(result.formatted).decode()


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """What some work answers; while the database cannot be reached, it is tried again.

    What was acknowledged is not answered by an error: it waits.
    """
    pause = _RETRY
    while True:
        try:
            return await work()
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("the database cannot be reached; live events wait", reason=str(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, _RETRY_AT_MOST)


def _after_of(node: Any) -> str | None:
    if not isinstance(node, FieldNode):
        return None
    values = [argument.value for argument in node.arguments or () if argument.name.value == "after"]
    return values[0].name.value if values and isinstance(values[0], VariableNode) else None


class _Uses(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.of: list[str] = []

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.of.append(node.name.value)
