"""How fast impressions come in, beside a bare COPY of the same rows into the same table, in one run on one server.

    python -m bench ingest [--rounds 5] [--rows 60000] [--file LOG.csv.gz]

The contenders take turns, each round from an empty table and with new campaigns. A durable embedded server in a
temporary directory, or the server of DATABASE_URL, where a database is made for the run; its user must be a superuser,
since a bare COPY goes past row-level security.
"""

import argparse
import asyncio
import csv
import gzip
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from sqlalchemy import make_url

from bench.record import record
from db import migrate
from db.embedded import Embedded
from db.engine import Database
from db.queries import campaigns, workspaces
from jobs.imports import mapping
from jobs.imports.impressions import FIELDS
from jobs.imports.run import CHUNK, Job, Outcome, import_file

LOG = Path(__file__).parents[2] / "shared/data/impressions/openbandit_60k.csv.gz"
MAPS = (
    "campaign={campaign}-{policy}",
    "key=openbandit-{line}",
    "occurredAt=timestamp",
    "clicked=click",
    "placement=position",
    "userId={user_feature_0}-{user_feature_1}-{user_feature_2}-{user_feature_3}",
)
COLUMNS = ("workspace_id", "campaign_id", "key", "occurred_at", "clicked_at", "placement", "user_id", "is_unique")
WORKSPACE = "bench-ingest"
IMPORT_TARGET = 0.33
RECORD_TARGET = 0.25

Contender = Callable[[], Awaitable[float]]
"""Takes all rows in once and answers the seconds."""


class Bench:
    """One database and one file; every contender starts from an empty table."""

    def __init__(self, url: str, database: Database, workspace: int, file: Path, copier: Any) -> None:
        self.url = url
        self.database = database
        self.workspace = workspace
        self.file = file
        self._copier = copier

    async def empty(self) -> None:
        """No facts, no campaigns, and no earlier contender's writes still on their way to the disk."""
        await self._copier.execute(
            "TRUNCATE engagements, campaign_engagers, import_waiting, impressions, campaign_users, campaign_totals, campaign_buckets, import_runs, "
            "outbox, live_log, api_client_campaigns, campaigns CASCADE"
        )
        await self._copier.execute("CHECKPOINT")

    async def copy(self) -> float:
        """A bare COPY: rows that are converted already, into the one table, in chunks of the import's size."""
        await self.empty()
        rows = list(self._records(await self._make_campaigns()))
        began = time.perf_counter()
        for start in range(0, len(rows), CHUNK):
            await self._copier.copy_records_to_table(
                "impressions", records=rows[start : start + CHUNK], columns=COLUMNS
            )
        return time.perf_counter() - began

    async def run_import(self) -> float:
        """The import job, from the file's bytes to the last commit."""
        await self.empty()
        job = Job(self.file, mapping.parse(FIELDS, MAPS), create_campaigns=True, rejects=self.file.with_name("rejects"))
        began = time.perf_counter()
        result = await import_file(self.database, self.workspace, job)
        seconds = time.perf_counter() - began
        if result.outcome is not Outcome.FINISHED or result.counts.accepted != result.counts.rows_read:
            raise RuntimeError(f"the import went wrong: {result}")
        return seconds

    async def record_over_http(self) -> float:
        """The API: batches of 1000 to a server process, from the first request to the last answer."""
        await self.empty()
        rows = [
            {
                "campaign": campaign,
                "key": key,
                "occurredAt": at.isoformat(),
                "clickedAt": clicked_at and clicked_at.isoformat(),
                "placement": placement,
                "actor": {"userId": user},
            }
            for _, campaign, key, at, clicked_at, placement, user, _ in self._records(await self._make_campaigns())
        ]
        return await record(self.url, WORKSPACE, rows)

    async def _make_campaigns(self) -> dict[str, int]:
        keys = sorted({f"{row['campaign']}-{row['policy']}" for row in self._log()})
        plain = {"status": "ACTIVE", "currency": "EUR"}
        async with self.database.write(self.workspace) as transaction:
            await campaigns.create_missing(transaction, [{"key": key, "name": key, **plain} for key in keys])
            return await campaigns.ids_of_keys(transaction, keys)

    def _records(self, ids: dict[str, int]) -> Iterator[tuple[Any, ...]]:
        known: set[tuple[int, str]] = set()
        for line, row in enumerate(self._log(), 1):
            campaign = ids[f"{row['campaign']}-{row['policy']}"]
            user = "-".join(row[f"user_feature_{n}"] for n in range(4))
            at = datetime.fromisoformat(row["timestamp"])
            clicked_at = at if row["click"] == "1" else None
            first = (campaign, user) not in known
            known.add((campaign, user))
            yield self.workspace, campaign, f"openbandit-{line}", at, clicked_at, row["position"], user, first

    def _log(self) -> Iterator[dict[str, str]]:
        with self.file.open(newline="") as file:
            yield from csv.DictReader(file)


