"""``groundswell mail returned``: bounces and complaints from mails that came back, with a progress bar."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from db import migrate
from db.engine import Database
from graph.interrupts import stop_on_ctrl_c
from graph.logs import configure_logging
from graph.opening import database_at
from graph.settings import Settings
from jobs.mailings.keys import tokens_of
from jobs.mailings.mailboxes import Skipped
from jobs.mailings.returned import Counts, files_in, take

_NAMED = 20
"""Of what was passed over, so many are named."""


def returned(settings: Settings, paths: Sequence[Path]) -> None:
    """Records what came back. Raises EmbeddedError and DatabaseUnavailable."""
    configure_logging(settings.log_level)
    with database_at(settings) as url:
        asyncio.run(_returned(url, paths))


async def _returned(url: str, paths: Sequence[Path]) -> None:
    await migrate.upgrade(url)
    stop = stop_on_ctrl_c()
    files, unseen = await asyncio.to_thread(files_in, paths)
    total = await asyncio.to_thread(lambda: sum(map(_size, files)))
    database, console = Database(url, size=1), Console(stderr=True)
    try:
        with Bar(console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=total or None)

            def told(counts: Counts, size: int) -> None:
                bar.update(task, completed=size, description=f"{counts.read:,} mails")

            counts = await take(database, await tokens_of(database), files, stop.is_set, told)
    finally:
        await database.close()
    _name("not read", [*unseen, *counts.unreadable])
    _name("not recorded", counts.not_taken)
    typer.echo(_said(counts, len(unseen)))
    if stop.is_set():
        typer.echo("Stopped before the end. The same command begins anew; what is recorded counts as duplicates then.")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _name(what: str, skipped: Sequence[Skipped]) -> None:
    for one in skipped[:_NAMED]:
        print(f"{what}: {one.name}: {one.reason}", file=sys.stderr)
    if len(skipped) > _NAMED:
        print(f"{what}: {len(skipped) - _NAMED:,} more", file=sys.stderr)


def _said(counts: Counts, unseen: int) -> str:
    numbers = {
        "read": counts.read,
        "bounces": counts.bounces,
        "complaints": counts.complaints,
        "duplicates": counts.duplicates,
        "delays": counts.delays,
        "not ours": counts.not_ours,
        "not understood": counts.not_understood,
        "not recorded": len(counts.not_taken),
        "unreadable": len(counts.unreadable) + unseen,
    }
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())
