"""Spans by OpenTelemetry's semantic conventions: requests, operations, statements. Only where the settings ask for them.

Nobody's data are in them: no variables, no documents, no parameters, no messages of errors, no query strings, and of paths
only the route's template, for links carry tokens in theirs.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

from graphql import ExecutionResult, OperationDefinitionNode
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from db.summaries import operation_of, summary_of, tables_of
from graph.arrivals import transport
from graph.documents import Document
from graph.telemetry.exporting import processor_of, sampler_of
from graph.telemetry.operations import code_of, results_in
from graph.telemetry.statements import sqlstate_of
from graph.tracing_settings import TracingSettings

T = TypeVar("T")

SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_OURS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""Codes of errors that are our fault: of a server, what a client did wrong does not make a span one that failed."""
_ROOT = Context()


class Tracing:
    """Makes the spans of one application."""

    def __init__(self, settings: TracingSettings, database: dict[str, str | int]) -> None:
        resource = Resource.create({"service.name": settings.service, "service.version": version("groundswell")})
        self._provider = TracerProvider(sampler_of(settings), resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor_of(settings))
        self.tracer = self._provider.get_tracer("groundswell", version("groundswell"), SCHEMA)
        self._database = {"db.system.name": "postgresql", **database}

    async def close(self) -> None:
        """Sends what is left, and ends."""
        await asyncio.to_thread(self._provider.shutdown)

    async def answered(
        self, document: Document, operation: OperationDefinitionNode | None, work: Awaitable[ExecutionResult]
    ) -> ExecutionResult:
        """Answers a query or mutation within its span."""
        with self._operation(document, operation) as span:
            result = await work
            if result.errors:
                _failed(span, result.errors)
        return result

    async def opened(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """Opens a subscription within a span, which ends when it is open: a stream may last for days."""
        with self._operation(document, operation) as span:
            try:
                return await work
            except Exception as error:
                _failed(span, getattr(error, "errors", None) or [error])
                raise

    async def told(self, document: Document, operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """Answers events of a subscription within a span of a trace of its own: all that ask the same share it."""
        with self._operation(document, operation, alone=True) as span:
            found = await work
            results = results_in(found)
            span.set_attribute("groundswell.live.events", len(results))
            errors = [error for result in results for error in result.errors or ()]
            if errors:
                _failed(span, errors)
        return found

    @contextmanager
    def _operation(
        self, document: Document, operation: OperationDefinitionNode | None, *, alone: bool = False
    ) -> Iterator[Span]:
        """The span of an operation. What comes over a WebSocket is a trace of its own, linked to where it connected."""
        alone = alone or transport() == "websocket"
        here = trace.get_current_span().get_span_context()
        kind = operation.operation.value if operation is not None else None
        with self.tracer.start_as_current_span(
            kind or "GraphQL Operation",
            _ROOT if alone else None,
            SpanKind.SERVER,
            _attributes_of(document, operation),
            [Link(here)] if alone and here.is_valid else (),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except asyncio.CancelledError as error:
                broke(span, error)
                raise

    # What the database tells its observer, see db.observing.

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """A statement's span. Of those outside of any other, which the background makes all the time, there are none."""
        if not trace.get_current_span().is_recording():
            return
        now = time.time_ns()
        summary, operation = summary_of(sql), operation_of(sql)
        attributes = {**self._database, "db.operation.name": operation, "db.query.summary": summary}
        tables = tables_of(sql)
        if len(tables) == 1:
            attributes["db.collection.name"] = tables[0]
        if name is not None and "." in name:
            attributes["code.function.name"] = f"db.queries.{name}"
        if operation == "SELECT" and error is None:
            attributes["db.response.returned_rows"] = rows
        span = self.tracer.start_span(
            summary, kind=SpanKind.CLIENT, attributes=attributes, start_time=now - int(seconds * 1e9)
        )
        if error is not None:
            state = sqlstate_of(error)
            if state is not None:
                span.set_attribute("db.response.status_code", state)
            broke(span, error, state)
        span.end(now)

    def waits(self) -> None:
        """Nothing is said of that: it is the gap in front of a BEGIN."""

    def waited(self, seconds: float, error: BaseException | None) -> None:
        """An event, where it took long enough to be seen."""
        span = trace.get_current_span()
        if span.is_recording() and (seconds >= 0.01 or error is not None):
            span.add_event(
                "pool.wait", {"groundswell.pool.wait_seconds": seconds, "groundswell.pool.failed": error is not None}
            )

    def batch(self, fetch: Any, keys: int) -> None:
        """Nothing is said of that: its statements are."""


def broke(span: Span, error: BaseException, kind: str | None = None) -> None:
    """Says of a span that it failed, and how, but not what the error says: that may be anybody's data."""
    span.set_status(StatusCode.ERROR)
    named = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    span.set_attribute("error.type", kind or named)
    span.add_event("exception", {"exception.type": named})


def _attributes_of(document: Document, operation: OperationDefinitionNode | None) -> dict[str, str]:
    found = {"groundswell.document.sha256": document.once("sha256", lambda: _sha256(document.text))}
    if operation is not None:
        found["graphql.operation.type"] = operation.operation.value
        if operation.name is not None:
            found["graphql.operation.name"] = operation.name.value
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _failed(span: Span, errors: Sequence[Any]) -> None:
    codes = sorted({code_of(error) for error in errors})
    span.set_attribute("groundswell.error.codes", codes)
    ours = next((code for code in codes if code in _OURS), None)
    if ours is not None:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", ours)
    ids = [str(found) for error in errors if (found := (getattr(error, "extensions", None) or {}).get("errorId"))]
    if ids:
        span.set_attribute("groundswell.error.ids", ids)
