"""All that a process counts of itself, and how an application is told to."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from db.engine import Database
from graph.telemetry.accumulators import counter
from graph.telemetry.live import LiveMetrics
from graph.telemetry.operations import OperationMetrics
from graph.telemetry.requests import RequestMetrics
from graph.telemetry.statements import StatementMetrics


class Metrics(Collector):
    """What is measured in this process. It reads nothing from the database."""

    def __init__(self, database: Database) -> None:
        self.requests = RequestMetrics()
        self.operations = OperationMetrics()
        self.statements = StatementMetrics(database)
        self.live: LiveMetrics | None = None
        """Set once there is a live stream."""
        self.lines: Mapping[str, int] = {}
        """Lines of events that were sent by HTTP, by what became of them."""
        self.jobs: Mapping[tuple[str, str], int] = {}
        """How jobs have ended in this process, by kind and outcome."""
        registry = CollectorRegistry(auto_describe=False)
        for of_process in (ProcessCollector, PlatformCollector, GCCollector):
            of_process(registry=registry)
        self._registry = registry

    @property
    def position(self) -> int:
        """Up to where in the live log this process has handed out."""
        return 0 if self.live is None else self.live.live.hub.position

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        info = {"version": version("groundswell"), "python": platform.python_version()}
        yield InfoMetricFamily("groundswell_build", "What runs, always 1.", info)
        for part in (self.requests, self.operations, self.statements, self.live):
            if part is not None:
                yield from part.collect()
        yield counter(
            "groundswell_ingest_lines",
            "Lines of events that were answered, by what became of them.",
            ("status",),
            (((status,), count) for status, count in self.lines.items()),
        )
        yield counter(
            "groundswell_jobs_ended",
            "Jobs that this process has worked on; again: it gave them back.",
            ("kind", "outcome"),
            self.jobs.items(),
        )
        yield from self._registry.collect()
