"""The live stream under everything that goes wrong: writers, subscribers that come and go, servers that are killed.

Bookkeeping of its own: each writer knows what it did to each of its engagements, whether the answer reached it or not. At the
end every subscriber must have seen each of these changes, once, in the order in which it was made, and all subscribers the
same sequence.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import httpx
import psutil  # type: ignore[import-untyped]
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import make_url
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from bench.fleet import Process
from bench.server import embedded, token
from db.changes import change
from db.embedded import Embedded
from db.engine import Database, Transaction, is_unavailable
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.queries import campaigns, workspaces
from db.queries.engagement import recording, removing
from graph.engagement.kinds import TYPE_NAMES
from graph.ids import encode

QUERY = """subscription ($ids: [ID!]!, $after: String) {
  engagements(campaignIds: $ids, after: $after) { cursor kind engagementId } }"""
BATCH = 20
Step = tuple[str, str]
"""A change: engagement and kind."""


@dataclass
class Book:
    """What was done and what was seen."""

    goal: int
    expected: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: list[list[tuple[str, str, str]]] = field(default_factory=list)
    """For each subscriber its sequence of cursor, engagement and kind."""
    accidents: Counter[str] = field(default_factory=Counter)
    written: int = 0

    def did(self, engagement: str, kind: str) -> None:
        """Notes a change that is known to be made."""
        self.expected[engagement].append(kind)
        self.written += 1

    def faults(self) -> list[str]:
        """What is wrong with what was seen. Empty when all is well."""
        found = []
        for number, sequence in enumerate(self.seen):
            found += [f"subscriber {number}: {fault}" for fault in self._faults_of(sequence)]
            if sequence != self.seen[0]:
                found.append(f"subscriber {number} saw another order than subscriber 0")
        return found

    def _faults_of(self, sequence: list[tuple[str, str, str]]) -> list[str]:
        found = []
        if len({cursor for cursor, _, _ in sequence}) != len(sequence):
            found.append("a cursor came twice")
        of_each: dict[str, list[str]] = defaultdict(list)
        for _, engagement, kind in sequence:
            of_each[engagement].append(kind)
        for engagement, kinds in self.expected.items():
            if of_each.get(engagement, []) != kinds:
                found.append(f"{engagement}: was {kinds}, seen {of_each.get(engagement)}")
        strangers = set(of_each) - set(self.expected)
        return found[:5] + ([f"{len(strangers)} engagements that nobody made"] if strangers else [])


class Writer:
    """Shares, comments, edits, deletes, likes and unlikes on a connection of its own."""

    def __init__(self, number: int, url: str, workspace: int, campaign_ids: list[int], book: Book) -> None:
        self._database = Database(url, size=1, overflow=0)
        self._number, self._workspace, self._campaigns, self._book = number, workspace, campaign_ids, book
        self._random = random.Random(number)
        self._made = 0

    async def run(self) -> None:
        """Writes until enough is written."""
        works = (self._shares, self._comment, self._reaction)
        while self._book.written < self._book.goal:
            await self._random.choice(works)()
        await self._database.close()

    def _item(self, kind: EngagementType, **values: Any) -> NewEngagement:
        self._made += 1
        key = None if kind == EngagementType.LIKE else f"{self._number}-{self._made}"
        user, campaign_id = f"user-{self._number}-{self._made}", self._random.choice(self._campaigns)
        return NewEngagement(kind, campaign_id, user, datetime.now(UTC), key=key, **values)

    async def _shares(self) -> None:
        items = [self._item(EngagementType.SHARE) for _ in range(self._random.randint(1, BATCH))]
        for done in await self._done(lambda transaction: recording.record(transaction, items)):
            self._book.did(encode("Share", done.id), "ADDED")

    async def _comment(self) -> None:
        item = self._item(EngagementType.COMMENT, body="first")
        [done] = await self._done(lambda transaction: recording.record(transaction, [item]))
        comment = encode("Comment", done.id)
        self._book.did(comment, "ADDED")
        for number in range(self._random.randint(0, 4)):
            text = f"edit {number}"
            await self._done(lambda t, text=text: removing.edit_comment(t, done.id, text, lambda _: None))  # type: ignore[misc]
            self._book.did(comment, "EDITED")
        if self._random.random() < 0.5:
            await self._done(lambda transaction: removing.delete_comment(transaction, done.id, lambda _: None))
            self._book.did(comment, "REMOVED")

    async def _reaction(self) -> None:
        item = self._item(EngagementType.LIKE)
        [done] = await self._done(lambda transaction: recording.record(transaction, [item]))
        like = encode(TYPE_NAMES[EngagementType.LIKE], done.id)
        self._book.did(like, "ADDED")
        if self._random.random() < 0.5:
            actor = (item.user_id, None, None)
            await self._done(lambda t: removing.take_back(t, item.campaign_id, EngagementType.LIKE, actor))
            self._book.did(like, "REMOVED")

    async def _done(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        """What came of a change. Where the answer was lost it is made again: each can be made twice and counts once."""
        while True:
            try:
                outcome = await change(self._database, self._workspace, work)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                self._book.accidents["answers lost by writers"] += 1
                await asyncio.sleep(0.05)
                continue
            if outcome.problems:
                raise RuntimeError(outcome.problems)
            return outcome.value


class Addressed(Protocol):
    """What can be asked: a server, or a balancer before some."""

    @property
    def address(self) -> str:
        """http, host and port."""


class Subscriber:
    """Follows all campaigns, leaves whenever it likes, and goes on elsewhere from its last cursor."""

    def __init__(self, number: int, fleet: Sequence[Addressed], ids: list[str], cursor: str, book: Book) -> None:
        self._random = random.Random(1000 + number)
        self._fleet, self._ids, self._cursor, self._book = fleet, ids, cursor, book
        self._speaks = self._by_websocket if number % 2 == 0 else self._by_sse
        self.sequence: list[tuple[str, str, str]] = []
        self.enough = asyncio.Event()

    async def run(self) -> None:
        """Follows until it was told how many there are and has them."""
        while True:
            events = self._random.randint(50, 20_000)
            with suppress(OSError, ConnectionClosed, InvalidHandshake, httpx.TransportError, TimeoutError, Lagged):
                await self._speaks(self._random.choice(self._fleet), events)
            self._book.accidents["connections"] += 1
            await asyncio.sleep(0.05)

    def _take(self, payload: Any) -> None:
        if "errors" in payload:
            code = payload["errors"][0]["extensions"]["code"]
            if code in ("LAGGED", "RECONNECT"):
                self._book.accidents[code] += 1
                raise Lagged
            raise RuntimeError(payload["errors"])
        event = payload["data"]["engagements"]
        self.sequence.append((event["cursor"], event["engagementId"], event["kind"]))
        self._cursor = event["cursor"]
        if self._book.written >= self._book.goal and len(self.sequence) >= self._book.written:
            self.enough.set()

    async def _by_websocket(self, server: Addressed, events: int) -> None:
        url = server.address.replace("http", "ws") + "/graphql"
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(url, subprotocols=protocols, compression=None, close_timeout=1) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": _credential()}))
            payload = {"query": QUERY, "variables": {"ids": self._ids, "after": self._cursor}}
            await asyncio.wait_for(socket.recv(), 10)
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            while events:
                message = json.loads(await socket.recv())
                if message["type"] == "next":
                    self._take(message["payload"])
                    events -= 1
                elif message["type"] == "error":
                    self._take({"errors": message["payload"]})

    async def _by_sse(self, server: Addressed, events: int) -> None:
        headers = {**_credential(), "accept": "text/event-stream", "last-event-id": self._cursor}
        body = {"query": QUERY, "variables": {"ids": self._ids}}
        timeout = httpx.Timeout(10, read=60)
        async with (
            httpx.AsyncClient(base_url=server.address, timeout=timeout) as client,
            client.stream("POST", "/graphql", json=body, headers=headers) as response,
        ):
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    self._take(json.loads(line[6:]))
                    events -= 1
                    if not events:
                        return


class Lagged(Exception):
    """The server ended the stream and said from where to go on."""


def _credential() -> dict[str, str]:
    return {"authorization": f"Bearer {token('bench')}"}


class Trouble:
    """Kills servers and terminates backends while there is something to be lost."""

    def __init__(
        self, url: str, fleet: list[Process], book: Book, every: float, crash: Callable[[], None] | None
    ) -> None:
        self._url, self._fleet, self._book, self._every, self._crash = url, fleet, book, every, crash
        self._random = random.Random(7)
        self._killed = 0  # each in turn: the one that leads is among any two

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        deeds = [self._kill_one, self._terminate_the_leader, self._terminate_some, self._restart]
        if self._crash is not None:
            deeds.append(self._crash_the_database)
        for number in range(10**6):
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * self._every)
            await deeds[number % len(deeds)]()

    async def _crash_the_database(self) -> None:
        if self._crash is not None:
            await asyncio.to_thread(self._crash)
            self._book.accidents["databases crashed"] += 1

    async def _kill_one(self) -> None:
        await self._again(self._fleet[self._killed % len(self._fleet)], Process.kill)
        self._killed += 1
        self._book.accidents["servers killed (SIGKILL)"] += 1

    async def _restart(self) -> None:
        await self._again(self._random.choice(self._fleet), Process.stop)
        self._book.accidents["servers stopped (SIGTERM)"] += 1

    async def _again(self, server: Process, end: Callable[[Process], None]) -> None:
        await asyncio.to_thread(end, server)
        await asyncio.to_thread(server.start)

    async def _terminate_the_leader(self) -> None:
        self._book.accidents["leaders terminated"] += await self._terminate(_LEADER)

    async def _terminate_some(self) -> None:
        self._book.accidents["backends terminated"] += await self._terminate(_SOME)

    async def _terminate(self, which: str) -> int:
        connection = await asyncpg.connect(self._url)
        try:
            return len(await connection.fetch(f"SELECT pg_terminate_backend(pid) FROM ({which}) AS chosen"))
        finally:
            await connection.close()


_LEADER = """SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'groundswell sequencer'"""
_SOME = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'groundswell%' ORDER BY random() LIMIT 4"


async def soak(
    url: str,
    folder: Path,
    *,
    events: int,
    writers: int,
    subscribers: int,
    every: float,
    patience: float,
    crash: Callable[[], None] | None = None,
) -> Book:
    """Runs it all and answers the book. ``crash`` makes the database crash and start again."""
    database, book = Database(url), Book(events)
    workspace = await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    async with database.write(workspace) as transaction:
        values = {"status": "ACTIVE", "currency": "EUR"}
        keys = [await campaigns.create(transaction, {"name": f"Campaign {n}", **values}) for n in range(3)]
    await database.close()
    fleet = [Process(url, folder / "servers.log", LIVE_PER_CLIENT="100000") for _ in range(2)]
    for server in fleet:
        await asyncio.to_thread(server.start)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ids = [encode("Campaign", key) for key in keys]
    async with httpx.AsyncClient(headers=_credential()) as client:
        answer = await client.post(f"{fleet[0].address}/graphql", json={"query": "{ liveCursor }"})
        cursor = answer.json()["data"]["liveCursor"]
    readers = [Subscriber(number, fleet, ids, cursor, book) for number in range(subscribers)]
    reading = [asyncio.create_task(reader.run()) for reader in readers]
    trouble = asyncio.create_task(Trouble(plain, fleet, book, every, crash).run())
    shown = asyncio.create_task(_show(book, readers))
    try:
        await asyncio.gather(*(Writer(n, url, workspace, keys, book).run() for n in range(writers)))
        for reader in readers:
            if len(reader.sequence) >= book.written:
                reader.enough.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*(reader.enough.wait() for reader in readers))
        await asyncio.sleep(1)  # what comes twice has time to come
    finally:
        for task in (trouble, shown, *reading):
            task.cancel()
        done = await asyncio.gather(trouble, shown, *reading, return_exceptions=True)
        for server in fleet:
            with suppress(RuntimeError):
                await asyncio.to_thread(server.stop)
    failures = [one for one in done if isinstance(one, Exception)]
    if failures:
        raise failures[0]
    book.seen = [reader.sequence for reader in readers]
    return book


async def _show(book: Book, readers: list[Subscriber]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        writing = progress.add_task("changes made", total=book.goal)
        slowest = progress.add_task("seen by the slowest", total=book.goal)
        while True:
            progress.update(writing, completed=book.written)
            progress.update(slowest, completed=min(len(reader.sequence) for reader in readers))
            await asyncio.sleep(0.2)


def crash(folder: Path) -> None:
    """Ends the embedded server without shutting it down, and starts it again: it recovers from its log."""
    pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(pid)
    postmaster.send_signal(signal.SIGQUIT)
    with suppress(psutil.TimeoutExpired):
        postmaster.wait(30)
    with Embedded(folder):
        pass  # it runs again, and others still use it


def main(arguments: list[str]) -> int:
    """Exit code 0 if nothing was lost, repeated or out of order."""
    parser = argparse.ArgumentParser("bench soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=6)
    parser.add_argument("--subscribers", type=int, default=6)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between two accidents")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        began = time.monotonic()
        sizes = {"events": given.events, "writers": given.writers, "subscribers": given.subscribers}
        work = soak(url, Path(folder), **sizes, every=given.every, patience=300, crash=lambda: crash(Path(folder)))
        book = asyncio.run(work)
    seconds = time.monotonic() - began
    print(f"\n{book.written:,} changes, {len(book.seen)} subscribers, {seconds:.0f} s")
    for name, number in sorted(book.accidents.items()):
        print(f"  {name:32} {number:8,}")
    faults = book.faults()
    print(
        "\n".join(faults[:20]) or "nothing missing, nothing twice, one order for all, each engagement in its own order"
    )
    return 1 if faults else 0
