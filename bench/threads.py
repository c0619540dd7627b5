"""Whether a page of a conversation costs more because the conversation is long, or deep.

    python -m bench threads [--few 50] [--many 50000] [--deep 100] [--rounds 300]

A comment with few direct replies and one with many, and a chain in which every comment replies to the one before. They
are asked in turn through the whole application, and the medians are compared.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import track

from bench.server import Ask, application, embedded
from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.queries import campaigns, workspaces
from db.queries.engagement import recording
from graph.ids import encode

START = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 5000
PAGE = 20
TARGET = 1.5
REPLIES = """query ($id: ID!, $after: String, $last: Int, $by: CommentOrder) { node(id: $id) { ... on Comment {
  replies(first: 20, after: $after, last: $last, orderBy: $by) { edges { cursor node {
    id body depth replyCount descendantCount createdAt actor { userId } } } } } } }"""
TOTAL = "query ($id: ID!) { node(id: $id) { ... on Comment { replyCount descendantCount replies { totalCount } } } }"
ADD = """mutation ($campaign: ID!, $id: ID!) { addComment(input: {campaignId: $campaign, parentId: $id,
  actor: {userId: "reader"}, body: "One more."}) { comment { id } userErrors { message } } }"""


def comment(campaign_id: int, key: str, number: int, parent: str | None) -> NewEngagement:
    """A comment a minute after the one before, by one of 1,000 users."""
    at = START + timedelta(minutes=number)
    words = f"What I think of it, part {number}."
    return NewEngagement(
        EngagementType.COMMENT, campaign_id, f"u{number % 1000}", at, key=key, body=words, parent_key=parent
    )


async def record(database: Database, workspace: int, items: Sequence[NewEngagement], what: str) -> str:
    """Records comments; answers the global id of the last one."""
    last = 0
    for first in track(range(0, len(items), BATCH), description=what):
        async with database.write(workspace) as transaction:
            *_, done = await recording.record(transaction, items[first : first + BATCH])
        if not isinstance(done, recording.Recorded):
            raise RuntimeError(done.message)
        last = done.id
    return encode("Comment", last)


async def wide(database: Database, workspace: int, campaign_id: int, replies: int) -> str:
    """A comment with so many direct replies."""
    root = await record(database, workspace, [comment(campaign_id, f"wide{replies}", 0, None)], "a comment")
    items = [comment(campaign_id, f"wide{replies}-{n}", n, f"wide{replies}") for n in range(1, replies + 1)]
    await record(database, workspace, items, f"{replies:,} replies")
    return root


async def chain(database: Database, workspace: int, campaign_id: int, depth: int) -> list[str]:
    """The first and the last but one comment of a chain: each has one reply."""
    found = []
    for first, last in ((0, 0), (1, depth - 1), (depth, depth)):
        items = [comment(campaign_id, f"deep-{n}", n, f"deep-{n - 1}" if n else None) for n in range(first, last + 1)]
        found.append(await record(database, workspace, items, f"a chain of {depth}"))
    return found[:2]


class Contest:
    """Asks two things in turn, and compares the medians."""

    def __init__(self, ask: Ask, rounds: int) -> None:
        self._ask = ask
        self._rounds = rounds
        self.reached = True

    async def run(
        self, name: str, query: str, one: dict[str, Any], other: dict[str, Any], target: float | None
    ) -> None:
        """Measures, prints, and remembers whether the target was reached."""
        seconds: tuple[list[float], list[float]] = ([], [])
        for _, (variables, taken) in itertools.product(range(self._rounds), zip((one, other), seconds, strict=True)):
            began = time.perf_counter()
            answer = await self._ask(query, variables)
            taken.append(time.perf_counter() - began)
            if answer.get("addComment", {}).get("userErrors"):
                raise RuntimeError(answer)
        low, high = (median(taken) * 1000 for taken in seconds)
        self.reached &= target is None or high / low <= target
        goal = f"  (at most {target})" if target else ""
        print(f"  {name:52} {low:8.2f} {high:8.2f}   ratio {high / low:5.2f}{goal}")


async def late(ask: Ask, comment_id: str, order: str) -> dict[str, Any]:
    """The variables of the last page but one."""
    answer = await ask(REPLIES, {"id": comment_id, "last": 2 * PAGE, "by": order})
    edges = answer["node"]["replies"]["edges"]
    return {"id": comment_id, "after": edges[0]["cursor"], "by": order}


async def run(url: str, data_dir: Path, few: int, many: int, deep: int, rounds: int) -> bool:
    """Fills, measures, prints. Answers whether the targets were reached."""
    database = Database(url)
    workspace = await workspaces.create(database, "bench", "Bench", "Europe/Berlin", "EUR")
    async with database.write(workspace) as transaction:
        campaign_id = await campaigns.create(transaction, {"name": "Talk", "status": "ACTIVE", "currency": "EUR"})
    short, long = [await wide(database, workspace, campaign_id, count) for count in (few, many)]
    top, bottom = await chain(database, workspace, campaign_id, deep)
    await database.close()
    campaign = encode("Campaign", campaign_id)
    async with application(url, data_dir, "bench") as ask:
        contest = Contest(ask, rounds)
        print(f"\nmedian milliseconds of {rounds} requests each, in turn: {few:,} and {many:,} direct replies")
        for order in ("OLDEST", "NEWEST", "MOST_REPLIES"):
            one, other = {"id": short, "by": order}, {"id": long, "by": order}
            await contest.run(f"the first page, {order}", REPLIES, one, other, TARGET)
            one, other = await late(ask, short, order), await late(ask, long, order)
            await contest.run(f"a page near the end, {order}", REPLIES, one, other, TARGET)
        await contest.run("all the counts", TOTAL, {"id": short}, {"id": long}, TARGET)
        print(f"at the top and at the bottom of a chain of {deep}")
        await contest.run("the replies", REPLIES, {"id": top}, {"id": bottom}, TARGET)
        await contest.run("all the counts", TOTAL, {"id": top}, {"id": bottom}, TARGET)
        print("replying: the counts of all comments above change")
        one, other = {"campaign": campaign, "id": short}, {"campaign": campaign, "id": long}
        await contest.run("to one with few and to one with many replies", ADD, one, other, TARGET)
        one, other = {"campaign": campaign, "id": top}, {"campaign": campaign, "id": bottom}
        await contest.run("at the top and at the bottom of the chain", ADD, one, other, None)
    return contest.reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the targets were reached."""
    parser = argparse.ArgumentParser(
        "bench threads", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--few", type=int, default=50)
    parser.add_argument("--many", type=int, default=50_000)
    parser.add_argument("--deep", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        sizes = (given.few, given.many, given.deep, given.rounds)
        return 0 if asyncio.run(run(url, Path(folder), *sizes)) else 1
