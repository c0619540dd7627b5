"""Rolling restarts under load: two servers behind a balancer, stopped and started in turn, and nobody notices.

Clients ask, record impressions and share; subscribers follow. No request may fail, nothing that was acknowledged may be lost,
and each subscriber must see each share once, in the same order.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from bench.balancer import Balancer
from bench.fleet import Process
from bench.server import embedded, token
from bench.soak import Book, Subscriber
from db.engine import Database
from db.queries import campaigns, workspaces
from graph.ids import encode

ASKED = "{ campaigns(first: 3) { nodes { name metrics { impressions clickThroughRate } } } }"
RECORDED = """mutation ($input: RecordImpressionsInput!) {
  recordImpressions(input: $input) { accepted duplicates userErrors { code } } }"""
SHARED = "mutation ($input: ShareInput!) { share(input: $input) { created share { id } userErrors { code } } }"
BATCH = 10


@dataclass
class Result:
    """What came of it all."""

    requests: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0
    """Seconds of the slowest request."""
    restarts: int = 0
    refused: int = 0
    acknowledged: int = 0
    """Impressions whose recording was answered."""
    kept: int = 0
    """Impressions that are in the database at the end."""
    book: Book = field(default_factory=lambda: Book(1 << 60))

    def faults(self) -> list[str]:
        """What is wrong. Empty when all is well."""
        found = self.failures[:5] + self.book.faults()
        if self.acknowledged != self.kept:
            found.append(f"{self.acknowledged} impressions were acknowledged, {self.kept} are kept")
        return found


class Client:
    """Asks one thing after another on a connection that it keeps, with a pause after each."""

    def __init__(self, address: str, campaign: str, number: int, result: Result, pause: float) -> None:
        self._address, self._campaign, self._number, self._result = address, campaign, number, result
        self._pause = pause
        self._made = count()
        self._works = (self._ask, self._record, self._share)

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Goes on until it is over."""
        headers = {"authorization": f"Bearer {token('bench')}"}
        async with httpx.AsyncClient(base_url=self._address, headers=headers, timeout=20) as client:
            while not is_over():
                for work in self._works:
                    await work(client)
                    await asyncio.sleep(self._pause)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        await self._answered(client, "queries", ASKED)

    async def _record(self, client: httpx.AsyncClient) -> None:
        items = [{"key": self._key(), "occurredAt": "2026-03-01T12:00:00Z", "cpiRate": "0.01"} for _ in range(BATCH)]
        variables = {"input": {"campaignId": self._campaign, "impressions": items}}
        data = await self._answered(client, "recordImpressions", RECORDED, variables)
        self._result.acknowledged += 0 if data is None else data["recordImpressions"]["accepted"]

    async def _share(self, client: httpx.AsyncClient) -> None:
        key = self._key()
        given = {"key": key, "campaignId": self._campaign, "actor": {"userId": key}}
        data = await self._answered(client, "shares", SHARED, {"input": given})
        if data is not None:
            self._result.book.did(data["share"]["share"]["id"], "ADDED")

    def _key(self) -> str:
        return f"{self._number}-{next(self._made)}"

    async def _answered(self, client: httpx.AsyncClient, kind: str, query: str, variables: Any = None) -> Any:
        """The data; None where it failed, which is noted. Nothing is tried again."""
        began = time.monotonic()
        self._result.requests[kind] += 1
        try:
            response = await client.post("/graphql", json={"query": query, "variables": variables or {}})
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            self._result.failures.append(f"{kind}: {error!r}")
            return None
        finally:
            self._result.slowest = max(self._result.slowest, time.monotonic() - began)
        if response.status_code != 200 or "errors" in answer or any(one.get("userErrors") for one in _payloads(answer)):
            self._result.failures.append(f"{kind}: {response.status_code} {answer}")
            return None
        return answer["data"]


def _payloads(answer: Any) -> list[Any]:
    return [one for one in answer["data"].values() if isinstance(one, dict)]


