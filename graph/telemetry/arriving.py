"""Spans of requests, within the trace that the client says it is in (W3C's traceparent)."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.telemetry.accumulators import OTHER
from graph.telemetry.requests import Routes, method_of
from graph.telemetry.tracing import Tracing, broke

_PROPAGATED = (b"traceparent", b"tracestate")
_UNTRACED = ("/health/", "/metrics")
"""What is asked every few seconds by machines."""
_W3C = TraceContextTextMapPropagator()


class Arrivals:
    """Puts a span around each request, and around each handshake of a WebSocket."""

    def __init__(self, tracing: Tracing, app: ASGIApp, routes: Routes) -> None:
        self._tracing, self._app, self._routes = tracing, app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server."""
        if scope["type"] == "lifespan" or scope["path"].startswith(_UNTRACED):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = method_of(scope)
        named = "HTTP" if method == OTHER else method
        with self._span(scope, named, "_OTHER" if method == OTHER else method) as span:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _answered(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, sending)
            except BaseException as error:
                broke(span, error)
                raise
            finally:
                self._name(span, scope, named)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The span ends with the handshake. What comes after it is linked to it."""
        with self._span(scope, "GET", "GET") as span:
            self._name(span, scope, "GET")

            async def sending(message: Message) -> None:
                await send(message)
                if message["type"].startswith("websocket.") and span.is_recording():
                    accepted = message["type"] == "websocket.accept"
                    _answered(span, 101 if accepted else int(message.get("status", 403)))
                    span.end()

            await self._app(scope, receive, sending)

    @contextmanager
    def _span(self, scope: Scope, name: str, method: str) -> Iterator[Span]:
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
        if scope.get("http_version"):
            attributes["network.protocol.version"] = scope["http_version"]
        with self._tracing.tracer.start_as_current_span(
            name,
            _context_of(scope),
            SpanKind.SERVER,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def _name(self, span: Span, scope: Scope, method: str) -> None:
        route = self._routes.of(scope)
        if route != OTHER:
            span.update_name(f"{method} {route}")
            span.set_attributes({"http.route": route, "url.path": route})


def _context_of(scope: Scope) -> Context | None:
    carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _PROPAGATED}
    return _W3C.extract(carried, Context()) if carried else Context()


def _answered(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", str(status))
