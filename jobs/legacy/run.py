"""Migrating from the old shape: campaigns are made, the numbers are backed up, verified, and only then dropped.

All of it happens while the old table is locked, so that nobody adds a row in between. It changes in one transaction of
its database: whatever interrupts it leaves it as it was. Campaigns that were made by then are known to the next run by
their keys.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from db.engine import Database, Transaction
from db.queries import brands, campaigns
from jobs.legacy import table as legacy
from jobs.legacy.errors import MigrationRefusedError
from jobs.legacy.profiles import CREATED_BY, ID, Profile, chosen, key_of, profile
from jobs.legacy.table import Connection, Table

_Item = TypeVar("_Item")
_CHUNK = 1000
_LOCK_TIMEOUT = "5s"
"""Who waits for the table's lock makes everybody behind wait too."""


@dataclass(frozen=True)
class Plan:
    """What to migrate. ``url`` is the old table's database; ``mapped`` is by field, see ``profiles.parse``."""

    url: str
    table: str = "campaign_profile"
    mapped: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    """Do it all, and take it back instead of committing it."""


@dataclass(frozen=True)
class Migrated:
    """What was done. ``dropped`` are the columns whose numbers are in the table ``backup`` now."""

    made: int
    known: int
    dropped: Sequence[str]
    backed_up: int
    backup: str
    was_done: bool
    """An earlier run had backed the numbers up and dropped the columns."""


@dataclass(frozen=True)
class Undone:
    """What was taken back. ``notes`` say what could not be as it was before."""

    removed: int
    kept: int
    """Campaigns that were changed or have numbers since."""
    backup: str
    notes: Sequence[str]


async def migrate(
    database: Database, workspace: Any, plan: Plan, progress: Callable[[int, int], None] = lambda done, of: None
) -> Migrated:
    """Migrates into a workspace (id, time_zone, currency). ``progress`` hears how many of how many rows are done.

    Raises MigrationRefusedError, and then nothing is changed.
    """
    async with _transactions(database, workspace.id, plan) as (connection, transaction):
        table = await legacy.find(connection, plan.table)
        columns = chosen(plan.mapped, table.columns)
        if taken := [column for column in columns.values() if column in legacy.AGGREGATES]:
            raise MigrationRefusedError(f"{taken[0]} is one of the columns that are dropped and feeds nothing.")
        profiles = _valid(await _profiles(connection, table, columns, workspace))
        made = await _make(transaction, profiles, progress)
        has_backup, left = await legacy.has_backup(connection, table), table.aggregates()
        if has_backup and left:
            raise MigrationRefusedError(
                f"{table.backup} is there already, from another time, but the table has {', '.join(left)}. "
                "Rename the one or the others first."
            )
        backed_up = 0
        if left:
            backed_up = await legacy.back_up(connection, table, columns[ID])
            await legacy.drop(connection, table)
        return Migrated(made, len(profiles) - made, left, backed_up, table.backup, was_done=has_backup)


async def undo(database: Database, workspace: Any, plan: Plan) -> Undone:
    """Puts the numbers back and removes the campaigns that were made and are untouched. Raises MigrationRefusedError."""
    async with _transactions(database, workspace.id, plan) as (connection, transaction):
        table = await legacy.find(connection, plan.table)
        if not await legacy.has_backup(connection, table):
            raise MigrationRefusedError(f"There is nothing to undo: no table {table.backup}.")
        ids, notes = await legacy.restore(connection, table)
        removed = kept = 0
        for chunk in _chunks([key_of(one) for one in ids]):
            before = len(await campaigns.ids_of_keys(transaction, chunk))
            gone = await campaigns.remove_untouched(transaction, chunk, CREATED_BY)
            removed, kept = removed + gone, kept + before - gone
        return Undone(removed, kept, table.backup, notes)


class _Rehearsed(Exception):
    """Rolls back what was only a rehearsal."""


@asynccontextmanager
async def _transactions(
    database: Database, workspace_id: int, plan: Plan
) -> AsyncIterator[tuple[Connection, Transaction]]:
    """One transaction in each database. Ours is committed first: what it holds is known again to another run."""
    connection = await _connect(plan.url)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            async with database.write(workspace_id) as transaction:
                yield connection, transaction
                if plan.dry_run:
                    raise _Rehearsed
    except _Rehearsed:
        pass
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefusedError(f"The old table's user may not do this: {error}.") from None
    finally:
        await connection.close()


async def _connect(url: str) -> Connection:
    _, options = PGDialect_asyncpg().create_connect_args(make_url(url))  # type: ignore[no-untyped-call]
    try:
        return await asyncpg.connect(**options, timeout=10, server_settings={"application_name": "groundswell"})
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationRefusedError(f"The old table's database cannot be reached: {error}.") from None


async def _profiles(
    connection: Connection, table: Table, columns: Mapping[str, str], workspace: Any
) -> Sequence[Profile]:
    picked = ", ".join(f"{legacy.quoted(column)} AS {legacy.quoted(name)}" for name, column in columns.items())
    rows = await connection.fetch(f"SELECT {picked} FROM {table.sql} ORDER BY {legacy.quoted(columns[ID])}")  # noqa: S608
    zone = ZoneInfo(workspace.time_zone)
    return [profile(row, zone, workspace.currency) for row in rows]


def _valid(profiles: Sequence[Profile]) -> Sequence[Profile]:
    """All of them or none: half a migration would look like a whole one."""
    wrong = [f"id {one.id}: {problem}" for one in profiles for problem in one.problems]
    if wrong:
        raise MigrationRefusedError("Some rows cannot become campaigns. Mend them first, or leave fields out.", wrong)
    return profiles


async def _make(transaction: Transaction, profiles: Sequence[Profile], progress: Callable[[int, int], None]) -> int:
    """Makes the campaigns that are missing; answers how many."""
    made = done = 0
    for chunk in _chunks(profiles):
        keys = [one.values["key"] for one in chunk]
        known = await campaigns.ids_of_keys(transaction, keys)
        fresh = [one for one in chunk if one.values["key"] not in known]
        names = sorted({one.brand for one in fresh if one.brand is not None})
        ids = await brands.create_missing(transaction, names) if names else {}
        rows = [{**one.values, "brand_id": None if one.brand is None else ids[one.brand]} for one in fresh]
        await campaigns.create_missing(transaction, rows)
        made, done = made + len(rows), done + len(chunk)
        progress(done, len(profiles))
    return made


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
