"""What an application measures, as its settings say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import strawberry
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from db.engine import Database
from db.observing import Observer
from graph.environment import SettingsError
from graph.operations import Operations, Rules
from graph.settings import Settings
from graph.telemetry.live import LiveMetrics
from graph.telemetry.metrics import Metrics
from graph.telemetry.operating import operations_of
from graph.telemetry.requests import Routes
from jobs.worker import Worker

if TYPE_CHECKING:
    from graph.telemetry.tracing import Tracing


class Telemetry:
    """All that measures one application. Where it is turned off, nothing is put in the way of anything."""

    def __init__(self, metrics: Metrics | None, tracing: "Tracing | None") -> None:
        self.metrics, self.tracing = metrics, tracing

    @classmethod
    def of(cls, settings: Settings, database: Database) -> "Telemetry":
        """As the settings say. It observes the database from here on. Raises SettingsError."""
        metrics = Metrics(database) if settings.metrics else None
        tracing = _tracing(settings, database) if settings.tracing.is_on else None
        told = (None if metrics is None else metrics.statements, tracing)
        observers: list[Observer] = [one for one in told if one is not None]
        if observers:
            database.observer = observers[0] if len(observers) == 1 else Observers(observers)
        return cls(metrics, tracing)

    def operations(self, schema: strawberry.Schema, rules: Rules) -> Operations:
        """The operations of a schema, measured."""
        return operations_of(schema, rules, None if self.metrics is None else self.metrics.operations, self.tracing)

    def look_at(self, live: LiveMetrics) -> None:
        """Looks at the live stream whenever somebody asks."""
        if self.metrics is not None:
            self.metrics.live = live

    def read(self, lines: Mapping[str, int]) -> None:
        """Looks at what became of lines of events whenever somebody asks."""
        if self.metrics is not None:
            self.metrics.lines = lines

    def follow(self, worker: Worker) -> None:
        """Counts what a worker of this process does."""
        if self.metrics is not None:
            self.metrics.jobs = worker.outcomes

    def around(self, app: ASGIApp, graphql: str, routes: list[BaseRoute]) -> ASGIApp:
        """An application whose requests are measured. ``graphql``: the path that is looked for in no route."""
        known = Routes(graphql, routes)
        if self.tracing is not None:
            from graph.telemetry.arriving import Arrivals

            app = Arrivals(self.tracing, app, known)
        return app if self.metrics is None else self.metrics.requests.around(app, known)

    async def close(self) -> None:
        """Sends what is left to be sent."""
        if self.tracing is not None:
            await self.tracing.close()


class Observers:
    """Several observers as one."""

    def __init__(self, observers: list[Observer]) -> None:
        self._observers = observers

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """See ``db.observing``."""
        for one in self._observers:
            one.statement(name, sql, seconds, rows, error)

    def waits(self) -> None:
        """See ``db.observing``."""
        for one in self._observers:
            one.waits()

    def waited(self, seconds: float, error: BaseException | None) -> None:
        """See ``db.observing``."""
        for one in self._observers:
            one.waited(seconds, error)

    def batch(self, fetch: Any, keys: int) -> None:
        """See ``db.observing``."""
        for one in self._observers:
            one.batch(fetch, keys)


def _tracing(settings: Settings, database: Database) -> "Tracing":
    try:
        from graph.telemetry.tracing import Tracing
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SettingsError(
            "OTEL_TRACES_EXPORTER or an endpoint asks for traces, which need: pip install 'groundswell[otel]'. "
            "Or set OTEL_SDK_DISABLED=true."
        ) from None
    return Tracing(settings.tracing, database.whereabouts())
