"""Statements, the pool that they wait for, and the loaders that ask them."""

import asyncio
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from db.engine import Database, is_timeout
from db.summaries import operation_of, summary_of
from graph.telemetry.accumulators import OTHER, Buckets, Histogram, Tally, counter

_STATEMENT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WAIT_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_KEYS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000)
_MOST = 500
"""Names of statements and loaders: there are fewer functions that have one."""
_MOST_TEXTS = 2_000


class _Statement:
    """What is counted of statements of one name, and of all that do the same."""

    __slots__ = ("buckets", "calls", "name", "operation", "rows", "seconds")

    def __init__(self, name: str, operation: str, buckets: Buckets) -> None:
        self.name, self.operation, self.buckets = name, operation, buckets
        self.calls = self.rows = 0
        self.seconds = 0.0


class _Loader:
    __slots__ = ("batches", "keys", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.batches = self.keys = 0


class StatementMetrics:
    """What a database tells its observer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0
        self._seconds = Histogram(("operation",), _STATEMENT_SECONDS)
        # By text, which is the same object each time: finding what counts it costs as much as counting does.
        self._known: dict[str, _Statement] = {}
        self._statements: dict[str, _Statement] = {}
        self._errors = Tally(
            "groundswell_statement_errors",
            "Statements that failed, by the class of their SQLSTATE; none: the connection broke; cancelled.",
            ("sqlstate_class",),
        )
        self._waits = Buckets(_WAIT_SECONDS)
        self._refused = Tally(
            "groundswell_pool_failures",
            "Waits for a connection that ended without one, by why.",
            ("reason",),
            known=(("timeout",), ("unreachable",), ("cancelled",)),
        )
        self._loaders: dict[tuple[str, str], _Loader] = {}
        self._keys = Buckets(_KEYS)

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """See ``db.observing``."""
        known = self._known.get(sql) or self._named(name, sql)
        known.calls += 1
        known.seconds += seconds
        known.rows += rows
        known.buckets.observe(seconds)
        if error is not None:
            self._errors.add((_class_of(error),))

    def _named(self, name: str | None, sql: str) -> _Statement:
        operation = operation_of(sql).lower()
        name = name or summary_of(sql).lower()
        if name not in self._statements and len(self._statements) >= _MOST:
            name = operation = OTHER
        found = self._statements.get(name)
        if found is None:
            found = self._statements[name] = _Statement(name, operation, self._seconds.of((operation,)))
        if len(self._known) >= _MOST_TEXTS:
            self._known.clear()
        self._known[sql] = found
        return found

    def waits(self) -> None:
        """See ``db.observing``."""
        self._waiting += 1

    def waited(self, seconds: float, error: BaseException | None) -> None:
        """See ``db.observing``."""
        self._waiting -= 1
        self._waits.observe(seconds)
        if error is not None:
            self._refused.add((_reason(error),))

    def batch(self, fetch: Any, keys: int) -> None:
        """See ``db.observing``."""
        named = (fetch.__module__, fetch.__name__)
        loader = self._loaders.get(named) or self._loader(named)
        loader.batches += 1
        loader.keys += keys
        self._keys.observe(keys)

    def _loader(self, named: tuple[str, str]) -> _Loader:
        if len(self._loaders) >= _MOST:
            named = ("", OTHER)
        module, function = named
        return self._loaders.setdefault(named, _Loader(f"{module.removeprefix('db.queries.')}.{function}".lstrip(".")))

    def collect(self) -> Iterator[Metric]:
        """The metrics, in a fixed order."""
        yield from self._of_statements()
        yield from self._of_pool()
        yield from self._of_loaders()

    def _of_statements(self) -> Iterator[Metric]:
        known = [((one.name,), one) for one in self._statements.values()]
        yield self._seconds.family(
            "groundswell_statement_duration_seconds",
            "How long statements took, by what they do. Of the pool's connections.",
        )
        calls, spent = ((labels, one.calls) for labels, one in known), ((labels, one.seconds) for labels, one in known)
        yield counter(
            "groundswell_statements", "Statements, by the function or the tables they are of.", ("statement",), calls
        )
        yield counter("groundswell_statement_seconds", "Seconds that statements took, added up.", ("statement",), spent)
        rows = Tally("groundswell_statement_rows", "Rows that were answered or changed.", ("operation",))
        for _, one in known:
            if one.rows:
                rows.add((one.operation,), one.rows)
        yield rows.family()
        yield self._errors.family()

    def _of_pool(self) -> Iterator[Metric]:
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
        yield self._waits.family("groundswell_pool_wait_seconds", "How long was waited for a connection.")
        yield self._refused.family()

    def _of_loaders(self) -> Iterator[Metric]:
        known = [((one.name,), one) for one in self._loaders.values()]
        batches, keys = ((labels, one.batches) for labels, one in known), ((labels, one.keys) for labels, one in known)
        yield counter("groundswell_loader_batches", "Batches of loaders.", ("loader",), batches)
        yield counter("groundswell_loader_keys", "Keys that were asked for.", ("loader",), keys)
        yield self._keys.family("groundswell_loader_batch_keys", "Keys of a batch, all loaders together.")


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
