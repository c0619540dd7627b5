"""How statements reach PostgreSQL: ``Reads``, one snapshot per operation, and ``write()``, one transaction per change.

Both open their transaction with a single round trip that also names the workspace, see ``db.tenancy``.
The pool's connections are in autocommit mode, so that nothing but this module begins or ends a transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, CursorResult, Executable, ScalarSelect, event, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db import tenancy
from db.observing import Observer, observed, observed_result, observed_wait
from db.pool import Lease, Standing
from db.statements import BadText, Prepared, Rows

STATEMENTS = 200
"""Statements that a connection keeps prepared."""
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

Statement = Executable | Prepared
Values = Mapping[str, Any]
Watcher = Callable[[str, Sequence[Any]], None]
"""Is told of each statement and its parameters."""
# What BEGIN raises on a connection that the server has closed. InternalClientError: its farewell was read just before.
_GONE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    OSError,
)


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
        self,
        lease: Lease,
        workspace_id: int | None,
        client_id: int | None,
        watchers: Sequence[Watcher],
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        self._lease = lease
        self._driver = lease.driver
        self._watchers = watchers
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
        fetching = self._driver.fetch(statement.sql, *arguments, record_class=statement.row_class)
        if self._observer is not None:
            fetching = observed(self._observer, statement.name, statement.sql, fetching)
        return Rows(await fetching, statement.columns)

    async def _execute(self, statement: Executable, values: Values | None) -> CursorResult[Any]:
        try:
            executing = self._lease.connection.execute(statement, values)
            if self._observer is not None:
                return await observed_result(self._observer, statement, executing)
            return await executing
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

    async def rows(self, statement: Statement, values: Values | None = None) -> Rows:
        """All rows of a statement, as of the snapshot."""
        async with self._turn:
            return await (self._transaction or await self._begun()).rows(statement, values)

    async def row(self, statement: Statement, values: Values | None = None) -> Any:
        """The only row of a statement, or None."""
        async with self._turn:
            return await (self._transaction or await self._begun()).row(statement, values)

    @property
    def observer(self) -> Observer | None:
        """Who is told of what the database is asked for."""
        return self._database.observer

    async def close(self) -> None:
        """Ends the snapshot and gives the connection back, even if who waits for it is cancelled. Never fails."""
        await asyncio.shield(self._close())

    async def _close(self) -> None:
        async with self._turn:
            self._closed = True
            if self._transaction is not None:
                self._transaction = None
                # Nothing was written: if the connection broke meanwhile, the answer is complete all the same.
                with suppress(DBAPIError, asyncpg.PostgresError, *_GONE):
                    await self._open.__aexit__(None, None, None)

    async def _begun(self) -> Transaction:
        if self._closed:
            raise RuntimeError("the snapshot of this operation is closed")
        if self._transaction is None:
            self._open = self._database.transaction(SNAPSHOT, self.workspace_id, self._client_id)
            self._transaction = await self._open.__aenter__()
        return self._transaction


class ReadsWithin(Reads):
    """Reads inside of a running transaction, which see what it has changed. Closing them leaves it open."""

    def __init__(self, database: "Database", transaction: Transaction) -> None:
        super().__init__(database, transaction.workspace_id, transaction.client_id)
        self._transaction = transaction

    async def _close(self) -> None:
        async with self._turn:
            self._closed, self._transaction = True, None


class Database:
    """The pool. ``size`` connections stay open, ``overflow`` more come and go."""

    def __init__(self, url: str, *, size: int = 10, overflow: int = 10, timeout: float = 10) -> None:
        self._attempts = size + overflow + 1
        self.limit = size + overflow
        """Connections that there can be."""
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
            },
        )
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._note)

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

    def _note(self, _connection: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        for watcher in self._watchers:
            watcher(sql, values)

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
        lease = await self._begin(f"{begin}; {binding}")
        transaction = Transaction(lease, workspace_id, client_id, self._watchers, self.observer)
        try:
            yield transaction
        except BaseException:
            await asyncio.shield(_end(lease, "ROLLBACK", self.observer))
            raise
        else:
            await asyncio.shield(self._commit(lease, announces=transaction.announces))

    async def _commit(self, lease: Lease, *, announces: bool) -> None:
        await _end(lease, "COMMIT", self.observer)
        if announces and self.on_announcement is not None:
            self.on_announcement()

    async def _begin(self, sql: str) -> Lease:
        # The BEGIN doubles as the liveness check that pool_pre_ping would pay a round trip for.
        for attempt in range(self._attempts):
            lease = await self._lease()
            try:
                await _told(lease, sql, "BEGIN", self.observer)
            except BaseException as error:
                await asyncio.shield(lease.throw_away())
                if isinstance(error, _GONE) and attempt + 1 < self._attempts:
                    continue
                raise
            return lease
        raise AssertionError("unreachable")

    async def _lease(self) -> Lease:
        if self.observer is None:
            return await Lease.of(self.engine)
        return await observed_wait(self.observer, Lease.of(self.engine))

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


_UNAVAILABLE = (*_GONE, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, PoolTimeoutError)
# Lost races, no room, told to stop, no lock in time, a standby that is not yet promoted.
_PASSING = (
    *_UNAVAILABLE,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_timeout(error: BaseException) -> bool:
    """Whether an error says that something was waited for in vain."""
    return isinstance(error, TimeoutError | PoolTimeoutError)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether an error says that the database could not be reached just now, and may be reached again."""
    return _is_caused_by(error, _UNAVAILABLE)


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that the database's disk is full: nothing was changed, and there may be room again."""
    return _is_caused_by(error, (asyncpg.DiskFullError,))


def is_passing(error: BaseException | None) -> bool:
    """Whether a transaction that failed so is nobody's mistake: run again, as often as it takes, it succeeds."""
    return _is_caused_by(error, _PASSING)


def _is_caused_by(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, kinds):
            return True
        cause = getattr(cause, "orig", None) or cause.__cause__
    return False


async def _told(lease: Lease, sql: str, shown: str, observer: Observer | None) -> None:
    """Runs a statement that answers nothing. What is observed of it is ``shown``: its text may name a workspace."""
    telling = lease.driver.execute(sql)
    await (telling if observer is None else observed(observer, shown.lower(), shown, telling))


async def _end(lease: Lease, sql: str, observer: Observer | None) -> None:
    if not lease.is_valid:
        await lease.give_back()  # PostgreSQL has rolled back
        return
    try:
        await _told(lease, sql, sql, observer)
    except BaseException:
        # Whether it was committed may be unknown; a connection in an unknown state is never used again.
        await lease.throw_away()
        raise
    await lease.give_back()
