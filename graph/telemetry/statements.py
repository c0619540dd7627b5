"""Statements, the pool that they wait for, and the loaders that ask them."""

import asyncio
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from db.engine import Database, is_timeout
from db.summaries import operation_of, summary_of
from graph.telemetry.accumulators import Histogram, Tally

_STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAIT_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KEYS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000)
_MOST = 500
"""Names of statements and loaders: there are fewer functions that have one."""


class StatementMetrics:
    """What a database tells its observer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0
        self._seconds = Histogram(
            "groundswell_statement_duration_seconds",
            "How long statements took, by what they do. Of the pool's connections.",
            ("operation",),
            _STATEMENT_SECONDS,
        )
        self._calls = Tally(
            "groundswell_statements", "Statements, by the function or the tables they are of.", ("statement",), _MOST
        )
        self._spent = Tally(
            "groundswell_statement_seconds", "Seconds that statements took, added up.", ("statement",), _MOST
        )
        self._rows = Tally("groundswell_statement_rows", "Rows that were answered or changed.", ("operation",))
        self._errors = Tally(
            "groundswell_statement_errors",
            "Statements that failed, by the class of their SQLSTATE; none: the connection broke; cancelled.",
            ("sqlstate_class",),
        )
        self._waits = Histogram(
            "groundswell_pool_wait_seconds", "How long was waited for a connection.", (), _WAIT_SECONDS
        )
        self._refused = Tally(
            "groundswell_pool_failures", "Waits for a connection that ended without one, by why.", ("reason",)
        )
        self._batches = Tally("groundswell_loader_batches", "Batches of loaders.", ("loader",), _MOST)
        self._keys = Histogram("groundswell_loader_batch_keys", "Keys of a batch, all loaders together.", (), _KEYS)
        self._loaded = Tally("groundswell_loader_keys", "Keys that were asked for.", ("loader",), _MOST)

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """See ``db.observing``."""
        operation = operation_of(sql).lower()
        self._seconds.observe((operation,), seconds)
        labels = (name or summary_of(sql).lower(),)
        self._calls.add(labels)
        self._spent.add(labels, seconds)
        if rows:
            self._rows.add((operation,), rows)
        if error is not None:
            self._errors.add((_class_of(error),))

    def waits(self) -> None:
        """See ``db.observing``."""
        self._waiting += 1

    def waited(self, seconds: float, error: BaseException | None) -> None:
        """See ``db.observing``."""
        self._waiting -= 1
        self._waits.observe((), seconds)
        if error is not None:
            self._refused.add((_reason(error),))

    def batch(self, fetch: Any, keys: int) -> None:
        """See ``db.observing``."""
        labels = (_name_of(fetch),)
        self._batches.add(labels)
        self._loaded.add(labels, keys)
        self._keys.observe((), keys)

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        yield from (one.family() for one in (self._seconds, self._calls, self._spent, self._rows, self._errors))
        pool = self._database.pool
        for name, help_, value in (
            ("size", "Connections that stay open.", pool.size),
            ("open", "Connections that are open, those beyond the size included.", pool.open),
            ("used", "Connections that are in use.", pool.used),
            ("limit", "Connections that there can be.", self._database.limit),
            (
                "waiting",
                "Who takes a connection just now: nearly all the time 0, unless all are in use.",
                self._waiting,
            ),
        ):
            yield GaugeMetricFamily(f"groundswell_pool_{name}", help_, value)
        yield from (one.family() for one in (self._waits, self._refused, self._batches, self._loaded, self._keys))


def _name_of(fetch: Any) -> str:
    function = getattr(fetch, "func", fetch)
    module = str(getattr(function, "__module__", "")).removeprefix("db.queries.")
    return f"{module}.{getattr(function, '__name__', 'other')}"


def _class_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    state = sqlstate_of(error)
    return state[:2] if state else "none"


def sqlstate_of(error: BaseException) -> str | None:
    """What PostgreSQL calls an error; None for one that it does not know."""
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    return str(state) if state else None


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "timeout" if is_timeout(error) else "unreachable"
