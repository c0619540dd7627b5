"""Requests over HTTP: how many, and how long it took until each answer began."""

from collections.abc import Awaitable, Iterator
from time import perf_counter
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.telemetry.accumulators import OTHER, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class RequestMetrics:
    """Of all requests of a process."""

    def __init__(self) -> None:
        self._running = 0
        self._seconds = Histogram(("route", "method", "status_class"), _SECONDS, most=400)

    def around(self, app: ASGIApp, routes: "Routes") -> ASGIApp:
        """An application whose requests are counted. On the way of all that is asked: hence so plain."""

        graphql, seconds = routes.graphql, self._seconds

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, ended, status = perf_counter(), 0.0, 0

            def sending(message: Message) -> Awaitable[None]:
                nonlocal ended, status
                if not status and message["type"] == "http.response.start":
                    ended, status = perf_counter(), message["status"]
                return send(message)

            self._running += 1
            try:
                await app(scope, receive, sending)
            finally:
                self._running -= 1
                method = scope["method"]
                labels = (
                    graphql if scope["path"] == graphql else routes.of(scope),
                    method if method in _METHODS else OTHER,
                    _CLASSES[status // 100],
                )
                seconds.observe(labels, (ended or perf_counter()) - began)

        return counted

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        yield self._seconds.counts(
            "groundswell_http_requests",
            "Requests, by the route's template and the class of the status; none: nobody waited for the answer.",
        )
        yield self._seconds.family("groundswell_http_request_duration_seconds", "Until the answer began.", 1)
        yield GaugeMetricFamily("groundswell_http_requests_running", "Requests that are being answered.", self._running)


class Routes:
    """The templates of an application's routes."""

    def __init__(self, graphql: str, routes: list[BaseRoute]) -> None:
        self.graphql = graphql
        # Methods of objects are made anew each time they are asked for, and equal each other.
        self._known: dict[Any, str] = {route.endpoint: route.path for route in routes if isinstance(route, Route)}

    def of(self, scope: Scope) -> str:
        """The template of a request that was answered; ``other`` where no route was found."""
        if scope["path"] == self.graphql:
            return self.graphql
        return self._known.get(scope.get("endpoint"), OTHER)


def method_of(scope: Scope) -> str:
    """The method of a request, of those that there are."""
    method: str = scope["method"]
    return method if method in _METHODS else OTHER
