"""What an application measures, as its settings say."""

import strawberry
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from db.engine import Database
from graph.operations import Operations
from graph.settings import Settings
from graph.telemetry.live import LiveMetrics
from graph.telemetry.metrics import Metrics
from graph.telemetry.operating import MeasuredOperations
from graph.telemetry.requests import Routes
from jobs.worker import Worker


class Telemetry:
    """All that measures one application. Where it is turned off, nothing is put in the way of anything."""

    def __init__(self, metrics: Metrics | None) -> None:
        self.metrics = metrics

    @classmethod
    def of(cls, settings: Settings, database: Database) -> "Telemetry":
        """As the settings say. It observes the database from here on. Raises SettingsError."""
        metrics = Metrics(database) if settings.metrics else None
        if metrics is not None:
            database.observer = metrics.statements
        return cls(metrics)

    def operations(self, schema: strawberry.Schema, executor: str) -> Operations:
        """The operations of a schema, measured."""
        if self.metrics is None:
            return Operations(schema, executor)
        return MeasuredOperations(schema, executor, self.metrics.operations)

    def look_at(self, live: LiveMetrics) -> None:
        """Looks at the live stream whenever somebody asks."""
        if self.metrics is not None:
            self.metrics.live = live

    def follow(self, worker: Worker) -> None:
        """Counts what a worker of this process does."""
        if self.metrics is not None:
            self.metrics.jobs = worker.outcomes

    def around(self, app: ASGIApp, graphql: str, routes: list[BaseRoute]) -> ASGIApp:
        """An application whose requests are measured. ``graphql``: the path that is looked for in no route."""
        metrics = self.metrics
        if metrics is None:
            return app
        known = Routes(graphql, routes)

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await metrics.requests.answer(app, known, scope, receive, send)
            else:
                await app(scope, receive, send)

        return measured
