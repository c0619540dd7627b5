"""How fast interactions come in, beside a bare COPY of the same rows into the same table, in one run on one server.

    python -m bench interactions [--rounds 5] [--rows 100000]

The import makes the followers, scores them, keeps their ranks, and adds up what they did by content and platform. The bare COPY
writes the same rows, followers and interactions, in chunks of the same size; a second one has the followers there already. As with
``bench ingest``, the contenders take turns, each from empty tables.
"""

import argparse
import asyncio
import csv
import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.intake import IMPORT_TARGET, Entered, Place, measure, server
from db.models.content_items import NewContent, NewPost
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.content import writing
from jobs.imports.interactions import CHUNK, interactions
from jobs.imports.run import Job

COLUMNS = ("workspace_id", "key", "follower_id", "post_id", "type", "value", "occurred_at")
FOLLOWER = ("workspace_id", "platform", "external_id", "id", "username", "first_seen_at", "last_seen_at")
HEADER = ("key", "platform", "type", "externalId", "username", "externalPostId", "value", "occurredAt")
FOLLOWERS, POSTS = 20_000, 200
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
PLATFORMS = (Platform.TIKTOK, Platform.INSTAGRAM)
KINDS = ((InteractionType.LIKE, 60), (InteractionType.COMMENT, 20), (InteractionType.SAVE, 8),
         (InteractionType.SHARE, 5), (InteractionType.PROFILE_VISIT, 5), (InteractionType.LINK_CLICK, 2))  # fmt: skip


class Bench:
    """One database and one file; every contender starts from empty tables, with the posts."""

    def __init__(self, place: Place, file: Path) -> None:
        self._place = place
        self._file = file

    async def empty(self) -> None:
        """Posts and nothing else, and no earlier writes still on their way to the disk."""
        await self._place.copier.execute(
            "TRUNCATE content_items, followers, follower_score_counts, import_runs CASCADE"
        )
        await self._place.copier.execute("TRUNCATE content_followers")
        async with self._place.database.write(self._place.workspace) as transaction:
            for number in range(POSTS):
                posts = [NewPost(platform, f"post-{number}") for platform in PLATFORMS]
                await writing.write(transaction, NewContent(f"item-{number}", f"Item {number}", posts=posts))
        await self._place.copier.execute("CHECKPOINT")

    async def copy(self) -> float:
        """A bare COPY: rows that are converted already, into the two tables, in chunks of the import's size."""
        await self.empty()
        rows, people = await self._records()
        await self._place.copier.execute("TRUNCATE followers CASCADE")
        seconds = await self._place.copied("followers", people, FOLLOWER, CHUNK)
        return seconds + await self._place.copied("interactions", rows, COLUMNS, CHUNK)

    async def copy_interactions(self) -> float:
        """A bare COPY of the interactions, whose followers are there."""
        await self.empty()
        rows, _ = await self._records()
        return await self._place.copied("interactions", rows, COLUMNS, CHUNK)

    async def run_import(self) -> float:
        """The import job, from the file's bytes to the last commit."""
        await self.empty()
        job = Job(self._file, rejects=self._file.with_name("rejects"), chunk=CHUNK, kind=interactions())
        return await self._place.imported(job)

    async def _records(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The interactions, and the followers they are of, who are in their table."""
        with self._file.open(newline="") as file:
            _, *rows = list(csv.reader(file))
        people = sorted({(row[1], row[3]) for row in rows})
        made = await self._place.copier.fetch(
            "INSERT INTO followers (workspace_id, platform, external_id, username, first_seen_at, last_seen_at) "
            "SELECT $1, platform, id, id, $4, $4 FROM unnest($2::text[], $3::text[]) AS person (platform, id) "
            "RETURNING platform, external_id, id, username",
            self._place.workspace, [one for one, _ in people], [one for _, one in people], FIRST,
        )  # fmt: skip
        found = await self._place.copier.fetch("SELECT platform, external_post_id, id FROM content_posts")
        followers = {(row["platform"], row["external_id"]): row["id"] for row in made}
        posts = {(row["platform"], row["external_post_id"]): row["id"] for row in found}
        rows_of_followers = [(self._place.workspace, *row, FIRST, FIRST) for row in made]
        rows_of_interactions = [
            (self._place.workspace, key, followers[platform, who], posts.get((platform, post)), kind, value or None,
             datetime.fromisoformat(at))
            for key, platform, kind, who, _, post, value, at in rows
        ]  # fmt: skip
        return rows_of_interactions, rows_of_followers


def write_log(target: Path, count: int) -> None:
    """Writes so many interactions over four weeks, in order of time: a few followers do much, most do little."""
    rng = random.Random(1)
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_rows(rng, count))


def _rows(rng: random.Random, count: int) -> Iterator[tuple[str, ...]]:
    keenness = [1_000_000 // (place + 50) for place in range(FOLLOWERS)]
    who = rng.choices(range(FOLLOWERS), keenness, k=count)
    kinds, weights = zip(*KINDS, strict=True)
    step = timedelta(weeks=4) / count
    for number in range(count):
        platform = PLATFORMS[who[number] % len(PLATFORMS)]
        kind = rng.choices(kinds, weights)[0]
        name = f"user_{who[number]}"
        post = "" if kind is InteractionType.PROFILE_VISIT else f"post-{rng.randrange(POSTS)}"
        said = "Where did you get that? I want one, too." if kind is InteractionType.COMMENT else ""
        yield (
            f"k{number}",
            platform.value,
            kind.value,
            f"id-{who[number]}",
            name,
            post,
            said,
            (FIRST + step * number).isoformat(),
        )


def contenders(bench: Bench) -> Entered:
    """By name: what takes the rows in, and the least it must reach of the first one's rate."""
    return {
        "bare COPY": (bench.copy, None),
        "of interactions only": (bench.copy_interactions, None),
        "import interactions": (bench.run_import, IMPORT_TARGET),
    }


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    options = argparse.ArgumentParser(
        "bench interactions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rows", type=int, default=100_000)
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, server() as url:
        file = Path(folder) / "log.csv"
        write_log(file, given.rows)
        print(f"{given.rows:,} interactions, {given.rounds} rounds, chunks of {CHUNK:,}, {os.cpu_count()} cores")
        return (
            0
            if asyncio.run(measure(url, given.rounds, given.rows, lambda place: contenders(Bench(place, file))))
            else 1
        )
