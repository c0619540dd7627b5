"""Backing up and restoring, as the command line does it: with progress, and in words when something is wrong."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from graph.environment import SettingsError
from graph.logs import configure_logging
from graph.only_one import only_one
from graph.opening import database_at
from graph.settings import Settings
from graph.working import objects_of
from jobs.backups import archive, restoring, taking
from jobs.backups.manifest import BadBackup
from jobs.objects import ObjectsError

T = TypeVar("T")
INTERRUPTED = 130
_MEANT = (BadBackup, archive.CannotWrite, taking.NotNow, ObjectsError)


class Refused(Exception):
    """It cannot be done. The message is for the user."""


def back_up(settings: Settings, file: Path, *, with_files: bool | None) -> None:
    """Writes a backup. ``with_files`` None: where the store is a folder. Raises Refused, SettingsError, EmbeddedError, DatabaseUnavailable."""
    configure_logging(settings.log_level)
    if settings.database_url is None and not (settings.data_dir / "postgres" / "PG_VERSION").is_file():
        raise SettingsError(
            f"There is no database in {settings.data_dir}. Say where it is with --data-dir, or with DATABASE_URL."
        )
    objects = objects_of(settings)
    has_files = settings.objects_url().startswith("file:") if with_files is None else with_files
    with _plain_errors("Stopped. Nothing was written."), database_at(settings) as url:
        taken = _run(taking.take(url, objects, file.absolute(), _shown(), with_files=has_files))
    found = taken.manifest
    rows = sum(table.rows for table in found.tables)
    files = f"{len(found.objects):,} files" if has_files else f"the names of {len(found.objects):,} files"
    print(
        f"Backed up {rows:,} rows of {len(found.tables)} tables and {files} into {file} ({taken.size_bytes:,} bytes)."
    )
    if found.missing:
        print(f"{len(found.missing):,} files that the database names are not in the object store.")


def put_back(settings: Settings, file: Path, *, replace: bool) -> None:
    """Restores a backup. Raises Refused, SettingsError, EmbeddedError, DatabaseUnavailable."""
    configure_logging(settings.log_level)
    with (
        _plain_errors("Stopped. The database is as it was."),
        archive.reading(file) as source,
        only_one(settings, "restoring a backup"),
        database_at(settings) as url,
    ):
        done = _run(restoring.restore(url, objects_of(settings), source, _shown(), replace=replace))
    print(f"Restored {done.rows:,} rows and {done.files:,} files as they were at {source.manifest.taken_at}.")
    if done.held:
        print(
            f"{done.held:,} mailings are held back: look at each before it goes on, for some of it may have been sent."
        )
    if done.absent:
        print(f"{done.absent:,} files that the database names are not in the object store.")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it with its progress shown. Ctrl-C and SIGTERM call it off, and it cleans up behind itself."""

    async def run() -> T:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        done = await task
        for shown in _progress.tasks:  # how much it is in all was a guess
            _progress.update(shown.id, total=shown.completed)
        return done

    try:
        return asyncio.run(run())
    finally:
        if _progress.tasks:  # it would end a line that was not begun
            _progress.stop()


_progress = Progress(
    TextColumn("{task.description}"),
    BarColumn(),
    TaskProgressColumn(),
    TimeElapsedColumn(),
    console=Console(stderr=True),
)


def _shown() -> taking.Told:
    """Draws a bar for each part of the work."""
    tasks: dict[str, TaskID] = {}

    def told(part: str, more: int, about: int) -> None:
        if part not in tasks:
            _progress.start()
            tasks[part] = _progress.add_task(part, total=about)
        _progress.advance(tasks[part], more)
        shown = _progress.tasks[tasks[part]]
        if shown.completed > (shown.total or 0):  # it was a guess
            _progress.update(tasks[part], total=shown.completed)

    return told


@contextmanager
def _plain_errors(stopped: str) -> Iterator[None]:
    """What went wrong in one line."""
    try:
        yield
    except (asyncio.CancelledError, KeyboardInterrupt):
        print(stopped)
        raise SystemExit(INTERRUPTED) from None
    except _MEANT as error:
        raise Refused(str(error)) from None
