"""What Prometheus reads: sums over all workspaces, without a name or an id of anybody."""

import asyncio
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from db.engine import Database, is_unavailable
from db.queries.followers import recounting
from db.queries.followers.recounting import Totals

PATH = "/metrics"
_HEADERS = {"Cache-Control": "no-store"}


def routes(database: Database) -> list[Route]:
    """GET /metrics, in Prometheus' text format. It needs no token; 503 while the database cannot be reached."""
    totals = _Totals(database)

    async def metrics(_request: Request) -> Response:
        try:
            found = await totals.read()
        except Exception as error:
            if not is_unavailable(error):
                raise
            return PlainTextResponse("The database cannot be reached just now.", 503, headers=_HEADERS)
        return Response(generate_latest(_Recounts(found)), headers=_HEADERS, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route(PATH, metrics, methods=["GET"])]


class _Totals:
    """Reads for all who ask at once together: anybody may ask, and takes no more than one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: asyncio.Task[Totals] | None = None

    async def read(self) -> Totals:
        """From the database: whichever process recounted."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._read())
        return await asyncio.shield(self._running)

    async def _read(self) -> Totals:
        async with self._database.everywhere() as transaction:
            return await recounting.totals(transaction)


class _Recounts(Collector):
    """The sums as metrics."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        """The metrics, in a fixed order."""
        totals = self._totals
        for name, help_, value in (
            ("score_recounts", "Recounts of all scores of a workspace that finished.", totals.recounts),
            (
                "follower_scores_differed",
                "Followers whose counts or times differed from their interactions, and were corrected.",
                totals.differed,
            ),
            ("follower_scores_dropped", "Followers whose score a recount corrected to a lower one.", totals.dropped),
            ("follower_tiers_dropped", "Followers whom a recount put into a lower tier.", totals.tiers_dropped),
            (
                "follower_ranks_differed",
                "Counts of followers by score that differed from the followers, and were corrected.",
                totals.ranks_differed,
            ),
        ):
            yield CounterMetricFamily(f"groundswell_{name}", help_, value)
        if totals.finished_at is not None:
            yield GaugeMetricFamily(
                "groundswell_score_recount_finished_timestamp_seconds",
                "When the last recount of scores finished, in seconds since 1970.",
                totals.finished_at.timestamp(),
            )
