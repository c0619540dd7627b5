"""Taking a backup: everything as one snapshot saw it, beside servers that go on writing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile

import asyncpg

from db import migrate
from db.engine import is_unavailable
from db.queries import backups
from db.session import Session, session
from jobs.backups.archive import Archive, CannotWrite, Entry, writing
from jobs.backups.manifest import BadBackup, Manifest, ObjectEntry, TableEntry
from jobs.objects import Objects, ObjectsError

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_CHUNK = 1024 * 1024
_LARGEST = 1 << 50
Told = Callable[[str, int, int], None]
"""Is told of a part of the work: its name, how much more of it is done, and how much it is about in all."""


class NotNow(Exception):
    """The database is not in a state for it. The message is for the user."""


@contextmanager
def in_words() -> Iterator[None]:
    """Says of what the database refuses why, where the user can mend it. Raises NotNow."""
    try:
        yield
    except (BadBackup, CannotWrite, NotNow, ObjectsError):
        raise  # whose cause may be a disk or a store, which look like a connection
    except asyncpg.LockNotAvailableError:
        raise NotNow("Somebody else works on the tables. Try again when that is done.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotNow(f"The database user lacks a right: {error}. It must own the tables.") from None
    except Exception as error:
        if is_unavailable(error):
            raise NotNow("The connection to the database was lost.") from error
        raise


@dataclass(frozen=True)
class Taken:
    """What is in the file."""

    manifest: Manifest
    size_bytes: int
    """Of the file."""


async def take(url: str, objects: Objects, path: Path, told: Told, *, with_files: bool) -> Taken:
    """Writes a backup to a file that is not there yet. ``with_files``: with what the object store holds, or its list only.

    Cancelled or failed, it leaves nothing. Raises CannotWrite, NotNow, ObjectsError, and what connecting raises.
    """
    with in_words():
        return await _take(url, objects, path, told, with_files=with_files)


async def _take(url: str, objects: Objects, path: Path, told: Told, *, with_files: bool) -> Taken:
    found = await migrate.current(url)
    if found != migrate.newest():
        raise NotNow(
            f"The database is at revision {found or 'nothing'}, and this program knows {migrate.newest()}: "
            "back it up with the program that serves it."
        )
    with writing(path) as archive:
        async with session(url, "groundswell backup") as own:
            await backups.take_time(own)
            server = str(await own.scalar("SHOW server_version"))
            await own.driver.execute(SNAPSHOT)
            tables = await _tables(own, archive, told)
            referred = await backups.referred_objects(own)
            sequences = await backups.sequences(own)
            await own.driver.execute("COMMIT")
        # What the snapshot names stays in the store: blobs for a day after nothing holds them.
        objects_, missing = await _objects(objects, archive, referred, told, with_files=with_files)
        manifest = Manifest(
            version("groundswell"),
            found,
            server,
            datetime.now(UTC).isoformat(timespec="seconds"),
            with_files,
            tuple(tables),
            sequences,
            tuple(objects_),
            tuple(missing),
        )
        size_bytes = archive.finish(manifest)
    return Taken(manifest, size_bytes)


async def _tables(own: Session, archive: Archive, told: Told) -> list[TableEntry]:
    found = await backups.tables(own)
    about, done = sum(table.bytes for table in found), []
    for table in found:
        with archive.entry(f"tables/{table.name}") as entry:
            rows = await backups.copy_out(own, table, _into(entry, lambda more: told("tables", more, about)))
        done.append(TableEntry(table.name, table.columns, rows, entry.size_bytes, entry.sha256))
    return done


def _into(entry: Entry, told: Callable[[int], None]) -> Callable[[bytes], Awaitable[None]]:
    async def take(chunk: bytes) -> None:
        entry.write(chunk)
        told(len(chunk))

    return take


async def _objects(
    objects: Objects, archive: Archive, referred: Sequence[backups.Referred], told: Told, *, with_files: bool
) -> tuple[list[ObjectEntry], list[str]]:
    """What is in the backup of the store, and what the store did not have."""
    if not with_files:
        return [ObjectEntry(one.path, one.size_bytes, one.sha256, one.content_type) for one in referred], []
    found, missing = [], []
    about = sum(one.size_bytes or 0 for one in referred)
    for one in referred:
        with TemporaryFile() as file:
            try:
                await objects.fetch(one.path, file, _LARGEST)
            except FileNotFoundError:
                missing.append(one.path)
                continue
            file.seek(0)
            with archive.entry(f"objects/{one.path}", packed=False) as entry:
                while chunk := file.read(_CHUNK):
                    entry.write(chunk)
                    told("files", len(chunk), about)
                    await asyncio.sleep(0)  # whoever waits may call it off
        if one.sha256 not in (None, entry.sha256):
            raise BadBackup(f"{one.path} in the object store is not what was stored: its SHA-256 is another one.")
        found.append(ObjectEntry(one.path, entry.size_bytes, entry.sha256, one.content_type))
    return found, missing
