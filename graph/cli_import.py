"""``groundswell import``: rows of files into the database, with a progress bar; resumable."""

import asyncio
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from db import migrate
from db.embedded import EmbeddedError
from db.engine import Database
from db.errors import camel
from db.queries import workspaces
from graph.opening import database_at
from graph.settings import Settings, SettingsError
from jobs.imports import mapping, translating
from jobs.imports.comments import COMMENTS
from jobs.imports.errors import ImportFailedError
from jobs.imports.events import EVENTS
from jobs.imports.impressions import IMPRESSIONS
from jobs.imports.rows import Kind
from jobs.imports.run import CHUNK, Job, Outcome, Progress, Result, import_file

imports = typer.Typer(help="Import rows from files.", no_args_is_help=True)

# A paragraph is one line here: the terminal breaks it where it must.
_WHAT = (
    "from a CSV file with a header or from JSON Lines, gzipped or not.",
    "Rows that are known by their key are left alone, so a file can be imported again. What is interrupted goes on "
    "where it was when the same command is run again. Rows that cannot go in go to a file, with the reasons.",
)
_MAP = (
    "--map feeds a field from another column, or from a text made of {columns}, where {line} is the number of the row, "
    "from 1. --translate puts our words in the place of a field's own."
)
_IMPRESSIONS_HELP = "\n\n".join(
    (
        f"Import impressions {_WHAT[0]}",
        _WHAT[1],
        f"A column feeds the field of its name: {', '.join(map(camel, IMPRESSIONS.fields))}. Of these, clicked, "
        f"converted and charged are true or false, campaign is a campaign's key, and channel and audience are names. {_MAP}",
        "For example the Open Bandit log, which has neither keys nor users (those made here are segments, not people):",
        "\b\n"
        "groundswell import impressions openbandit_60k.csv.gz --create-campaigns \\\n"
        "  --map 'key=openbandit-{line}' --map 'campaign={campaign}-{policy}' \\\n"
        "  --map occurredAt=timestamp --map clicked=click --map placement=position \\\n"
        "  --map 'userId={user_feature_0}-{user_feature_1}-{user_feature_2}-{user_feature_3}'",
    )
)
_COMMENTS_HELP = "\n\n".join(
    (
        f"Import comments and their replies {_WHAT[0]}",
        _WHAT[1],
        f"A column feeds the field of its name: {', '.join(map(camel, COMMENTS.fields))}. Of these, campaign is a "
        f"campaign's key, and parent the key of the comment that a row replies to, empty where it begins a thread. {_MAP}",
        "A reply may stand before its parent, in the file or in time: it waits until the end of the file. A reply whose "
        "parent neither came nor was there before is rejected.",
        "For example talk pages of Wikipedia, a campaign for each page:",
        "\b\n"
        "groundswell import comments wikipedia_talk.csv.gz --create-campaigns \\\n"
        "  --map key=comment_id --map parent=parent_id --map campaign=page \\\n"
        "  --map userId=author --map body=text --map occurredAt=created_at",
    )
)
_EVENTS_HELP = "\n\n".join(
    (
        f"Import events {_WHAT[0]}",
        _WHAT[1],
        f"A column feeds the field of its name: {', '.join(map(camel, EVENTS.fields))}. Of these, type is IMPRESSION, CLICK "
        "or CONVERSION (or a plural, in any case), value an amount of money, data any JSON, campaign a campaign's key, and "
        f"channel and audience are names. {_MAP}",
        "Where a line of JSON holds a list of events, --each NAME makes a row of each of its objects, together with the "
        "line's other fields; {line} counts these rows.",
        "For example the OTTO log, a line for each session of a shop, whose events are clicks, carts and orders. Carts are "
        "none of our types: they are rejected here, and --translate type:carts=CLICK would take them for clicks:",
        "\b\n"
        "groundswell import events otto_sessions.jsonl --each events \\\n"
        "  --campaign otto --create-campaigns --channel shop --create-channels \\\n"
        "  --map 'key=otto-{line}' --map userId=session --map occurredAt=ts \\\n"
        "  --map 'data={{\"aid\": {aid}}}' --translate type:orders=CONVERSION",
    )
)

_File = Annotated[Path, typer.Argument(help="CSV or JSON Lines, may be gzipped.", show_default=False)]
_DataDir = Annotated[Path | None, typer.Option(help="Where the embedded database lives.", show_default=False)]
_Workspace = Annotated[str, typer.Option(help="The key of the workspace.")]
_Campaign = Annotated[str | None, typer.Option(help="The key of the campaign of all rows.", show_default=False)]
_Create = Annotated[bool, typer.Option("--create-campaigns", help="Make campaigns that are missing.")]
_Mappings = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=TEMPLATE", help="Feed a field; repeatable.", show_default=False),
]
_Translations = Annotated[
    list[str] | None,
    typer.Option(
        "--translate",
        metavar="FIELD:VALUE=NEW",
        help="What a field's value becomes before it is read (empty: what a missing one becomes); repeatable.",
        show_default=False,
    ),
]
_Each = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The list in a line of JSON, each of whose objects is a row.", show_default=False
    ),
]
_Channel = Annotated[str | None, typer.Option(help="The name of the channel of all rows.", show_default=False)]
_CreateChannels = Annotated[
    bool, typer.Option("--create-channels", help="Make channels (of kind OTHER) and audiences that are missing.")
]
_Currency = Annotated[
    str | None,
    typer.Option(help="The currency of values without one, which are rejected otherwise.", show_default=False),
]
_Zone = Annotated[
    str | None,
    typer.Option(help="The zone of times without an offset, which are rejected otherwise.", show_default=False),
]
_Rejects = Annotated[Path | None, typer.Option(help="Where rejected rows go.", show_default="FILE.rejects.jsonl")]
_Chunk = Annotated[int, typer.Option(min=1, help="Rows in a transaction.")]
_Again = Annotated[bool, typer.Option("--again", help="Read all rows again, of a finished import too.")]


