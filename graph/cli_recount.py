"""``groundswell recount``: all scores from the interactions, now; with a progress bar; resumable."""

import asyncio
from collections.abc import Callable

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from db import migrate
from db.engine import Database
from db.queries import workspaces
from db.queries.followers import recounting
from db.queries.followers.recounting import Standing
from graph.environment import SettingsError
from graph.interrupts import stop_on_ctrl_c
from graph.logs import configure_logging
from graph.opening import database_at
from graph.settings import Settings
from jobs.recounts import changes_of
from jobs.recounts import recount as recount_scores


def recount(settings: Settings, workspace: str | None) -> None:
    """Recounts a workspace, or all. Raises SettingsError, EmbeddedError and DatabaseUnavailable."""
    configure_logging(settings.log_level)
    with database_at(settings) as url:
        asyncio.run(_recount(url, workspace))


async def _recount(url: str, key: str | None) -> None:
    await migrate.upgrade(url)
    database = Database(url, size=1)
    try:
        known = await workspaces.every(database)
        chosen = [row for row in known if key in (None, row.key)]
        if not chosen and key is not None:
            names = ", ".join(row.key for row in known) or "none"
            raise SettingsError(f"No workspace has the key {key!r}. There are: {names}.")
        stop = stop_on_ctrl_c()
        said = []
        with Bar(console=Console(stderr=True)) as bar:
            for row in chosen:
                if not stop.is_set():
                    task = bar.add_task(row.key, total=None)
                    said.append(_said(row.key, *await _one(database, row.id, stop.is_set, bar, task)))
        typer.echo("\n".join(said))
    finally:
        await database.close()


async def _one(
    database: Database, workspace_id: int, stopped: Callable[[], bool], bar: Bar, task: TaskID
) -> tuple[Standing, int]:
    """Recounts a workspace. Answers how it stands, and how many followers were recounted when it was interrupted last."""
    async with database.write(workspace_id) as transaction:
        total = await recounting.expected(transaction)
        before = await recounting.interrupted(transaction)
        recount_id = await recounting.begin(transaction) if before is None else before.id
    resumed = 0 if before is None else before.followers

    def told(standing: Standing) -> None:
        bar.update(task, total=max(total, standing.followers), completed=standing.followers)

    change = changes_of(database, workspace_id)
    standing = await recount_scores(change, workspace_id, recount_id, stopped, told)
    return standing or Standing(resumed, 0, 0, 0, 0, finished=False), resumed


def _said(key: str, standing: Standing, resumed: int) -> str:
    counts = f"{standing.followers:,} followers, {standing.differed:,} corrected"
    if not standing.finished:
        return f"{key}: stopped after {counts}. The same command goes on from here."
    went_on = f" (went on behind {resumed:,} followers)" if resumed else ""
    return f"{key}: {counts}, {standing.ranks_differed:,} counts of followers by score corrected{went_on}."
