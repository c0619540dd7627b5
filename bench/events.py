"""How fast events come in, beside a bare COPY of the same rows into the same table, in one run on one server.

    python -m bench events [--rounds 5] [--rows 60000]

The rows are like those of the OTTO log, sessions of a shop in JSON Lines, made up in the number that is needed. As with
``bench ingest``, the contenders take turns, each from an empty table.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from bench.ingest import IMPORT_TARGET, WORKSPACE, Contender, own_database, plain, rates_of, report, server
from db import migrate
from db.engine import Database
from db.models.channels import Channel
from db.queries import campaigns, channels, workspaces
from jobs.imports import mapping, translating
from jobs.imports.events import EVENTS
from jobs.imports.run import CHUNK, Job, Outcome, import_file

MAPS = ("key=otto-{line}", "userId=session", "occurredAt=ts", 'data={{"aid": {aid}}}')
WORDS = {"clicks": "CLICK", "carts": "CLICK", "orders": "CONVERSION"}
TRANSLATIONS = [f"type:{word}={ours}" for word, ours in WORDS.items()]
COLUMNS = ("workspace_id", "campaign_id", "channel_id", "key", "type", "user_id", "data", "occurred_at")
FIRST = 1_659_304_800_000
FOUR_WEEKS = 4 * 7 * 86_400_000


class Bench:
    """One database and one file; every contender starts from an empty table."""

    def __init__(self, database: Database, workspace: int, file: Path, copier: Any) -> None:
        self._database = database
        self._workspace = workspace
        self._file = file
        self._copier = copier

    async def empty(self) -> None:
        """No facts, no campaigns, no channels, and no earlier writes still on their way to the disk."""
        await self._copier.execute("TRUNCATE campaigns, channels, audiences, import_runs CASCADE")
        await self._copier.execute("CHECKPOINT")

    async def copy(self) -> float:
        """A bare COPY: rows that are converted already, into the one table, in chunks of the import's size."""
        await self.empty()
        rows = list(self._records(*await self._places()))
        began = time.perf_counter()
        for start in range(0, len(rows), CHUNK):
            await self._copier.copy_records_to_table("events", records=rows[start : start + CHUNK], columns=COLUMNS)
        return time.perf_counter() - began

    async def run_import(self) -> float:
        """The import job, from the file's bytes to the last commit."""
        await self.empty()
        job = Job(
            self._file, mapping.parse(EVENTS.fields, MAPS), "otto", create_campaigns=True, kind=EVENTS,
            rejects=self._file.with_name("rejects"), channel="shop", create_channels=True, each="events",
            translations=translating.parse(EVENTS.fields, TRANSLATIONS),
        )  # fmt: skip
        began = time.perf_counter()
        result = await import_file(self._database, self._workspace, job)
        seconds = time.perf_counter() - began
        if result.outcome is not Outcome.FINISHED or result.counts.accepted != result.counts.rows_read:
            raise RuntimeError(f"the import went wrong: {result}")
        return seconds

    async def _places(self) -> tuple[int, int]:
        """The ids of a campaign and of a channel."""
        async with self._database.write(self._workspace) as transaction:
            campaign = await campaigns.create(
                transaction, {"key": "otto", "name": "otto", "status": "ACTIVE", "currency": "EUR"}
            )
            await channels.create_missing(transaction, Channel, ["shop"], kind="OTHER")
            return campaign, (await channels.ids_of_names(transaction, Channel, ["shop"]))["shop"]

    def _records(self, campaign: int, channel: int) -> Iterator[tuple[Any, ...]]:
        lines = map(orjson.loads, self._file.read_bytes().splitlines())
        events = ((line["session"], event) for line in lines for event in line["events"])
        for number, (session, event) in enumerate(events, 1):
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event["ts"])
            data = f'{{"aid": {event["aid"]}}}'
            kind = WORDS[event["type"]]
            yield self._workspace, campaign, channel, f"otto-{number}", kind, str(session), data, at


def write_log(target: Path, count: int) -> int:
    """Writes sessions with ``count`` events: most have few, some have hundreds, over four weeks. Answers the count."""
    rng, left, session = random.Random(1), count, 0
    with target.open("wb") as file:
        while left:
            size = min(left, 2 + int(rng.paretovariate(0.9)), 500)
            file.write(orjson.dumps({"session": session, "events": list(_session(rng, size))}) + b"\n")
            left, session = left - size, session + 1
    return count


def _session(rng: random.Random, size: int) -> Iterator[dict[str, Any]]:
    at = FIRST + rng.randrange(FOUR_WEEKS)
    for _ in range(size):
        kind = rng.choices(("clicks", "carts", "orders"), (900, 77, 23))[0]
        yield {"aid": rng.randrange(1_855_603), "ts": at, "type": kind}
        at += int(rng.expovariate(1 / 120_000))


async def measure(url: str, file: Path, rounds: int, count: int) -> bool:
    """Runs both contenders in turn and prints their rates. Answers whether the target was reached."""
    async with own_database(url) as own:
        await migrate.upgrade(own)
        database = Database(own)
        copier = await asyncpg.connect(plain(own))
        try:
            workspace = await workspaces.create(database, WORKSPACE, "Bench", "Europe/Berlin", "EUR")
            bench = Bench(database, workspace, file, copier)
            contenders: dict[str, tuple[Contender, float | None]] = {
                "bare COPY": (bench.copy, None),
                "import events": (bench.run_import, IMPORT_TARGET),
            }
            rates = await rates_of(contenders, rounds, count)
        finally:
            await copier.close()
            await database.close()
        return report(rates, {name: target for name, (_, target) in contenders.items()})


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    options = argparse.ArgumentParser(
        "bench events", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rows", type=int, default=60_000)
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, server() as url:
        file = Path(folder) / "log.jsonl"
        count = write_log(file, given.rows)
        print(f"{count:,} events, {given.rounds} rounds, chunks of {CHUNK:,}, {os.cpu_count()} cores")
        return 0 if asyncio.run(measure(url, file, given.rounds, count)) else 1
