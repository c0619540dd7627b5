"""Operations: how many, how long they took, and what came of them. Never by their names, which clients make up."""

from collections.abc import Awaitable, Iterator, Sequence
from time import perf_counter
from typing import Any, TypeVar

from graphql import ExecutionResult, GraphQLError, OperationType
from prometheus_client.core import GaugeMetricFamily, Metric

from graph.arrivals import transport
from graph.telemetry.accumulators import Histogram, Tally

T = TypeVar("T")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_QUERY, _MUTATION = OperationType.QUERY, OperationType.MUTATION
_MOST_CODES = 50
_OURS = (("INTERNAL",), ("UNAVAILABLE",), ("DEADLINE_EXCEEDED",))
"""Codes that alerts are about."""


class OperationMetrics:
    """Of all operations of a process. An operation is ``refused`` where nothing of it ran."""

    def __init__(self) -> None:
        self.running = 0
        self.seconds = Histogram(("type", "transport", "outcome"), _SECONDS)
        self._errors = Tally(
            "groundswell_operation_errors", "Errors in answers, by code.", ("code",), _MOST_CODES, _OURS
        )

    def over(self, type_: str, outcome: str, began: float) -> None:
        """Counts an operation that is over. ``began``: by perf_counter."""
        self.seconds.observe((type_, transport(), outcome), perf_counter() - began)

    async def opened(self, work: Awaitable[T]) -> T:
        """Opens a subscription and counts it."""
        began, outcome = perf_counter(), "cancelled"
        try:
            source = await work
            outcome = "ok"
        except Exception as error:
            outcome = "refused"
            self.failed(getattr(error, "errors", None) or [error])
            raise
        finally:
            self.over("subscription", outcome, began)
        return source

    def failed(self, errors: Sequence[Any]) -> None:
        """Counts errors."""
        for error in errors:
            self._errors.add((code_of(error),))

    def outcome(self, result: ExecutionResult) -> str:
        """What came of an operation whose answer has errors. Counts its errors."""
        errors = result.errors or []
        self.failed(errors)
        return "refused" if is_refusal(result.data, errors) else "errors"

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        yield self.seconds.counts(
            "groundswell_operations", "Operations that were answered, subscriptions that were opened."
        )
        yield self.seconds.family(
            "groundswell_operation_duration_seconds", "How long answering took; of a subscription, opening it.", 1
        )
        yield self._errors.family()
        yield GaugeMetricFamily(
            "groundswell_operations_running", "Queries and mutations that are being answered.", self.running
        )


def code_of(error: Any) -> str:
    """The code of an error."""
    extensions = error.extensions if isinstance(error, GraphQLError) else None
    return str((extensions or {}).get("code", "INTERNAL"))


def is_refusal(data: Any, errors: list[GraphQLError]) -> bool:
    """Whether an answer says that nothing ran."""
    return data is None and all(error.path is None and code_of(error) != "INTERNAL" for error in errors)


def type_of(operation: Any) -> str:
    """What kind of operation it is: query, mutation, subscription, unknown."""
    if operation is None:
        return "unknown"
    kind = operation.operation
    # Compared and not looked up: an enum's value and its hash are both made by Python code each time.
    return "query" if kind is _QUERY else "mutation" if kind is _MUTATION else "subscription"


def results_in(found: Any) -> Sequence[ExecutionResult]:
    """The answers in what answering events has answered: they alone, or beside the moment that they are of."""
    return [one for one in found if isinstance(one, ExecutionResult)]
