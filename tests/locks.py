"""Locks of another session, on which statements wait for as long as a test likes; and what is left when they were cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import make_url

from db.engine import Database

WAITING = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
  WHERE NOT granted AND datname = current_database()"""
"""How many sessions wait for a lock."""


@asynccontextmanager
async def locked(database_url: str, table: str, mode: str = "ACCESS EXCLUSIVE") -> AsyncIterator[Any]:
    """A lock on a table, held by another session, which is handed out to look at what runs."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield connection
    finally:
        await connection.close()


async def until_waiting(connection: Any, count: int = 1) -> None:
    """Waits until so many sessions wait for a lock."""
    async with asyncio.timeout(10):
        while await connection.fetchval(WAITING) < count:  # noqa: ASYNC110 - there is none to wait for
            await asyncio.sleep(0.005)


async def is_whole(database: Database, size: int = 20) -> bool:
    """Whether all connections can be taken at once, and none is left out."""
    pool: Any = database.engine.pool

    async def take() -> None:
        async with database.everywhere():
            await everybody.wait()

    everybody = asyncio.Barrier(size)
    async with asyncio.timeout(20):
        await asyncio.gather(*(take() for _ in range(size)))
    return bool(pool.checkedout() == 0)
