"""Whether finding the best channels costs more because there are more events.

    python -m bench channels [--few 100000] [--many 10000000] [--rounds 300]

Two workspaces with as many campaigns and channels, one with a hundred times the events of the other, over the same 30 days. Both
are read in turn through the whole application, and the medians are compared. PostgreSQL makes the events and adds them up into
the roll-ups by itself, as recording does: through the API it would take an hour.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.progress import track
from sqlalchemy import text

from bench.server import application, embedded
from db.engine import Database
from db.models.event_kinds import EVENT_SLOTS
from db.queries import campaigns, channels, workspaces

CAMPAIGNS, CHANNELS = 20, 8
BATCH = 500_000
TARGET = 1.5
WINDOW = '(window: {from: "2026-03-07T10:07:00Z", to: "2026-03-21T16:23:00Z"})'
NUMBERS = "impressions clicks conversions clickThroughRate conversionRatePerClick revenue { amount currency }"
QUERIES = {
    "all time, additive numbers": (f"{{ topChannels {{ channel {{ name }} metrics {{ {NUMBERS} }} }} }}", TARGET),
    "two weeks that cut buckets": (f"{{ topChannels{WINDOW} {{ channel {{ name }} metrics {{ {NUMBERS} }} }} }}", None),
    "numbers of 20 campaigns": (f"{{ campaigns {{ nodes {{ eventMetrics {{ {NUMBERS} }} }} }} }}", None),
}
# Of each campaign on each channel, evenly over the days.
_FACTS = """
INSERT INTO events (workspace_id, campaign_id, channel_id, key, type, user_id, value_amount, value_currency, occurred_at)
SELECT :workspace, (CAST(:campaigns AS bigint[]))[1 + n % :n_campaigns], (CAST(:channels AS bigint[]))[1 + n / :n_campaigns % :n_channels],
  'e' || n, CASE WHEN n % 100 = 0 THEN 'CONVERSION' WHEN n % 10 = 0 THEN 'CLICK' ELSE 'IMPRESSION' END, 'u' || n % 50000,
  CASE WHEN n % 100 = 0 THEN 12.5 END, CASE WHEN n % 100 = 0 THEN 'EUR' END,
  timestamptz '2026-03-01' + n * (interval '30 days' / CAST(:count AS float8))
FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
"""
_ROLL_UP = """
INSERT INTO {table} (workspace_id, campaign_id, channel_id, currency, slot, {more}impressions, clicks, conversions, revenue)
SELECT workspace_id, campaign_id, channel_id, coalesce(value_currency, ''), id % {slots}, {expression}
  count(*) FILTER (WHERE type = 'IMPRESSION'), count(*) FILTER (WHERE type = 'CLICK'),
  count(*) FILTER (WHERE type = 'CONVERSION'), coalesce(sum(value_amount), 0)
FROM events WHERE workspace_id = :workspace GROUP BY {keys}
"""
_QUARTER = "date_bin('15 minutes', occurred_at, '2000-01-01 00:00+00'), "


async def fill(database: Database, name: str, count: int) -> None:
    """A workspace with so many events."""
    workspace = await workspaces.create(database, name, name, "Europe/Berlin", "EUR")
    plain = {"status": "ACTIVE", "currency": "EUR"}
    async with database.write(workspace) as transaction:
        campaign_ids = [await campaigns.create(transaction, {"name": f"C{n}", **plain}) for n in range(CAMPAIGNS)]
        channel_ids = [await channels.create_channel(transaction, f"c{n}", "ADS", None) for n in range(CHANNELS)]
    values = {
        "workspace": workspace,
        "campaigns": campaign_ids,
        "channels": channel_ids,
        "n_campaigns": CAMPAIGNS,
        "n_channels": CHANNELS,
        "count": count,
    }
    for first in track(range(0, count, BATCH), description=f"{count:,} events"):
        async with database.write(workspace) as transaction:
            await transaction.run(text(_FACTS), values | {"first": first, "last": min(first + BATCH, count) - 1})
    async with database.write(workspace) as transaction:
        for table, more, expression, keys in (
            ("event_totals", "", "", "1, 2, 3, 4, 5"),
            ("event_buckets", "starts_at, ", _QUARTER, "1, 2, 3, 4, 5, 6"),
        ):
            statement = _ROLL_UP.format(table=table, more=more, expression=expression, keys=keys, slots=EVENT_SLOTS)
            await transaction.run(text(statement), {"workspace": workspace})


async def run(url: str, data_dir: Path, sizes: dict[str, int], rounds: int) -> bool:
    """Fills, measures, prints. Answers whether the target was reached."""
    database = Database(url)
    for name, count in sizes.items():
        await fill(database, name, count)
    async with database.engine.connect() as connection:
        for table in ("events", "event_totals", "event_buckets"):
            await connection.execute(text(f"VACUUM ANALYZE {table}"))
    await database.close()
    reached = True
    async with (
        application(url, data_dir, "few") as of_few,
        application(url, data_dir, "many") as of_many,
    ):
        print(
            f"\nmedian milliseconds of {rounds} requests each, in turn: {' and '.join(f'{n:,}' for n in sizes.values())} events"
        )
        for name, (query, target) in QUERIES.items():
            seconds: dict[str, list[float]] = {workspace: [] for workspace in sizes}
            for _ in range(rounds if target else max(rounds // 10, 3)):  # those without a target may take long
                for workspace, ask in (("few", of_few), ("many", of_many)):
                    began = time.perf_counter()
                    await ask(query, {})
                    seconds[workspace].append(time.perf_counter() - began)
            low, high = (median(found) * 1000 for found in seconds.values())
            reached &= target is None or high / low <= target
            wanted = f"  (at most {target})" if target else ""
            print(f"  {name:40} {low:8.2f} {high:8.2f}   ratio {high / low:5.2f}{wanted}")
    return reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    parser = argparse.ArgumentParser(
        "bench channels", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--few", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), {"few": given.few, "many": given.many}, given.rounds)) else 1
