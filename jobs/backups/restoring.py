"""Restoring a backup: all of it or nothing, into a database that nobody uses."""

import asyncio
from dataclasses import dataclass
from tempfile import TemporaryFile

from db import migrate
from db.queries import backups
from db.queries.live import sequencing
from db.session import Session, session
from jobs.assets.kinds import served_as
from jobs.backups.archive import Source
from jobs.backups.manifest import BadBackup, Manifest, TableEntry
from jobs.backups.taking import NotNow, Told, in_words
from jobs.objects import Objects


@dataclass(frozen=True)
class Restored:
    """What was put back. ``held``: mailings that were running or scheduled. ``absent``: objects that the store does not have."""

    rows: int
    files: int
    held: int
    absent: int


async def restore(url: str, objects: Objects, source: Source, told: Told, *, replace: bool = False) -> Restored:
    """Puts a backup into a database, and files into the object store. ``replace``: whatever the database holds is given up.

    The backup is read and compared first. The database changes in one transaction at the end, unless what is to be replaced
    has another schema: then that is removed before. Raises BadBackup, NotNow, ObjectsError and DatabaseUnavailable.
    """
    manifest = source.manifest
    if manifest.revision not in migrate.known():
        raise BadBackup(f"It is of a newer schema, {manifest.revision}: restore it with a newer Groundswell.")
    with in_words():
        found = await _standing(url, replace=replace)
        await source.check(lambda more: told("checking", more, source.size_bytes))
        await _make_schema(url, found, manifest.revision)
        files, absent = await _put(objects, source, told)
        async with session(url, "groundswell restore") as own:
            await backups.take_time(own)
            await _refuse_company(own)
            held = await _fill(own, source, told, replace=replace)
        await migrate.upgrade(url)
        async with session(url, "groundswell restore") as own:
            await backups.analyze(own, [table.name for table in manifest.tables])
    return Restored(sum(table.rows for table in manifest.tables), files, held, absent)


async def _standing(url: str, *, replace: bool) -> str | None:
    """The database's revision, if it may be filled."""
    found = await migrate.current(url)
    if found is not None and found not in migrate.known():
        raise NotNow(f"The database is at revision {found}, of a newer Groundswell. Restore into another database.")
    if found is not None:
        async with session(url, "groundswell restore") as own:
            await _refuse_company(own)
            if not replace and not await backups.is_empty(own):
                raise _full()
    return found


async def _make_schema(url: str, found: str | None, revision: str) -> None:
    """Sees to it that the database has the backup's schema."""
    if found not in (None, revision):
        await migrate.downgrade(url, "base")
    if found != revision:
        await migrate.upgrade(url, revision)


async def _refuse_company(own: Session) -> None:
    others = await backups.others(own)
    if others:
        raise NotNow(f"The database is in use: {', '.join(others)}. Stop all servers and workers first.")


def _full() -> NotNow:
    return NotNow("The database is not empty. With --replace, all that it holds is given up for what is in the backup.")


async def _fill(own: Session, source: Source, told: Told, *, replace: bool) -> int:
    """Everything in one transaction; answers how many mailings are held back."""
    manifest = source.manifest
    there = {table.name: set(table.columns) for table in await backups.tables(own)}
    for table in manifest.tables:
        if not set(table.columns) <= there.get(table.name, set()):
            raise BadBackup(f"It has columns of {table.name} that its schema {manifest.revision} does not know.")
    async with own.transaction():
        emptied = backups.Emptied(own, list(there))
        if not replace and not await backups.is_empty(own):
            raise _full()
        await emptied.begin()
        await _refuse_company(
            own
        )  # again: who came meanwhile has read what is gone. From here on all wait for our locks
        for table in manifest.tables:
            await _fill_table(own, source, table, told)
        await backups.set_sequences(own, manifest.sequences)
        held = await backups.hold_mailings(own) if "mailings" in there else 0
        if "live_head" in there:
            await sequencing.begin_epoch(own)
        steps = emptied.steps()
        for step in steps:
            told("indexes and keys", 1, len(steps))
            await own.driver.execute(step)
    return held


async def _fill_table(own: Session, source: Source, table: TableEntry, told: Told) -> None:
    every = sum(one.size_bytes for one in source.manifest.tables)
    rows = source.rows(table.entry, lambda more: told("tables", more, every))
    came = await backups.copy_in(own, backups.Table(table.name, table.columns, table.size_bytes), rows)
    if came != table.rows:
        raise BadBackup(f"{came:,} rows came into {table.name}, and it has {table.rows:,}.")


async def _put(objects: Objects, source: Source, told: Told) -> tuple[int, int]:
    """How many files were put into the store, and how many that are named it does not have."""
    manifest = source.manifest
    if not manifest.are_files_included:
        return 0, await _absent(objects, manifest)
    about = source.size_bytes
    for one in manifest.objects:
        with TemporaryFile() as file:
            for chunk in source.chunks(one.entry):
                file.write(chunk)
                told("files", len(chunk), about)
                await asyncio.sleep(0)  # whoever waits may call it off
            is_blob = one.path.startswith("assets/") and one.content_type is not None
            await objects.put(one.path, file, *(served_as(one.content_type or "") if is_blob else ()))
    return len(manifest.objects), len(manifest.missing)


async def _absent(objects: Objects, manifest: Manifest) -> int:
    there = set(await objects.listed("")) if manifest.objects else set()
    return sum(one.path not in there for one in manifest.objects)
