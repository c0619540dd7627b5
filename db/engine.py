"""How statements reach PostgreSQL: ``Reads``, one snapshot per operation, and ``write()``, one transaction per change.

Both open their transaction with a single round trip that also names the workspace, see ``db.tenancy``.
The pool's connections are in autocommit mode, so that nothing but this module begins or ends a transaction.
"""

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db import requests, tenancy
from db.availability import GONE, NO_CONNECTION, Unavailable
from db.availability import is_full as is_full
from db.availability import is_passing as is_passing
from db.availability import is_timeout as is_timeout
from db.availability import is_unavailable as is_unavailable
from db.endings import FAREWELL, to_its_end, within
from db.observing import Observer, observed_wait
from db.pool import Gate, Lease, Standing
from db.reads import Reads as Reads
from db.reads import ReadsWithin as ReadsWithin
from db.requests import Timed
from db.transactions import OfWorkspace as OfWorkspace
from db.transactions import Statement as Statement
from db.transactions import Transaction as Transaction
from db.transactions import Values as Values
from db.transactions import Watcher as Watcher

STATEMENTS = 200
"""Statements that a connection keeps prepared."""
CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
CONNECT = 10.0
"""Seconds within which PostgreSQL must let a connection in."""


class NotCommitted(Exception):
    """A statement of a change had failed, and who asked for it went on: nothing of the change is there."""


class Database:
    """The pool. ``size`` connections stay open, ``overflow`` more come and go.

    ``timeout``: seconds that work in the background waits for one. Requests have a patience of their own.
    """

    def __init__(self, url: str, *, size: int = 10, overflow: int = 10, timeout: float = 10) -> None:
        self._attempts = size + overflow + 1
        self.limit = size + overflow
        """Connections that there can be."""
        self._gate = Gate(self.limit)
        self._patience = timeout
        self.on_announcement: Callable[[], None] | None = None
        """Called after each commit that left something in the outbox."""
        self._watchers: list[Watcher] = []
        self.observer: Observer | None = None
        """Who is told how long statements and connections take. Set it before the first use."""
        self.engine: AsyncEngine = create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # errors are logged, and parameters are other people's data
            pool_size=size,
            max_overflow=overflow,
            pool_timeout=timeout,
            pool_reset_on_return=None,  # a transaction has ended when its connection is given back
            connect_args={
                "server_settings": {"application_name": "groundswell", "timezone": "UTC"},
                "statement_cache_size": STATEMENTS,
                "max_cached_statement_lifetime": 0,  # PostgreSQL plans them anew by itself when it has to
                "timeout": CONNECT,
            },
        )
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._note)
        event.listen(self.engine.sync_engine, "after_cursor_execute", _note_end)

    def whereabouts(self) -> dict[str, str | int]:
        """Where the database is, by OpenTelemetry's names."""
        url = self.engine.url
        found = {"db.namespace": url.database, "server.address": url.host, "server.port": url.port}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def pool(self) -> Standing:
        """How the pool stands just now."""
        return Standing.of(self.engine)

    @contextmanager
    def watched(self, watcher: Watcher) -> Iterator[None]:
        """Tells somebody of each statement, for as long as the block runs."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def _note(self, _c: object, _cursor: object, sql: str, values: Any, context: Any, _many: bool) -> None:
        for watcher in self._watchers:
            watcher(sql, values)
        work = requests.working.get()
        if work is not None and context is not None:
            context.timed = work.begun(sql, perf_counter())

    def reads(self, workspace_id: int, client_id: int | None = None) -> Reads:
        """A snapshot of one workspace, not yet opened; for a restricted API client of what it may see. Close it."""
        return Reads(self, workspace_id, client_id)

    @asynccontextmanager
    async def write(self, workspace_id: int, client_id: int | None = None) -> AsyncIterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises or is cancelled."""
        async with self.transaction(CHANGE, workspace_id, client_id) as transaction:
            yield transaction

    @asynccontextmanager
    async def everywhere(self) -> AsyncIterator[Transaction]:
        """One transaction that sees every workspace."""
        async with self.transaction(CHANGE, None) as transaction:
            yield transaction

    @asynccontextmanager
    async def transaction(
        self, begin: str, workspace_id: int | None, client_id: int | None = None
    ) -> AsyncIterator[Transaction]:
        """A transaction that starts with ``begin``; of one workspace, or of all where that is None."""
        everywhere = workspace_id is None
        binding = tenancy.act_everywhere() if everywhere else tenancy.act_in(workspace_id or 0, client_id)
        request = requests.current.get()
        named = "" if request is None else f"; {request.binding}"
        lease = await self._taken(f"{begin}; {binding}{named}", request)
        transaction = Transaction(lease, workspace_id, client_id, self._watchers, self.observer)
        try:
            yield transaction
        except CancelledError:
            await within(self._end(lease, "ROLLBACK"), FAREWELL)
            raise
        except BaseException:
            await asyncio.shield(self._end(lease, "ROLLBACK"))
            raise
        else:
            await to_its_end(self._commit(lease, transaction, is_change=not begin.endswith("READ ONLY")))

    async def _commit(self, lease: Lease, transaction: Transaction, *, is_change: bool) -> None:
        work = requests.working.get()
        if not is_change:
            await self._end(lease, "COMMIT")
            return
        with nullcontext() if work is None else work.committed():
            if await self._end(lease, "COMMIT") != "COMMIT":
                raise NotCommitted
        if transaction.announces and self.on_announcement is not None:
            self.on_announcement()

    async def _taken(self, sql: str, request: requests.Request | None) -> Lease:
        """A connection on which a transaction has begun. Raises Unavailable where there is none to be had."""
        patience = self._patience if request is None or request.patience is None else request.patience
        began, work = perf_counter(), requests.working.get()
        try:
            entering = self._entered(patience)
            lease = await (entering if self.observer is None else observed_wait(self.observer, entering))
            try:
                return await self._begin(lease, sql)
            except BaseException:
                self._gate.leave()
                raise
        except NO_CONNECTION as error:
            if work is not None:
                work.refused = True
            raise Unavailable(str(error)) from error
        finally:
            if work is not None:
                work.waited += perf_counter() - began

    async def _entered(self, patience: float) -> Lease:
        await self._gate.enter(patience)
        try:
            return await Lease.of(self.engine)
        except BaseException:
            self._gate.leave()
            raise

    async def _begin(self, lease: Lease, sql: str) -> Lease:
        # The BEGIN doubles as the liveness check that pool_pre_ping would pay a round trip for.
        for attempt in range(self._attempts):
            try:
                await lease.begin(sql, self.observer)
            except BaseException as error:
                await asyncio.shield(lease.throw_away())
                if not isinstance(error, GONE) or attempt + 1 == self._attempts:
                    raise
                lease = await Lease.of(self.engine)
            else:
                return lease
        raise AssertionError("unreachable")

    async def _end(self, lease: Lease, sql: str) -> str:
        try:
            return await lease.end(sql, self.observer)
        finally:
            self._gate.leave()

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


def _note_end(_c: object, _cursor: object, _sql: str, _values: object, context: Any, _many: bool) -> None:
    timed: Timed | None = getattr(context, "timed", None)
    if timed is not None:
        timed.ended = perf_counter()
