"""Whether the leaderboard and its ranks cost more because there are more followers, and a later page more than the first.

    python -m bench followers [--few 10000] [--many 1000000] [--rounds 200]

Two workspaces, one with a hundred times the followers of the other. Both are read in turn through the whole application, and the
medians are compared. PostgreSQL makes the followers and counts them by score itself, as recording does.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from bench.server import application, embedded
from db.engine import Database
from db.models.interaction_kinds import DIGIT_BITS, SCORE_LEVELS, SCORE_SLOTS
from db.queries import workspaces

TARGET = 2.0
PAGES = 100
ROWS = "rank username score { value tier comments } lastSeenAt"
PAGE = f"query ($after: String) {{ followers(first: 20, after: $after) {{ nodes {{ {ROWS} }} pageInfo {{ endCursor }} }} }}"
PLAIN = PAGE.replace("rank ", "")
# Scores as they are: most are low, a few are very high.
_FOLLOWERS = text("""
INSERT INTO followers (workspace_id, platform, external_id, username, likes, shares, first_seen_at, last_seen_at)
SELECT :workspace, (ARRAY['TIKTOK', 'INSTAGRAM', 'YOUTUBE'])[1 + n % 3], 'u' || n, 'user_' || n,
  1 + n % 37, (3000 / (1 + n % 2999)), timestamptz '2026-01-01' + n % 90 * interval '1 day',
  timestamptz '2026-04-01' + n % 86400 * interval '1 second'
FROM generate_series(1, CAST(:count AS bigint)) AS n
""")
_COUNTS = text(f"""
INSERT INTO follower_score_counts (workspace_id, level, bucket, slot, followers)
SELECT workspace_id, level, score >> {DIGIT_BITS} * level, id % {SCORE_SLOTS}, count(*)
FROM followers, generate_series(0, {SCORE_LEVELS - 1}) AS level WHERE workspace_id = :workspace GROUP BY 1, 2, 3, 4
""")


async def fill(database: Database, name: str, count: int) -> None:
    """A workspace with so many followers."""
    workspace = await workspaces.create(database, name, name, "Europe/Berlin", "EUR")
    async with database.write(workspace) as transaction:
        await transaction.run(_FOLLOWERS, {"workspace": workspace, "count": count})
        await transaction.run(_COUNTS, {"workspace": workspace})


async def _cursor(ask: Any) -> str:
    """Where the hundredth page begins."""
    after = None
    for _ in range(PAGES - 1):
        answer = await ask(PLAIN, {"after": after})
        after = answer["followers"]["pageInfo"]["endCursor"]
    return str(after)


async def run(url: str, data_dir: Path, sizes: dict[str, int], rounds: int) -> bool:
    """Fills, measures, prints. Answers whether the target was reached."""
    database = Database(url)
    for name, count in sizes.items():
        await fill(database, name, count)
    async with database.engine.connect() as connection:
        for table in ("followers", "follower_score_counts"):
            await connection.execute(text(f"VACUUM ANALYZE {table}"))
    await database.close()
    reached = True
    async with application(url, data_dir, "few") as of_few, application(url, data_dir, "many") as of_many:
        asked = {"few": of_few, "many": of_many}
        cursors = {name: await _cursor(ask) for name, ask in asked.items()}
        print(
            f"\nmedian milliseconds of {rounds} requests each, in turn: {' and '.join(f'{n:,}' for n in sizes.values())} followers"
        )
        for name, query, starts in (
            ("first page with ranks", PAGE, dict.fromkeys(asked)),
            ("hundredth page with ranks", PAGE, cursors),
            ("first page without", PLAIN, dict.fromkeys(asked)),
            ("hundredth page without", PLAIN, cursors),
        ):
            seconds: dict[str, list[float]] = {workspace: [] for workspace in sizes}
            for _ in range(rounds):
                for workspace, ask in asked.items():
                    began = time.perf_counter()
                    await ask(query, {"after": starts[workspace]})
                    seconds[workspace].append(time.perf_counter() - began)
            low, high = (median(found) * 1000 for found in seconds.values())
            reached &= high / low <= TARGET
            print(f"  {name:30} {low:8.2f} {high:8.2f}   ratio {high / low:5.2f}  (at most {TARGET})")
    return reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    parser = argparse.ArgumentParser(
        "bench followers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), {"few": given.few, "many": given.many}, given.rounds)) else 1
