"""What Prometheus reads: this process, and sums over all workspaces, without a name or an id of anybody."""

import asyncio
from collections.abc import Iterable
from itertools import chain

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.engine import Database, is_unavailable
from db.queries.standing import Standing, standing
from graph.telemetry.metrics import Metrics
from graph.telemetry.standing import DatabaseMetrics

PATH = "/metrics"
PATIENCE = 2.0
"""Seconds that the database may take: Prometheus waits ten for all together."""
_HEADERS = {"Cache-Control": "no-store"}

log = structlog.get_logger("groundswell.metrics")


def routes(database: Database, metrics: Metrics) -> list[Route]:
    """GET /metrics, in Prometheus' text format. It needs no token. What the database knows is left out while it is away."""
    reader = _Reader(database)

    async def answer(_request: Request) -> Response:
        found = DatabaseMetrics(await reader.read(), metrics.position)
        return Response(generate_latest(_Both(metrics, found)), headers=_HEADERS, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route(PATH, answer, methods=["GET"])]


class _Reader:
    """Reads for all who ask at once together: anybody may ask, and takes no more than one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: asyncio.Task[Standing | None] | None = None

    async def read(self) -> Standing | None:
        """From the database: whichever process did it. None where it cannot be reached."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._read())
        return await asyncio.shield(self._running)

    async def _read(self) -> Standing | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await standing(self._database)
        except Exception as error:
            if not (is_unavailable(error) or isinstance(error, TimeoutError)):
                log.exception("what the database knows could not be read")
            return None


class _Both(Collector):
    def __init__(self, *parts: Collector) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        return chain.from_iterable(part.collect() for part in self._parts)
