"""The command line: ``groundswell serve | worker | token | import | recount | mail | backup | restore | workspace | migrate | migrate-legacy | schema``."""

import asyncio
import os
import re
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from db.embedded_account import EmbeddedError
from graph.environment import SettingsError
from graph.settings import Settings
from graph.tokens import make_token

# Strawberry, uvicorn and SQLAlchemy are imported where they are needed: a token takes no second to print.

app = typer.Typer(
    name="groundswell",
    help="One GraphQL server for campaign engagement.\n\n"
    "Start with [bold]groundswell serve[/bold]: it needs nothing but this program. Everything that can be set "
    "is an environment variable: DATABASE_URL, JWT_SECRET, JWT_JWKS_URL, LOG_LEVEL and others, see the README.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
workspaces = typer.Typer(help="Make workspaces, the tenants, and list them.", no_args_is_help=True)
app.add_typer(workspaces, name="workspace")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where the embedded database, its files and the development secret are. "
        "\\[default: GROUNDSWELL_DATA_DIR, or .groundswell]",
    ),
]


class ScopeName(StrEnum):
    """The scopes as tokens spell them."""

    READ = "read"
    WRITE = "write"
    ENGAGE = "engage"
    INGEST = "ingest"
    LIVE = "live"
    ADMIN = "admin"


def main() -> None:
    """The entry point of the command."""
    from graph.cli_backup import backup, restore
    from graph.cli_import import imports
    from graph.cli_legacy import HELP, migrate_legacy
    from graph.cli_mail import mail

    app.add_typer(imports, name="import")
    app.add_typer(mail, name="mail")
    app.command("migrate-legacy", help=HELP)(migrate_legacy)
    app.command()(backup)
    app.command()(restore)
    with plain_errors():
        app()


@contextmanager
def plain_errors() -> Iterator[None]:
    """One line on stderr instead of a traceback, for what the user can mend."""
    try:
        yield
    except (SettingsError, EmbeddedError) as error:
        fail(str(error))
    except Exception as error:
        from db.migrate import DatabaseUnavailable

        if isinstance(error, DatabaseUnavailable):
            fail(str(error))
        raise


def fail(message: str) -> NoReturn:
    """Ends the command with a message and exit code 1."""
    print(f"groundswell: {message}", file=sys.stderr)
    raise SystemExit(1)