async def restarts(
    url: str,
    folder: Path,
    *,
    rounds: int,
    clients: int,
    subscribers: int,
    drain: int,
    pause: float = 0,
    patience: float = 30,
) -> Result:
    """Restarts both servers, so many times, and answers what came of it.

    ``pause``: seconds between a client's requests. Without one they take the time from a server that is starting, too.
    """
    database, result = Database(url), Result()
    workspace = await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    async with database.write(workspace) as transaction:
        values = {"name": "Campaign", "status": "ACTIVE", "currency": "EUR"}
        campaign = encode("Campaign", await campaigns.create(transaction, values))
    fleet = [Process(url, folder / "servers.log", DRAIN_SECONDS=str(drain)) for _ in range(2)]
    balancer = Balancer([server.address for server in fleet])
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in fleet))
        async with balancer.running():
            for server in fleet:
                await balancer.is_ready(server.address)
            asking = [Client(balancer.address, campaign, number, result, pause) for number in range(clients)]
            await _under_load(balancer, fleet, campaign, result, rounds, asking, subscribers, patience)
    finally:
        for server in fleet:  # nobody asks any more: draining would only take its time
            with suppress(RuntimeError):
                server.kill()
    async with database.everywhere() as transaction:
        result.kept = int(await transaction.scalar(text("SELECT count(*) FROM impressions")))
    await database.close()
    result.refused = balancer.refused
    return result


async def _under_load(
    balancer: Balancer,
    fleet: list[Process],
    campaign: str,
    result: Result,
    rounds: int,
    clients: Sequence[Client],
    subscribers: int,
    patience: float,
) -> None:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token('bench')}"}) as client:
        answer = await client.post(f"{balancer.address}/graphql", json={"query": "{ liveCursor }"})
    cursor, book = answer.json()["data"]["liveCursor"], result.book
    readers = [Subscriber(number, [balancer], [campaign], cursor, book) for number in range(subscribers)]
    reading = [asyncio.create_task(reader.run()) for reader in readers]
    is_over = asyncio.Event()
    asking = [asyncio.create_task(one.run(is_over.is_set)) for one in clients]
    try:
        for server in fleet * rounds:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await balancer.is_ready(server.address)
            result.restarts += 1
        is_over.set()
        await asyncio.gather(*asking)
        book.goal = book.written
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while any(len(reader.sequence) < book.written for reader in readers):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    finally:
        for task in (*asking, *reading):
            task.cancel()
        ended = await asyncio.gather(*reading, return_exceptions=True)
    result.failures += [f"a subscriber ended: {one!r}" for one in ended if isinstance(one, Exception)]
    book.seen = [reader.sequence for reader in readers]


def main(arguments: list[str]) -> int:
    """Exit code 0 if nobody noticed."""
    parser = argparse.ArgumentParser("bench restarts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="restarts of each of the two servers")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--subscribers", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0, help="seconds between a client's requests")
    parser.add_argument("--drain", type=int, default=5, help="DRAIN_SECONDS: long enough for the balancer to notice")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        began = time.monotonic()
        result = asyncio.run(restarts(url, Path(folder), **vars(given)))
    seconds, book = time.monotonic() - began, result.book
    asked = ", ".join(f"{number:,} {kind}" for kind, number in result.requests.items())
    print(f"{result.restarts} restarts in {seconds:.0f} s: {sum(result.requests.values()):,} requests ({asked})")
    print(
        f"failed: {len(result.failures)}; slowest: {result.slowest * 1000:.0f} ms; refused by a ready server: {result.refused}"
    )
    print(f"impressions acknowledged: {result.acknowledged:,}; kept: {result.kept:,}")
    print(f"{len(book.seen)} subscribers, {book.written:,} shares; {dict(book.accidents)}")
    faults = result.faults()
    print("\n".join(faults[:20]) or "no request failed, nothing was lost, every subscriber saw each share once")
    return 1 if faults else 0
