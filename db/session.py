"""A connection of one's own, for what belongs to a connection: listening, and locks that outlive a transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db import tenancy

# A server that vanished without a word is noticed after these seconds, though nothing is sent.
_KEEPALIVE = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class Session:
    """A connection outside the pool that sees every workspace. Each statement is a transaction of its own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def driver(self) -> Any:
        """asyncpg's connection."""
        return self._connection

    async def rows(self, sql: str, *values: Any) -> Sequence[Any]:
        """All rows of a statement."""
        found: Sequence[Any] = await self._connection.fetch(sql, *values)
        return found

    async def row(self, sql: str, *values: Any) -> Any:
        """The first row of a statement, or None."""
        return await self._connection.fetchrow(sql, *values)

    async def scalar(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(sql, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Several statements that stand or fall together."""
        async with self._connection.transaction():
            yield

    async def listen(self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Calls ``heard`` with each payload of a channel, and ``lost`` when the connection is gone."""
        await self._connection.add_listener(channel, lambda _c, _p, _channel, payload: heard(payload))
        self._connection.add_termination_listener(lambda _connection: lost())

    async def server_pid(self) -> int:
        """The backend's process id."""
        return int(self._connection.get_server_pid())


@asynccontextmanager
async def session(url: str, name: str) -> AsyncIterator[Session]:
    """Opens one, named ``name`` in pg_stat_activity. Raises what connecting raises; see db.engine.is_unavailable."""
    settings = {"application_name": name, "timezone": "UTC", **_KEEPALIVE}
    engine = create_async_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"server_settings": settings, "timeout": 5}
    )
    connection = await engine.connect()
    try:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute(f"SET ROLE {tenancy.SYSTEM_ROLE}")
        yield Session(driver)
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.invalidate()  # what it listens to and locks goes with it
        await connection.close()
        await engine.dispose()