@app.command()
def serve(
    host: Annotated[
        str,
        typer.Option(help="The address to listen on. Others than this machine's own need JWT_SECRET or JWT_JWKS_URL."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=0, max=65535)] = 8000,
    data_dir: DataDir = None,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Load the demo workspace, once.")] = True,
    worker: Annotated[
        bool | None,
        typer.Option(
            "--worker/--no-worker",
            help="Do background work, exports, mailings and nightly recounts, in this process, too. Without it, run groundswell "
            "worker beside it. \\[default: WORKER, or on]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Starts the server: database, migrations, demo workspace, GraphQL.

    Without DATABASE_URL an embedded PostgreSQL is started below the data directory. Ctrl-C stops everything. Behind a
    load balancer set DRAIN_SECONDS: on SIGTERM, /health/ready says 503 for as long, and requests are answered meanwhile.

    Example: groundswell serve --port 8123 --data-dir ./data
    """
    from graph import serving

    settings = Settings.from_env(os.environ, data_dir=data_dir, host=host, port=port, worker=worker)
    serving.serve(settings, with_demo=demo)


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Does background work, exports, mailings and nightly recounts, and answers nobody: as many processes as there is work.

    What a worker does not finish others go on with: at once where it is stopped by Ctrl-C or SIGTERM, and after
    JOBS_HEARTBEAT_SECONDS of silence (30) where it was killed. Workers and servers of a database share one
    OBJECT_STORE_URL; EXPORT_PART_ROWS is how many rows a file has (100000).

    Example: DATABASE_URL=postgresql://db/groundswell OBJECT_STORE_URL=s3://exports groundswell worker
    """
    from graph import working

    working.work(Settings.from_env(os.environ, data_dir=data_dir))


@app.command()
def recount(
    workspace: Annotated[
        str | None, typer.Option(help="The key of the workspace. \\[default: all of them]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Recounts the scores of followers from their interactions now, and corrects what differs.

    A worker does the same every night at midnight in each workspace's zone. What differed is logged as warnings. It can
    run beside a server. Ctrl-C stops it behind the followers in hand; the same command goes on from there within 24 hours.

    Example: groundswell recount --workspace acme
    """
    from graph import cli_recount

    cli_recount.recount(Settings.from_env(os.environ, data_dir=data_dir), workspace)


@app.command()
def token(
    workspace: Annotated[str, typer.Option(help="The key of the workspace.")] = "demo",
    scope: Annotated[
        list[ScopeName] | None, typer.Option(help="Repeat it for several. \\[default: read, write]")
    ] = None,
    subject: Annotated[str, typer.Option(help="Who it is for.")] = "developer",
    ttl: Annotated[str, typer.Option(help="How long it is good: 90m, 12h, 30d.")] = "30d",
    actor_user_id: Annotated[str | None, typer.Option(help="The end user as whom an engage token acts.")] = None,
    actor_profile_id: Annotated[str | None, typer.Option(help="That user's profile.")] = None,
    actor_profile_type: Annotated[str | None, typer.Option(help="What kind of profile that is.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Prints a token, and nothing else: TOKEN=$(groundswell token --workspace demo --scope read).

    Signed with JWT_SECRET, or else with the development secret of the data directory.
    """
    settings = Settings.from_env(os.environ, data_dir=data_dir)
    secret = settings.signing_secret()
    if secret is None:
        fail("JWT_JWKS_URL is set: tokens are made by whoever holds the private key, not here.")
    names = {"userId": actor_user_id, "profileId": actor_profile_id, "profileType": actor_profile_type}
    actor = {name: value for name, value in names.items() if value is not None}
    scopes = [str(one) for one in scope or (ScopeName.READ, ScopeName.WRITE)]
    if actor_user_id is None and (actor or "engage" in scopes):
        fail("An engage token acts as one end user: say whom with --actor-user-id.")
    made = make_token(
        secret,
        subject=subject,
        workspace=workspace,
        scopes=scopes,
        ttl=_duration(ttl),
        actor=actor or None,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )
    print(made)


def _duration(given: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,5})([mhd])", given, re.ASCII)
    if match is None:
        fail(f"--ttl must be like 90m, 12h or 30d; it is {given!r}.")
    return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[match[2]]: int(match[1])})


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Brings the database to the newest revision. Safe to run again, and beside a running server."""
    from db.migrate import upgrade
    from graph.opening import database_at

    with database_at(Settings.from_env(os.environ, data_dir=data_dir)) as url:
        before, after = asyncio.run(upgrade(url))
    print(
        f"The database is at revision {after}."
        if before == after
        else f"Migrated from {before or 'nothing'} to {after}."
    )


@app.command("renew-cursors")
def renew_cursors(data_dir: DataDir = None) -> None:
    """Makes all cursors of the live stream expire: after a copy of the database's files was put back.

    Any other way to restore a database is noticed by itself.
    """
    from db.queries.live.sequencing import begin_epoch
    from db.session import session
    from graph.opening import database_at

    async def run(url: str) -> None:
        async with session(url, "groundswell renew-cursors") as own:
            await begin_epoch(own)

    with database_at(Settings.from_env(os.environ, data_dir=data_dir)) as url:
        asyncio.run(run(url))
    print("All cursors have expired. Whoever watches begins anew.")


@app.command()
def schema(
    check: Annotated[
        Path | None, typer.Option(help="Compare with this file instead of printing; exit 1 if it differs.")
    ] = None,
) -> None:
    """Prints the GraphQL schema."""
    from graph.schema import schema as graph_schema

    printed = graph_schema.as_str() + "\n"
    if check is None:
        print(printed, end="")
    elif not check.is_file() or check.read_text() != printed:
        fail(f"{check} is not up to date. Run: groundswell schema > {check}")


@workspaces.command("create")
def create_workspace(
    key: Annotated[str, typer.Argument(help="Lower case letters, digits, - and _; tokens name it.")],
    name: Annotated[str | None, typer.Option(help="What people call it. \\[default: the key]")] = None,
    time_zone: Annotated[
        str, typer.Option(help="IANA name: whose days, weeks and months its dates and series have.")
    ] = "UTC",
    currency: Annotated[str, typer.Option(help="ISO 4217: what new campaigns have.")] = "EUR",
    data_dir: DataDir = None,
) -> None:
    """Makes a workspace.

    Example: groundswell workspace create acme --name "Acme Inc." --time-zone America/New_York --currency USD
    """
    from db.queries import workspaces as queries

    problem = _with_database(data_dir, lambda database: queries.make(database, key, name or key, time_zone, currency))
    if problem is not None:
        fail(problem)
    print(f"Made the workspace {key}. A token for it: groundswell token --workspace {key}")


@workspaces.command("list")
def list_workspaces(data_dir: DataDir = None) -> None:
    """Lists the workspaces: key, name, time zone, currency."""
    from db.queries import workspaces as queries

    for row in _with_database(data_dir, queries.every):
        print(f"{row.key}\t{row.name}\t{row.time_zone}\t{row.currency}")


def _with_database(data_dir: Path | None, work: Any) -> Any:
    from db.engine import Database
    from db.migrate import upgrade
    from graph.opening import database_at

    async def run(url: str) -> Any:
        await upgrade(url)
        database = Database(url)
        try:
            coroutine: Coroutine[Any, Any, Any] = work(database)
            return await coroutine
        finally:
            await database.close()

    with database_at(Settings.from_env(os.environ, data_dir=data_dir)) as url:
        return asyncio.run(run(url))
