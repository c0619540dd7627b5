"""Whether reading a number costs more because there are more facts.

    python -m bench metrics [--few 10000] [--many 1000000] [--rounds 300]

Two campaigns over the same 30 days, one with a hundred times the impressions of the other, recorded as the API
records them. Both are read in turn through the whole application, and the medians are compared.
"""

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from rich.progress import track

from bench.server import application, embedded
from db.engine import Database
from db.models.impression_items import NewImpression
from db.queries import campaigns, workspaces
from db.queries.impressions import recording
from graph.ids import encode

START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 30
BATCH = 5000
TARGET = 1.5
NUMBERS = """impressions uniqueImpressions reach viewableImpressions viewabilityRate clicks clickThroughRate conversions
  conversionRatePerImpression conversionRatePerClick impressionsCharged spend { amount } deliveryProgress"""
ADDITIVE = NUMBERS.replace(" reach ", " ")
WINDOW = '(window: {from: "2026-03-07T10:07:00Z", to: "2026-03-21T16:23:00Z"})'
QUERIES = {
    "all time, every number": (f"metrics {{ {NUMBERS} }}", TARGET),
    "all time, totalCount of impressions": ("impressions { totalCount }", TARGET),
    "two weeks that cut buckets, additive numbers": (f"metrics{WINDOW} {{ {ADDITIVE} }}", None),
    "two weeks, reach (counted from an index, linear)": (f"metrics{WINDOW} {{ reach }}", None),
}


def batch(campaign_id: int, count: int, first: int) -> list[NewImpression]:
    """Impressions from ``first`` on, even over the days; every third user comes back, one in fifty clicks."""
    step = timedelta(days=DAYS) / count
    return [
        NewImpression(
            f"{campaign_id}-{n}",
            campaign_id,
            START + n * step,
            user_id=f"u{n % (count * 2 // 3)}",
            is_viewable=(True, False, None)[n % 3],
            clicked_at=START + n * step if n % 50 == 0 else None,
            charged_at=START + n * step if n % 2 == 0 else None,
        )
        for n in range(first, min(first + BATCH, count))
    ]


async def fill(database: Database, workspace: int, count: int) -> str:
    """The global id of a new campaign with so many impressions."""
    values = {"name": f"{count}", "status": "ACTIVE", "currency": "EUR", "total_impressions_planned": count}
    async with database.write(workspace) as transaction:
        campaign_id = await campaigns.create(transaction, values)
    for first in track(range(0, count, BATCH), description=f"{count:,} impressions"):
        async with database.write(workspace) as transaction:
            await recording.record(transaction, batch(campaign_id, count, first))
    return encode("Campaign", campaign_id)


async def run(url: str, data_dir: Path, few: int, many: int, rounds: int) -> bool:
    """Fills, measures, prints. Answers whether the targets were reached."""
    database = Database(url)
    workspace = await workspaces.create(database, "bench", "Bench", "Europe/Berlin", "EUR")
    ids = [await fill(database, workspace, count) for count in (few, many)]
    await database.close()
    reached = True
    async with application(url, data_dir, "bench") as ask:
        print(f"\nmedian milliseconds of {rounds} requests each, in turn: {few:,} and {many:,} impressions")
        for name, (selection, target) in QUERIES.items():
            query = f"query ($id: ID!) {{ campaign(id: $id) {{ {selection} }} }}"
            seconds: dict[str, list[float]] = {campaign_id: [] for campaign_id in ids}
            for _ in range(rounds):
                for campaign_id in ids:
                    began = time.perf_counter()
                    await ask(query, {"id": campaign_id})
                    seconds[campaign_id].append(time.perf_counter() - began)
            low, high = (median(seconds[campaign_id]) * 1000 for campaign_id in ids)
            reached &= target is None or high / low <= target
            print(
                f"  {name:52} {low:8.2f} {high:8.2f}   ratio {high / low:5.2f}{f'  (at most {target})' if target else ''}"
            )
    return reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the targets were reached."""
    parser = argparse.ArgumentParser(
        "bench metrics", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), given.few, given.many, given.rounds)) else 1
