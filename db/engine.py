"""How statements reach PostgreSQL: ``Reads``, one snapshot per operation, and ``write()``, one transaction per change.

Both open their transaction with a single round trip that also names the workspace, see ``db.tenancy``.
The pool's connections are in autocommit mode, so that nothing but this module begins or ends a transaction.
"""

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from time import perf_counter
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, CursorResult, Executable, ScalarSelect, event, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db import requests, tenancy
from db.availability import GONE, NO_CONNECTION, Unavailable
from db.availability import is_passing as is_passing
from db.availability import is_unavailable as is_unavailable
from db.endings import FAREWELL, to_its_end, within
from db.pool import Gate, Lease
from db.requests import Timed
from db.statements import BadText, Prepared, Rows

STATEMENTS = 200
"""Statements that a connection keeps prepared."""
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
CONNECT = 10.0
"""Seconds within which PostgreSQL must let a connection in."""

Statement = Executable | Prepared
Values = Mapping[str, Any]
Watcher = Callable[[str, Sequence[Any]], None]
"""Is told of each statement and its parameters."""


class OfWorkspace:
    """Something that is bound to one workspace."""

    workspace_id: int

    @property
    def workspace(self) -> ScalarSelect[int]:
        """The workspace, for the conditions of a statement.

        A subquery and not a constant: the planner takes a constant that its statistics do not know for one without
        rows. In a new workspace it then looked up a batch's keys by reading the whole workspace.
        """
        return select(literal(self.workspace_id, BigInteger)).scalar_subquery()


class Transaction(OfWorkspace):
    """A running transaction of one workspace. It has no commit: leaving ``write()`` normally is the commit."""

    def __init__(
        self, lease: Lease, workspace_id: int | None, client_id: int | None, watchers: Sequence[Watcher]
    ) -> None:
        self._lease = lease
        self._driver = lease.driver
        self._watchers = watchers
        self._work = requests.working.get()
        self.workspace_id = workspace_id or 0
        self.client_id = client_id
        """The restricted API client whose grants bound it; None for all others."""
        self.announces = False
        """Whether something was appended to the outbox, which is to be numbered once this is committed."""

    async def rows(self, statement: Statement, values: Values | None = None) -> Rows:
        """All rows of a statement. The workspace need not be among the values."""
        if isinstance(statement, Prepared):
            return await self._fetch(statement, values or {})
        result = await self._execute(statement, values)
        return Rows(result.all(), tuple(result.keys()))

    async def row(self, statement: Statement, values: Values | None = None) -> Any:
        """The only row of a statement, or None."""
        if isinstance(statement, Prepared):
            rows = await self._fetch(statement, values or {})
            return rows[0] if rows else None
        return (await self._execute(statement, values)).one_or_none()

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self._execute(statement, values)).scalar()

    async def run(self, statement: Executable, values: Values | None = None) -> int:
        """Executes a change and answers how many rows it touched."""
        return (await self._execute(statement, values)).rowcount

    async def _fetch(self, statement: Prepared, values: Values) -> Rows:
        arguments = statement.arguments({"workspace": self.workspace_id, **values})
        for watcher in self._watchers:
            watcher(statement.sql, arguments)
        timed = None if self._work is None else self._work.begun(statement.sql, perf_counter())
        rows = await self._driver.fetch(statement.sql, *arguments, record_class=statement.row_class)
        if timed is not None:
            timed.ended = perf_counter()
        return Rows(rows, statement.columns)

    async def _execute(self, statement: Executable, values: Values | None) -> CursorResult[Any]:
        try:
            return await self._lease.connection.execute(statement, values)
        except DBAPIError as error:
            if isinstance(getattr(error.orig, "__cause__", None), asyncpg.CharacterNotInRepertoireError):
                raise BadText from None
            raise

    @property
    def driver(self) -> Any:
        """asyncpg's connection, for statements that are not ours."""
        return self._driver

    async def server_pid(self) -> int:
        """The backend's process id: one writer's, for as long as its connection lives."""
        return int(self._driver.get_server_pid())


