"""Operations that are measured. Where nothing is to be, there are none of these, and nothing is paid."""

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import strawberry
from graphql import ExecutionResult, OperationDefinitionNode

from graph.context import Context
from graph.documents import Document
from graph.operations import Operations, Variables
from graph.telemetry.operations import OperationMetrics, type_of

T = TypeVar("T")


class MeasuredOperations(Operations):
    """Operations whose answers are counted."""

    def __init__(self, schema: strawberry.Schema, executor: str, metrics: OperationMetrics) -> None:
        super().__init__(schema, executor)
        self._metrics = metrics

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
        return await self._metrics.answered(type_of(operation), work)

    async def opening(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        found: T = await self._metrics.opened(super().opening(document, operation, work))
        return found

    async def answering(
        self, document: Document, operation: OperationDefinitionNode, work: Awaitable[Sequence[ExecutionResult]]
    ) -> Sequence[ExecutionResult]:
        """See ``Operations``."""
        results = await super().answering(document, operation, work)
        for result in results:
            if result.errors:
                self._metrics.failed(result.errors)
        return results
