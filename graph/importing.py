"""Running an import for the command line: the database it goes into, a progress bar, what came of it in a line."""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from db import migrate
from db.embedded import EmbeddedError
from db.engine import Database
from db.queries import workspaces
from graph.environment import SettingsError
from graph.interrupts import stop_on_ctrl_c
from graph.opening import database_at
from graph.settings import Settings
from jobs.imports import mapping, translating
from jobs.imports.errors import ImportFailedError
from jobs.imports.rows import Kind
from jobs.imports.run import Counts, Job, Outcome, Progress, Result, import_file


class Words(NamedTuple):
    """The options that say in words of their own what feeds which field, as they were given."""

    mappings: Iterable[str] = ()
    translations: Iterable[str] = ()


class Wording(NamedTuple):
    """What is said of an import: what its rows are, those that changed something, and those that did not."""

    rows: str = "rows"
    accepted: str = "new"
    duplicates: str = "known before"

    def counted(self, counts: Counts) -> str:
        """How many of each there are."""
        said = ((counts.accepted, self.accepted), (counts.duplicates, self.duplicates), (counts.rejected, "rejected"))
        return ", ".join(f"{number:,} {what}" for number, what in said)


OF_ROWS = Wording()


def run(
    kind: Callable[[], Kind],
    file: Path,
    data_dir: Path | None,
    workspace: str,
    words: Words,
    wording: Wording = OF_ROWS,
    **options: Any,
) -> None:
    """Imports a file with a ``Job`` of these options, and says what came of it. Ends the command where it cannot be.

    ``kind`` makes the kind of its rows; it may raise ImportFailedError, too.
    """
    try:
        made = kind()
        templates = mapping.parse(made.fields, words.mappings)
        tables = translating.parse(made.fields, words.translations)
        job = Job(file, templates, kind=made, translations=tables, **options)
        with database_at(Settings.from_env(os.environ, data_dir=data_dir)) as url:
            asyncio.run(_import(url, workspace, job, wording))
    except (ImportFailedError, SettingsError, EmbeddedError, OSError) as error:
        _fail(str(error))


async def _import(url: str, workspace: str, job: Job, wording: Wording) -> None:
    await migrate.upgrade(url)
    database = Database(url, size=1)
    try:
        workspace_id = await workspaces.id_of(database, workspace)
        if workspace_id is None:
            known = ", ".join(row.key for row in await workspaces.every(database)) or "none"
            raise ImportFailedError(f"No workspace has the key {workspace!r}. There are: {known}.")
        _report(job.path, await _with_bar(database, workspace_id, job, wording), wording)
    finally:
        await database.close()


async def _with_bar(database: Database, workspace_id: int, job: Job, wording: Wording) -> Result:
    stop = stop_on_ctrl_c()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        shown = _Shown(bar, bar.add_task(job.path.name, total=None, counts="reading"), wording)
        return await import_file(database, workspace_id, job, shown.update, stop.is_set)


class _Shown:
    """What the bar shows: how much of the file is read, the counts, and the rate of this run of the command."""

    def __init__(self, bar: Bar, task: TaskID, wording: Wording) -> None:
        self._bar = bar
        self._task = task
        self._wording = wording
        self._first: int | None = None

    def update(self, progress: Progress) -> None:
        counts = progress.counts
        if self._first is None:
            self._first = counts.rows_read
        seconds = self._bar.tasks[0].elapsed or 0
        rate = (counts.rows_read - self._first) / seconds if seconds else 0
        text = f"{self._wording.counted(counts)}, {rate:,.0f} {self._wording.rows}/s"
        if counts.waiting:
            text = f"{counts.waiting:,} waiting, {text}"
        self._bar.update(self._task, total=progress.bytes_total, completed=progress.bytes_read, counts=text)


def _report(path: Path, result: Result, wording: Wording) -> None:
    counts = result.counts
    summary = f"{counts.rows_read:,} {wording.rows}: {wording.counted(counts)}"
    if counts.waiting:
        summary += f", {counts.waiting:,} waiting for others"
    if result.outcome is Outcome.KNOWN:
        typer.echo(f"{path} is already imported ({summary}). --again reads all rows again.")
    elif result.outcome is Outcome.STOPPED:
        typer.echo(f"Stopped after {summary}. The same command goes on from here.")
    else:
        resumed = f" (went on behind row {result.resumed_from:,})" if result.resumed_from else ""
        typer.echo(f"Imported {path}{resumed}. {summary}.")
    if counts.rejected:
        typer.echo(f"Rejected rows and their reasons: {result.rejects}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"groundswell: {message}", err=True)
    raise typer.Exit(1)
