"""Operations that are measured. Where nothing is to be, there are none of these, and nothing is paid."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import strawberry
from graphql import ExecutionResult, OperationDefinitionNode

from graph.context import Context
from graph.documents import Document
from graph.operations import Operations, Variables
from graph.telemetry.operations import OperationMetrics, results_in, type_of

if TYPE_CHECKING:
    from graph.telemetry.tracing import Tracing

T = TypeVar("T")


class MeasuredOperations(Operations):
    """Operations whose answers are counted, traced, or both."""

    def __init__(
        self, schema: strawberry.Schema, executor: str, metrics: OperationMetrics | None, tracing: "Tracing | None"
    ) -> None:
        super().__init__(schema, executor)
        self._metrics, self._tracing = metrics, tracing

    async def answer(
        self,
        document: Document,
        operation: OperationDefinitionNode | None,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Any = None,
    ) -> ExecutionResult:
        """See ``Operations``."""
        work = super().answer(document, operation, name, variables, context, extensions)
        if self._tracing is not None:
            work = self._tracing.answered(document, operation, work)
        if self._metrics is not None:
            work = self._metrics.answered(type_of(operation), work)
        return await work

    async def opening(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        if self._tracing is not None:
            work = self._tracing.opened(document, operation, work)
        if self._metrics is not None:
            work = self._metrics.opened(work)
        return await work

    async def answering(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        found = await (work if self._tracing is None else self._tracing.told(document, operation, work))
        if self._metrics is not None:
            for result in results_in(found):
                self._metrics.failed(result.errors or ())
        return found
