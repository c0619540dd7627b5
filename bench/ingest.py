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
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.intake import IMPORT_TARGET, WORKSPACE, Entered, Place, measure, server
from bench.record import record
from db.queries import campaigns
from jobs.imports import mapping
from jobs.imports.impressions import FIELDS
from jobs.imports.run import CHUNK, Job

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
RECORD_TARGET = 0.25


class Bench:
    """One database and one file; every contender starts from an empty table."""

    def __init__(self, place: Place, file: Path) -> None:
        self._place = place
        self._file = file

    async def empty(self) -> None:
        """No facts, no campaigns, and no earlier contender's writes still on their way to the disk."""
        await self._place.copier.execute(
            "TRUNCATE engagements, campaign_engagers, import_waiting, impressions, campaign_users, campaign_totals, campaign_buckets, import_runs, "
            "outbox, live_log, api_client_campaigns, campaigns CASCADE"
        )
        await self._place.copier.execute("CHECKPOINT")

    async def copy(self) -> float:
        """A bare COPY: rows that are converted already, into the one table, in chunks of the import's size."""
        await self.empty()
        rows = list(self._records(await self._make_campaigns()))
        return await self._place.copied("impressions", rows, COLUMNS, CHUNK)

    async def run_import(self) -> float:
        """The import job, from the file's bytes to the last commit."""
        await self.empty()
        job = Job(
            self._file, mapping.parse(FIELDS, MAPS), create_campaigns=True, rejects=self._file.with_name("rejects")
        )
        return await self._place.imported(job)

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
        return await record(self._place.url, WORKSPACE, rows)

    async def _make_campaigns(self) -> dict[str, int]:
        keys = sorted({f"{row['campaign']}-{row['policy']}" for row in self._log()})
        plain = {"status": "ACTIVE", "currency": "EUR"}
        async with self._place.database.write(self._place.workspace) as transaction:
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
            yield self._place.workspace, campaign, f"openbandit-{line}", at, clicked_at, row["position"], user, first

    def _log(self) -> Iterator[dict[str, str]]:
        with self._file.open(newline="") as file:
            yield from csv.DictReader(file)


def contenders(bench: Bench) -> Entered:
    """By name: what takes the rows in, and the least it must reach of the first one's rate."""
    return {
        "bare COPY": (bench.copy, None),
        "groundswell import": (bench.run_import, IMPORT_TARGET),
        "recordImpressions": (bench.record_over_http, RECORD_TARGET),
    }


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
        return 0 if asyncio.run(measure(url, given.rounds, count, lambda place: contenders(Bench(place, file)))) else 1
