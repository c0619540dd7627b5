"""Reads: one snapshot for all that an operation asks."""

import asyncio
from asyncio import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy.exc import DBAPIError

from db.availability import GONE, Unavailable
from db.endings import FAREWELL, within
from db.observing import Observer
from db.statements import Rows
from db.transactions import OfWorkspace, Statement, Transaction, Values

if TYPE_CHECKING:
    from db.engine import Database

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


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
        """How often it was cancelled when it got that."""
        self._cut: asyncio.Task[Any] | None = None
        """Who was cancelled by ``break_off``, and has not heard of it yet."""

    async def rows(self, statement: Statement, values: Values | None = None) -> Rows:
        """All rows of a statement, as of the snapshot."""
        async with self._turn:
            self._begin_turn()
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
            self._begin_turn()
            try:
                return await (self._transaction or await self._begun()).row(statement, values)
            except CancelledError:
                self._refuse_if_cut()
                raise
            finally:
                self._runner = None

    @property
    def observer(self) -> Observer | None:
        """Who is told of what the database is asked for."""
        return self._database.observer

    async def close(self) -> None:
        """Ends the snapshot and gives the connection back, even if who waits for it is cancelled. Never fails.

        A statement that still runs is one that nobody waits for any more: a loader's, whose readers were cancelled or have
        failed. It is cancelled in PostgreSQL, too.
        """
        await self.break_off()

    async def break_off(self) -> None:
        """Does so whoever reads. What takes long, where PostgreSQL does not answer, goes on by itself."""
        self._closed, self._transaction = True, None
        runner = self._runner
        if runner is None and self._open is None and not self._turn.locked():
            return
        if runner is not None and runner is not self._cut:
            self._cut = runner
            runner.cancel()
        await within(self._close(), FAREWELL)

    def _begin_turn(self) -> None:
        self._runner = runner = asyncio.current_task()
        if runner is not None:
            self._cancelling = runner.cancelling()

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
        """Turns a cancellation by ``break_off`` into an error: a loader hands that on, and its futures are not left open."""
        runner, cut, self._cut = self._runner, self._cut, None
        if runner is not None and runner is cut and runner.uncancel() <= self._cancelling:
            raise RuntimeError("the snapshot of this operation is closed") from None


class ReadsWithin(Reads):
    """Reads inside of a running transaction, which see what it has changed. Closing them leaves it open."""

    def __init__(self, database: "Database", transaction: Transaction) -> None:
        super().__init__(database, transaction.workspace_id, transaction.client_id)
        self._transaction = transaction

    async def close(self) -> None:
        """Ends reading, once what runs is over: cancelled in PostgreSQL, it would take the transaction with it.

        Where that is lost anyway, ``break_off`` is what ends it at once.
        """
        self._closed, self._transaction = True, None
        try:
            async with self._turn:
                return
        except CancelledError:
            await self.break_off()
            raise
