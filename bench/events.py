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
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bench.intake import IMPORT_TARGET, Entered, Place, measure, server
from db.models.channels import Channel
from db.queries import campaigns, channels
from jobs.imports import mapping, translating
from jobs.imports.events import EVENTS
from jobs.imports.run import CHUNK, Job

MAPS = ("key=otto-{line}", "userId=session", "occurredAt=ts", 'data={{"aid": {aid}}}')
WORDS = {"clicks": "CLICK", "carts": "CLICK", "orders": "CONVERSION"}
TRANSLATIONS = [f"type:{word}={ours}" for word, ours in WORDS.items()]
COLUMNS = ("workspace_id", "campaign_id", "channel_id", "key", "type", "user_id", "data", "occurred_at")
FIRST = 1_659_304_800_000
FOUR_WEEKS = 4 * 7 * 86_400_000


class Bench:
    """One database and one file; every contender starts from an empty table."""

    def __init__(self, place: Place, file: Path) -> None:
        self._place = place
        self._file = file

    async def empty(self) -> None:
        """No facts, no campaigns, no channels, and no earlier writes still on their way to the disk."""
        await self._place.copier.execute("TRUNCATE campaigns, channels, audiences, import_runs CASCADE")
        await self._place.copier.execute("CHECKPOINT")

    async def copy(self) -> float:
        """A bare COPY: rows that are converted already, into the one table, in chunks of the import's size."""
        await self.empty()
        rows = list(self._records(*await self._places()))
        return await self._place.copied("events", rows, COLUMNS, CHUNK)

    async def run_import(self) -> float:
        """The import job, from the file's bytes to the last commit."""
        await self.empty()
        job = Job(
            self._file, mapping.parse(EVENTS.fields, MAPS), "otto", create_campaigns=True, kind=EVENTS,
            rejects=self._file.with_name("rejects"), channel="shop", create_channels=True, each="events",
            translations=translating.parse(EVENTS.fields, TRANSLATIONS),
        )  # fmt: skip
        return await self._place.imported(job)

    async def _places(self) -> tuple[int, int]:
        """The ids of a campaign and of a channel."""
        async with self._place.database.write(self._place.workspace) as transaction:
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
            yield self._place.workspace, campaign, channel, f"otto-{number}", kind, str(session), data, at


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


def contenders(bench: Bench) -> Entered:
    """By name: what takes the rows in, and the least it must reach of the first one's rate."""
    return {
        "bare COPY": (bench.copy, None),
        "import events": (bench.run_import, IMPORT_TARGET),
    }


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
        return 0 if asyncio.run(measure(url, given.rounds, count, lambda place: contenders(Bench(place, file)))) else 1