def contenders(bench: Bench) -> dict[str, tuple[Contender, float | None]]:
    """By name: what takes the rows in, and the least it must reach of the first one's rate."""
    return {
        "bare COPY": (bench.copy, None),
        "groundswell import": (bench.run_import, IMPORT_TARGET),
        "recordImpressions": (bench.record_over_http, RECORD_TARGET),
    }


async def measure(url: str, file: Path, rounds: int, count: int) -> bool:
    """Runs all contenders in turn and prints their rates. Answers whether all targets were reached."""
    async with own_database(url) as own:
        await migrate.upgrade(own)
        database = Database(own)
        copier = await asyncpg.connect(plain(own))
        try:
            workspace = await workspaces.create(database, WORKSPACE, "Bench", "Europe/Berlin", "EUR")
            bench = Bench(own, database, workspace, file, copier)
            rates = await rates_of(contenders(bench), rounds, count)
        finally:
            await copier.close()
            await database.close()
        return report(rates, {name: target for name, (_, target) in contenders(bench).items()})


async def rates_of(
    entered: dict[str, tuple[Contender, float | None]], rounds: int, count: int
) -> dict[str, list[float]]:
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


def report(rates: dict[str, list[float]], targets: dict[str, float | None]) -> bool:
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


def unpacked(log: Path, target: Path, count: int) -> int:
    """Writes ``count`` rows of the log as plain CSV, from the start again where it is too short. Answers how many."""
    header, *lines = _real(log) if log.exists() else _made_up(60_000)
    # A repeated row is another impression: its time moves on, its key is the number of its line.
    with target.open("w", newline="") as file:
        file.write(header)
        for number in range(count):
            again, place = divmod(number, len(lines))
            file.write(lines[place] if not again else _moved(lines[place], again))
    return count


def _real(log: Path) -> list[str]:
    with gzip.open(log, "rt", newline="") as file:
        return file.readlines()


def _made_up(count: int) -> Iterator[str]:
    """Rows like the real log's, for a clone that lies beside no data: a week, six campaigns, few clicks."""
    print("The real log is not here; its rows are made up.")
    rng, start = random.Random(1), datetime(2019, 11, 24, tzinfo=UTC)
    features = ",".join(f"user_feature_{n}" for n in range(4))
    yield f"campaign,policy,timestamp,item_id,position,click,propensity_score,{features},affinity_sum\n"
    for n in range(count):
        campaign, policy = ("all", "men", "women")[n * 3 // count], ("random", "bts")[n % 2]
        at = (start + timedelta(weeks=1) * (n / count)).isoformat(" ")
        users = ",".join(f"{rng.randrange(16):032x}" for _ in range(4))
        yield f"{campaign},{policy},{at},{rng.randrange(80)},{rng.randint(1, 3)},{int(rng.random() < 0.005)},0.1,{users},0.0\n"


def _moved(line: str, weeks: int) -> str:
    fields = line.split(",")
    fields[2] = (datetime.fromisoformat(fields[2]) + timedelta(weeks=weeks)).astimezone(UTC).isoformat(" ")
    return ",".join(fields)


@contextmanager
def server() -> Iterator[str]:
    """DATABASE_URL's, or a durable embedded one that is thrown away."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
        return
    with tempfile.TemporaryDirectory() as folder, Embedded(Path(folder), durable=True) as cluster:
        yield cluster.url()


def main(arguments: list[str]) -> int:
    """Exit code 0 if the targets were reached."""
    options = argparse.ArgumentParser(
        "bench ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rows", type=int, default=60_000)
    options.add_argument("--file", type=Path, default=LOG)
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, server() as url:
        file = Path(folder) / "log.csv"
        count = unpacked(given.file, file, given.rows)
        print(f"{count:,} rows, {given.rounds} rounds, chunks of {CHUNK:,}, {os.cpu_count()} cores")
        return 0 if asyncio.run(measure(url, file, given.rounds, count)) else 1
