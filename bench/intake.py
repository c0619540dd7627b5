"""How fast rows come in, beside a bare COPY of the same rows into the same tables: what these benchmarks have in common."""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from sqlalchemy import make_url

from db import migrate
from db.embedded import Embedded
from db.engine import Database
from db.queries import workspaces
from jobs.imports.run import Job, Outcome, import_file

WORKSPACE = "bench-ingest"
IMPORT_TARGET = 0.33

Contender = Callable[[], Awaitable[float]]
"""Takes all rows in once and answers the seconds."""
Entered = dict[str, tuple[Contender, float | None]]
"""Contenders by name, each with the least that it must reach of the first one's rate."""


@dataclass(frozen=True)
class Place:
    """Where contenders take turns: a database, and a connection that goes past row-level security."""

    url: str
    database: Database
    workspace: int
    copier: Any

    async def copied(self, table: str, rows: Sequence[tuple[Any, ...]], columns: Sequence[str], chunk: int) -> float:
        """A bare COPY: rows that are converted already, in chunks of the import's size. Answers the seconds."""
        began = time.perf_counter()
        for start in range(0, len(rows), chunk):
            await self.copier.copy_records_to_table(table, records=rows[start : start + chunk], columns=columns)
        return time.perf_counter() - began

    async def imported(self, job: Job) -> float:
        """The import job, from the file's bytes to the last commit. Answers the seconds."""
        began = time.perf_counter()
        result = await import_file(self.database, self.workspace, job)
        seconds = time.perf_counter() - began
        if result.outcome is not Outcome.FINISHED or result.counts.accepted != result.counts.rows_read:
            raise RuntimeError(f"the import went wrong: {result}")
        return seconds


async def measure(url: str, rounds: int, count: int, enter: Callable[[Place], Entered]) -> bool:
    """Runs in turn all contenders that are entered for a place, and prints their rates. Answers whether all targets were reached."""
    async with own_database(url) as own:
        await migrate.upgrade(own)
        database = Database(own)
        copier = await asyncpg.connect(plain(own))
        try:
            workspace = await workspaces.create(database, WORKSPACE, "Bench", "Europe/Berlin", "EUR")
            entered = enter(Place(own, database, workspace, copier))
            rates = await _rates_of(entered, rounds, count)
        finally:
            await copier.close()
            await database.close()
        return _report(rates, {name: target for name, (_, target) in entered.items()})


async def _rates_of(entered: Entered, rounds: int, count: int) -> dict[str, list[float]]:
    """Lets all contenders take ``count`` rows in, in turn. Answers rows per second by name, one of each round."""
    rates: dict[str, list[float]] = {name: [] for name in entered}
    for number in range(rounds + 1):
        for name, (contender, _) in entered.items():
            rate = count / await contender()
            if number:  # the first round warms up
                rates[name].append(rate)
    return rates


@asynccontextmanager
async def own_database(url: str) -> AsyncIterator[str]:
    """A database for this run alone: tables are emptied here, and a DATABASE_URL may name one that matters."""
    name = f"groundswell_bench_{os.getpid()}"
    admin = await asyncpg.connect(plain(url))
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def plain(url: str) -> str:
    """The URL as asyncpg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _report(rates: dict[str, list[float]], targets: dict[str, float | None]) -> bool:
    """Prints medians, ranges and ratios to the first contender."""
    base = median(next(iter(rates.values())))
    reached = True
    for name, found in rates.items():
        ratio, target = median(found) / base, targets[name]
        wanted = "" if target is None else f"  (target {target:.2f}: {'reached' if ratio >= target else 'MISSED'})"
        reached &= target is None or ratio >= target
        spread = f"{min(found):>9,.0f} to {max(found):>9,.0f}"
        print(f"{name:<24}{median(found):>9,.0f} rows/s  [{spread}]  ratio {ratio:.2f}{wanted}")
    return reached


@contextmanager
def server() -> Iterator[str]:
    """DATABASE_URL's, or a durable embedded one that is thrown away."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        return
    with tempfile.TemporaryDirectory() as folder, Embedded(Path(folder), durable=True) as cluster:
        yield cluster.url()
