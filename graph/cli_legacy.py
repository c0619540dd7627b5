"""``groundswell migrate-legacy``: the old table's campaigns come in, its numbers go to a table of their own."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from db import migrate
from db.engine import Database
from db.queries import workspaces
from graph.environment import SettingsError
from graph.opening import database_at
from graph.settings import Settings
from jobs.legacy import profiles, run
from jobs.legacy.errors import MigrationRefusedError
from jobs.legacy.run import Migrated, Plan, Undone

_SHOWN = 50
"""Problems that are printed; the rest are counted."""
HELP = "\n\n".join(
    (
        "Migrate from a table of campaigns that holds its numbers in columns, as campaign_profile did.",
        "Makes a campaign of each row (its key is legacy- and the row's id), copies the twelve columns of numbers to a "
        "table beside it, campaign_profile_engagement_backup, verifies the copy, and only then drops the columns. The "
        "numbers here begin at zero: totals say nothing of who did what and when.",
        "Rehearse it first with --dry-run, which does everything and takes it back. Running it twice does no harm, and "
        "--undo puts the columns back as they were. The table is locked meanwhile; nothing changes if anything is wrong.",
        f"Fields of a campaign, each from the column of its usual name or as --map says: {', '.join(profiles.COLUMNS)}.",
        "For example:",
        "\b\n"
        "groundswell migrate-legacy --from postgresql://user@host/old --dry-run\n"
        "groundswell migrate-legacy --from postgresql://user@host/old \\\n"
        "  --workspace acme --table crm.campaign_profile --map name=display_name --map status=",
    )
)


def migrate_legacy(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="The PostgreSQL database of the old table; without it, Groundswell's own.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[str, typer.Option(help="The old table, with its schema where it needs one.")] = "campaign_profile",
    workspace: Annotated[str, typer.Option(help="The key of the workspace that gets the campaigns.")] = "demo",
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Feed a field from this column; FIELD= leaves it out; repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything, and take it back.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put the columns back and remove untouched campaigns.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded database lives.", show_default=False)
    ] = None,
) -> None:
    """The help is above, with its examples."""
    settings = Settings.from_env(os.environ, data_dir=data_dir)
    try:
        given = None if source is None else Settings.from_env({"DATABASE_URL": source}).database_url
    except SettingsError as error:
        _fail(str(error).replace("DATABASE_URL", "--from"))
    try:
        mapped = profiles.parse(mappings or ())
        with database_at(settings) as url:
            plan = Plan(given or url, table, mapped, dry_run)
            typer.echo(asyncio.run(_run(url, workspace, plan, backwards=undo)))
    except MigrationRefusedError as error:
        more = [f"... and {len(error.details) - _SHOWN} more"] if len(error.details) > _SHOWN else []
        _fail("\n  ".join([str(error), *error.details[:_SHOWN], *more]))


async def _run(url: str, key: str, plan: Plan, *, backwards: bool) -> str:
    await migrate.upgrade(url)
    database = Database(url, size=1)
    try:
        every = await workspaces.every(database)
        workspace = next((row for row in every if row.key == key), None)
        if workspace is None:
            known = ", ".join(row.key for row in every) or "none"
            raise MigrationRefusedError(f"No workspace has the key {key!r}. There are: {known}.")
        if backwards:
            said = _undone(await run.undo(database, workspace, plan))
        else:
            console = Console(stderr=True)
            with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
                task = bar.add_task("campaigns", total=None)
                said = _migrated(await run.migrate(database, workspace, plan, partial(_show, bar, task)))
    finally:
        await database.close()
    return f"Rehearsed, and nothing was changed. It would say:\n{said}" if plan.dry_run else said


def _show(bar: Bar, task: TaskID, done: int, of: int) -> None:
    bar.update(task, completed=done, total=of)


def _migrated(done: Migrated) -> str:
    said = [f"Campaigns: {done.made:,} made, {done.known:,} known before."]
    if done.dropped:
        said.append(
            f"Backed up {len(done.dropped)} columns of {done.backed_up:,} rows in {done.backup}, verified the copy, and "
            f"dropped them: {', '.join(done.dropped)}. --undo puts them back."
        )
    elif done.was_done:
        said.append(f"The numbers were backed up before, in {done.backup}.")
    else:
        said.append("The table has none of the columns of numbers: there was nothing to back up.")
    return "\n".join(said)


def _undone(done: Undone) -> str:
    said = [f"Put the columns back as they were and dropped {done.backup}. Campaigns: {done.removed:,} removed."]
    if done.kept:
        said.append(f"{done.kept:,} campaigns stay: they were changed or have numbers since.")
    return "\n".join([*said, *done.notes])


def _fail(message: str) -> NoReturn:
    typer.echo(f"groundswell: {message}", err=True)
    raise typer.Exit(1)
