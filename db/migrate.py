"""Brings a database to the newest revision, one migrator at a time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

import migrations
from db import queue
from db.models import Base

# Any constant will do; it is what two servers that start at once agree on.
_ONE_MIGRATOR = 7_316_240_021


OLDEST_SERVER = (16,)


class DatabaseUnavailable(Exception):
    """The database cannot be reached or used. The message is for the user."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def _run(url: str, work: Any, *, then: Any = None) -> Any:
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        async with _connected(engine) as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_MIGRATOR})
            await connection.commit()
            with _explained():
                answer = await connection.run_sync(work)
            await connection.commit()
            if then is not None:
                await then((await connection.get_raw_connection()).driver_connection)
            return answer
    finally:
        await engine.dispose()


@contextmanager
def _explained() -> Iterator[None]:
    """What an operator can mend about a migration, in words."""
    try:
        yield
    except DBAPIError as error:
        cause = getattr(error.orig, "__cause__", None)
        if isinstance(cause, asyncpg.InsufficientPrivilegeError):
            raise DatabaseUnavailable(
                f"The database user lacks a right: {cause}. Migrations make tables and, the first time on a server, three "
                "roles; a superuser can instead: GRANT groundswell_app, groundswell_partner, groundswell_system TO the user WITH SET TRUE."
            ) from error
        if isinstance(cause, asyncpg.LockNotAvailableError):
            raise DatabaseUnavailable(
                "A migration did not get its lock in time, because other transactions are running. Try again."
            ) from error
        raise


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await engine.connect()
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        cause = getattr(error, "orig", None) or error
        reason = f"{cause}".removeprefix(f"{type(cause)}: ") or type(error).__name__
        raise DatabaseUnavailable(f"The database cannot be reached: {reason}") from error
    try:
        version = connection.dialect.server_version_info
        if version is not None and version < OLDEST_SERVER:
            raise DatabaseUnavailable(f"PostgreSQL 16 or newer is needed; this server is {version[0]}.")
        yield connection
    finally:
        await connection.close()


def newest() -> str:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


async def current(url: str) -> str | None:
    """The revision of a database; None where there is none. Raises DatabaseUnavailable."""

    def work(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    return await _run(url, work)  # type: ignore[no-any-return]


def known() -> frozenset[str]:
    """All revisions that this program knows."""
    return frozenset(one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


async def upgrade(url: str, upto: str | None = None) -> tuple[str | None, str]:
    """Runs what is missing, ``upto`` a revision or the newest. Answers the revision before and after.

    Raises DatabaseUnavailable, for a database of a newer program too, and what Alembic raises.
    """

    def work(connection: Connection) -> tuple[str | None, str]:
        before = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        if before is not None and before not in known():
            raise DatabaseUnavailable(
                f"The database is at revision {before}, which a newer Groundswell made; this one knows up to {newest()}. "
                "Start the newer one."
            )
        command.upgrade(_config(connection), upto or "head")
        return before, upto or newest()

    return await _run(url, work, then=queue.settle)  # type: ignore[no-any-return]


async def downgrade(url: str, revision: str) -> None:
    """Goes back to a revision; ``base`` empties the database."""
    await _run(url, lambda connection: command.downgrade(_config(connection), revision))


async def drift(url: str) -> list[Any]:
    """What the models say and the database does not, or the other way round. Empty when they agree."""

    def work(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))

    return await _run(url, work)  # type: ignore[no-any-return]
