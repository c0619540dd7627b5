"""Operations that are measured. Where nothing is to be, there are none of these, and nothing is paid."""

from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import strawberry
from graphql import ExecutionResult, OperationDefinitionNode

from graph.arrivals import transport
from graph.context import Context
from graph.documents import Document
from graph.operations import Operations, Rules, Variables
from graph.telemetry.operations import OperationMetrics, results_in, type_of

if TYPE_CHECKING:
    from graph.telemetry.tracing import Tracing

T = TypeVar("T")


class Traced(Operations):
    """Operations with spans."""

    tracing: "Tracing"

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
        return await self.tracing.answered(document, operation, work)

    async def opening(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        return await self.tracing.opened(document, operation, work)

    async def answering(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        return await self.tracing.told(document, operation, work)


class Counted(Operations):
    """Operations that are counted. On the way of all that is asked: hence so plain."""

    metrics: OperationMetrics

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
        metrics, began, outcome = self.metrics, perf_counter(), "cancelled"
        metrics.running += 1
        try:
            result = await super().answer(document, operation, name, variables, context, extensions)
            outcome = metrics.outcome(result) if result.errors else "ok"
            return result
        finally:
            metrics.running -= 1
            metrics.seconds.observe((type_of(operation), transport(), outcome), perf_counter() - began)

    async def opening(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        return await self.metrics.opened(super().opening(document, operation, work))

    async def answering(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """See ``Operations``."""
        found = await super().answering(document, operation, work)
        for result in results_in(found):
            self.metrics.failed(result.errors or ())
        return found


class CountedAndTraced(Counted, Traced):
    """Both: the span is within what is counted."""


def operations_of(
    schema: strawberry.Schema, rules: Rules, metrics: OperationMetrics | None, tracing: "Tracing | None"
) -> Operations:
    """The operations of a schema, measured as far as they are to be."""
    if metrics is not None and tracing is not None:
        both = CountedAndTraced(schema, rules)
        both.metrics, both.tracing = metrics, tracing
        return both
    if metrics is not None:
        counted = Counted(schema, rules)
        counted.metrics = metrics
        return counted
    if tracing is not None:
        traced = Traced(schema, rules)
        traced.tracing = tracing
        return traced
    return Operations(schema, rules)
