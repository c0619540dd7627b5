"""Connections of SQLAlchemy's pool, without what SQLAlchemy puts around each use of one.

A read runs on the driver itself. For such a use, an AsyncConnection and the greenlets in which it is opened and closed cost
as much as a statement does, so it is only there where a statement needs it.
"""

import asyncio
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from db.observing import Observer, observed


class Standing(NamedTuple):
    """How many connections a pool has: that may stay open, that are open, and of them those that are in use."""

    size: int
    open: int
    used: int

    @classmethod
    def of(cls, engine: AsyncEngine) -> "Standing":
        """Of an engine's pool just now."""
        pool: Any = engine.pool
        used: int = pool.checkedout()
        return cls(pool.size(), used + pool.checkedin(), used)


class PoolIsFull(Exception):
    """No connection became free in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no connection became free within {seconds:g} s")


class Gate:
    """Lets in as many as there are connections. Who waits comes in turn, and waits for so long as it says itself."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    async def enter(self, patience: float) -> None:
        """Takes a place. Raises PoolIsFull after so many seconds."""
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise PoolIsFull(patience) from None

    def leave(self) -> None:
        """Gives the place back."""
        self._places.release()


class Lease:
    """A connection that is taken from the pool until it is given back."""

    def __init__(self, engine: AsyncEngine, taken: Any) -> None:
        self._engine = engine
        self._taken = taken
        self._connection: AsyncConnection | None = None
        self.driver: Any = taken.driver_connection
        """asyncpg's connection."""

    @classmethod
    async def of(cls, engine: AsyncEngine) -> "Lease":
        """Takes a connection; makes one, or waits for one, where none is free."""
        # In a greenlet even if one is free: it may turn out to be broken, and is made anew then.
        return cls(engine, await greenlet_spawn(engine.pool.connect))

    @property
    def connection(self) -> AsyncConnection:
        """The same as SQLAlchemy uses it."""
        if self._connection is None:
            sync = Connection(self._engine.sync_engine, connection=self._taken)
            self._connection = AsyncConnection(self._engine, sync)
        return self._connection

    @property
    def is_valid(self) -> bool:
        """False once it was thrown away: a statement of SQLAlchemy that is cancelled takes its connection with it."""
        return bool(self._taken.is_valid)

    async def begin(self, sql: str, observer: Observer | None = None) -> None:
        """Begins a transaction. What is observed of it is BEGIN: the text may name a workspace."""
        beginning = self.driver.execute(sql)
        await (beginning if observer is None else observed(observer, "begin", "BEGIN", beginning))

    async def end(self, sql: str, observer: Observer | None = None) -> str:
        """Ends its transaction by COMMIT or ROLLBACK, and gives it back. Answers which of the two it was.

        A COMMIT is a ROLLBACK where a statement failed or the connection was lost, even if nobody has heard of that.
        """
        if not self.is_valid:
            await self.give_back()
            return "ROLLBACK"
        try:
            ending = self.driver.execute(sql)
            ended: str = await (ending if observer is None else observed(observer, sql.lower(), sql, ending))
        except BaseException:
            # Whether it was committed may be unknown; a connection in an unknown state is never used again.
            await self.throw_away()
            raise
        await self.give_back()
        return ended

    async def give_back(self) -> None:
        """Puts it back into the pool."""
        pool: Any = self._engine.pool
        if self._connection is not None:
            await self._connection.close()
        elif pool.checkedin() < pool.size():
            self._taken.close()
        else:  # one too many to keep
            await greenlet_spawn(self._taken.close)

    async def throw_away(self) -> None:
        """Closes it: nobody is to use it again."""
        if self.is_valid:
            await greenlet_spawn(self._taken.invalidate)
        if self._connection is not None:
            await self._connection.close()
        else:
            await greenlet_spawn(self._taken.close)