class Reads(OfWorkspace):
    """One read-only snapshot, opened at the first read: all answers of an operation agree with each other.

    It holds one connection. Statements of concurrent resolvers run in turn.
    """

    def __init__(self, database: "Database", workspace_id: int, client_id: int | None = None) -> None:
        self.workspace_id = workspace_id
        self._client_id = client_id
        self._database = database
        self._turn = asyncio.Lock()
        self._open: Any = None
        self._transaction: Transaction | None = None
        self._closed = False
        self._refusal: Unavailable | None = None
        self._runner: asyncio.Task[Any] | None = None
        """Who has the turn."""
        self._cancelling = 0

    async def rows(self, statement: Statement, values: Values | None = None) -> Rows:
        """All rows of a statement, as of the snapshot."""
        async with self._turn:
            self._runner = asyncio.current_task()
            try:
                return await (self._transaction or await self._begun()).rows(statement, values)
            except CancelledError:
                self._refuse_if_cut()
                raise
            finally:
                self._runner = None

    async def row(self, statement: Statement, values: Values | None = None) -> Any:
        """The only row of a statement, or None."""
        async with self._turn:  # not in one place with the above: it is done for each statement
            self._runner = asyncio.current_task()
            try:
                return await (self._transaction or await self._begun()).row(statement, values)
            except CancelledError:
                self._refuse_if_cut()
                raise
            finally:
                self._runner = None

    async def close(self) -> None:
        """Ends the snapshot and gives the connection back, even if who waits for it is cancelled. Never fails.

        A statement that still runs is one that nobody waits for any more: a loader's, whose readers were cancelled or have
        failed. It is cancelled in PostgreSQL, too.
        """
        is_first, self._closed, self._transaction = not self._closed, True, None
        runner = self._runner
        if runner is None:
            if self._open is not None or self._turn.locked():
                await asyncio.shield(self._close())
            return
        if is_first:
            self._cancelling = runner.cancelling()
            runner.cancel()
        await within(self._close(), FAREWELL)

    async def _close(self) -> None:
        async with self._turn:
            opened, self._open = self._open, None
            if opened is not None:
                # Nothing was written: if the connection broke meanwhile, the answer is complete all the same.
                with suppress(DBAPIError, asyncpg.PostgresError, *GONE):
                    await opened.__aexit__(None, None, None)

    async def _begun(self) -> Transaction:
        if self._closed:
            raise RuntimeError("the snapshot of this operation is closed")
        if self._refusal is not None:
            raise self._refusal  # one operation waits for a connection once
        opened = self._database.transaction(SNAPSHOT, self.workspace_id, self._client_id)
        try:
            transaction = await opened.__aenter__()
        except Unavailable as error:
            self._refusal = error
            raise
        self._open = opened
        if not self._closed:
            self._transaction = transaction
        return transaction

    def _refuse_if_cut(self) -> None:
        """Turns a cancellation by ``close`` into an error: a loader hands that on, and its futures are not left open."""
        runner = self._runner
        if self._closed and runner is not None and runner.uncancel() <= self._cancelling:
            raise RuntimeError("the snapshot of this operation is closed") from None


class Database:
    """The pool. ``size`` connections stay open, ``overflow`` more come and go.

    ``timeout``: seconds that work in the background waits for one. Requests have a patience of their own.
    """

    def __init__(self, url: str, *, size: int = 10, overflow: int = 10, timeout: float = 10) -> None:
        self._attempts = size + overflow + 1
        self._gate = Gate(size + overflow)
        self._patience = timeout
        self.on_announcement: Callable[[], None] | None = None
        """Called after each commit that left something in the outbox."""
        self._watchers: list[Watcher] = []
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
        transaction = Transaction(lease, workspace_id, client_id, self._watchers)
        try:
            yield transaction
        except CancelledError:
            await within(self._end(lease, "ROLLBACK"), FAREWELL)
            raise
        except BaseException:
            await asyncio.shield(self._end(lease, "ROLLBACK"))
            raise
        else:
            await to_its_end(self._commit(lease, transaction, is_change=begin == CHANGE))

    async def _commit(self, lease: Lease, transaction: Transaction, *, is_change: bool) -> None:
        work = requests.working.get()
        if work is None or not is_change:
            await self._end(lease, "COMMIT")
        else:
            with work.committed():
                await self._end(lease, "COMMIT")
        if transaction.announces and self.on_announcement is not None:
            self.on_announcement()

    async def _taken(self, sql: str, request: requests.Request | None) -> Lease:
        """A connection on which a transaction has begun. Raises Unavailable where there is none to be had."""
        patience = self._patience if request is None or request.patience is None else request.patience
        began, work = perf_counter(), requests.working.get()
        try:
            await self._gate.enter(patience)
            try:
                return await self._begin(sql)
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

    async def _begin(self, sql: str) -> Lease:
        # The BEGIN doubles as the liveness check that pool_pre_ping would pay a round trip for.
        for attempt in range(self._attempts):
            lease = await Lease.of(self.engine)
            try:
                await lease.driver.execute(sql)
            except BaseException as error:
                await asyncio.shield(lease.throw_away())
                if isinstance(error, GONE) and attempt + 1 < self._attempts:
                    continue
                raise
            return lease
        raise AssertionError("unreachable")

    async def _end(self, lease: Lease, sql: str) -> None:
        try:
            await lease.end(sql)
        finally:
            self._gate.leave()

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


def _note_end(_c: object, _cursor: object, _sql: str, _values: object, context: Any, _many: bool) -> None:
    timed: Timed | None = getattr(context, "timed", None)
    if timed is not None:
        timed.ended = perf_counter()