@imports.command(help=_EVENTS_HELP)
def events(
    file: _File,
    data_dir: _DataDir = None,
    workspace: _Workspace = "demo",
    campaign: _Campaign = None,
    create_campaigns: _Create = False,
    channel: _Channel = None,
    create_channels: _CreateChannels = False,
    mappings: _Mappings = None,
    translations: _Translations = None,
    each: _Each = None,
    currency: _Currency = None,
    time_zone: _Zone = None,
    rejects: _Rejects = None,
    chunk: _Chunk = CHUNK,
    again: _Again = False,
) -> None:
    """The help is above, with its example."""
    options = (campaign, create_campaigns, time_zone, rejects, chunk, again)
    words = _Words(mappings or (), translations or ())
    _run(
        EVENTS,
        file,
        data_dir,
        workspace,
        words,
        *options,
        each=each,
        channel=channel,
        create_channels=create_channels,
        currency=currency,
    )


@imports.command(help=_IMPRESSIONS_HELP)
def impressions(
    file: _File,
    data_dir: _DataDir = None,
    workspace: _Workspace = "demo",
    campaign: _Campaign = None,
    create_campaigns: _Create = False,
    channel: _Channel = None,
    create_channels: _CreateChannels = False,
    mappings: _Mappings = None,
    translations: _Translations = None,
    each: _Each = None,
    time_zone: _Zone = None,
    rejects: _Rejects = None,
    chunk: _Chunk = CHUNK,
    again: _Again = False,
) -> None:
    """The help is above, with its example."""
    options = (campaign, create_campaigns, time_zone, rejects, chunk, again)
    words = _Words(mappings or (), translations or ())
    _run(
        IMPRESSIONS,
        file,
        data_dir,
        workspace,
        words,
        *options,
        each=each,
        channel=channel,
        create_channels=create_channels,
    )


@imports.command(help=_COMMENTS_HELP)
def comments(
    file: _File,
    data_dir: _DataDir = None,
    workspace: _Workspace = "demo",
    campaign: _Campaign = None,
    create_campaigns: _Create = False,
    mappings: _Mappings = None,
    translations: _Translations = None,
    each: _Each = None,
    time_zone: _Zone = None,
    rejects: _Rejects = None,
    chunk: _Chunk = CHUNK,
    again: _Again = False,
) -> None:
    """The help is above, with its example."""
    options = (campaign, create_campaigns, time_zone, rejects, chunk, again)
    words = _Words(mappings or (), translations or ())
    _run(COMMENTS, file, data_dir, workspace, words, *options, each=each)


class _Words(NamedTuple):
    """The options that say in words of their own what feeds which field, as they were given."""

    mappings: Iterable[str]
    translations: Iterable[str]


def _run(
    kind: Kind, file: Path, data_dir: Path | None, workspace: str, words: _Words, *options: Any, **more: Any
) -> None:
    try:
        templates = mapping.parse(kind.fields, words.mappings)
        tables = translating.parse(kind.fields, words.translations)
        job = Job(file, templates, *options, kind=kind, translations=tables, **more)
        with database_at(Settings.from_env(os.environ, data_dir=data_dir)) as url:
            asyncio.run(_import(url, workspace, job))
    except (ImportFailedError, SettingsError, EmbeddedError, OSError) as error:
        _fail(str(error))


async def _import(url: str, workspace: str, job: Job) -> None:
    await migrate.upgrade(url)
    database = Database(url, size=1)
    try:
        workspace_id = await workspaces.id_of(database, workspace)
        if workspace_id is None:
            known = ", ".join(row.key for row in await workspaces.every(database)) or "none"
            raise ImportFailedError(f"No workspace has the key {workspace!r}. There are: {known}.")
        _report(job.path, await _with_bar(database, workspace_id, job))
    finally:
        await database.close()


async def _with_bar(database: Database, workspace_id: int, job: Job) -> Result:
    stop = _stop_on_ctrl_c()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        shown = _Shown(bar, bar.add_task(job.path.name, total=None, counts="reading"))
        return await import_file(database, workspace_id, job, shown.update, stop.is_set)


class _Shown:
    """What the bar shows: how much of the file is read, the counts, and the rate of this run of the command."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._first: int | None = None

    def update(self, progress: Progress) -> None:
        counts = progress.counts
        if self._first is None:
            self._first = counts.rows_read
        seconds = self._bar.tasks[0].elapsed or 0
        rate = (counts.rows_read - self._first) / seconds if seconds else 0
        text = f"{counts.accepted:,} new, {counts.duplicates:,} known, {counts.rejected:,} rejected, {rate:,.0f} rows/s"
        if counts.waiting:
            text = f"{counts.waiting:,} waiting, {text}"
        self._bar.update(self._task, total=progress.bytes_total, completed=progress.bytes_read, counts=text)


def _stop_on_ctrl_c() -> asyncio.Event:
    """Set by the first Ctrl-C, which lets the running chunk end. The second one breaks it off: it is rolled back."""
    stop = asyncio.Event()
    task = asyncio.current_task()

    def interrupted() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    return stop


def _report(path: Path, result: Result) -> None:
    counts = result.counts
    summary = (
        f"{counts.rows_read:,} rows: {counts.accepted:,} new, {counts.duplicates:,} known before, "
        f"{counts.rejected:,} rejected"
    )
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
