"""The live stream in figures: delay from commit to client, the sequencer's limit, fan-out beside Strawberry's own handler in
the same run, thousands of idle subscriptions, and a reader that stops reading."""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]
from sqlalchemy import text

from bench.fleet import Process
from bench.server import embedded, token
from bench.wire import Wire
from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.queries import campaigns, workspaces
from db.queries.engagement import recording
from db.queries.live import sequencing
from db.session import session
from graph.ids import encode

QUERY = "subscription ($ids: [ID!]!) { engagements(campaignIds: $ids) { cursor kind type engagementId occurredAt } }"
TIMES_STOCK = 10.0
"""How many times the stock handler's deliveries ours must be."""
GONE_WITHIN = 30.0
"""Seconds after which a reader that has stopped is gone."""


@dataclass
class Place:
    """A database with one campaign, and the servers on it."""

    url: str
    database: Database
    workspace: int
    campaign: int
    ours: Process
    stock: Process
    made: int = 0

    async def share(self, number: int) -> Sequence[str]:
        """Makes engagements in one transaction, and answers their ids."""
        now = datetime.now(UTC)
        items = []
        for _ in range(number):
            self.made += 1
            kind, user = EngagementType.SHARE, f"user-{self.made % 500}"
            items.append(NewEngagement(kind, self.campaign, user, now, key=f"share-{self.made}"))
        async with self.database.write(self.workspace) as transaction:
            done = await recording.record(transaction, items)
        return [encode("Share", one.id) for one in done if isinstance(one, recording.Recorded)]

    async def listener(self, server: Process) -> Wire:
        """A subscriber."""
        wire = await Wire.connect("127.0.0.1", server.port, f"Bearer {token('bench')}")
        wire.subscribe(QUERY, ids=[encode("Campaign", self.campaign)])
        return wire


@asynccontextmanager
async def place(url: str, folder: Path) -> AsyncIterator[Place]:
    """Fills the database and starts the servers."""
    database = Database(url)
    workspace = await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    async with database.write(workspace) as transaction:
        values = {"name": "Live", "status": "ACTIVE", "currency": "EUR"}
        campaign = await campaigns.create(transaction, values)
    ours = Process(url, folder / "ours.log", LIVE_PER_CLIENT="100000")
    stock = Process(url, folder / "stock.log", stock=True)
    for server in (ours, stock):
        await asyncio.to_thread(server.start)
    try:
        yield Place(url, database, workspace, campaign, ours, stock)
    finally:
        for server in (ours, stock):
            await asyncio.to_thread(server.kill)
        await database.close()


async def delay(where: Place, rate: int, seconds: float) -> None:
    """From the commit's return to the client, at so many events a second."""
    committed: dict[str, float] = {}
    seen: dict[str, float] = {}

    class Watcher(Wire):
        def _take(self, opcode: int, buffer: bytearray, start: int, size: int) -> None:
            super()._take(opcode, buffer, start, size)
            if b'"next"' in self.last[:40]:
                event = orjson.loads(self.last)["payload"]["data"]["engagements"]
                seen[event["engagementId"]] = time.perf_counter()

    wire = await Watcher.connect("127.0.0.1", where.ours.port, f"Bearer {token('bench')}")
    wire.subscribe(QUERY, ids=[encode("Campaign", where.campaign)])
    await asyncio.sleep(1)
    batch, began = 10, time.perf_counter()
    for number in range(int(rate * seconds / batch)):
        await asyncio.sleep(began + number * batch / rate - time.perf_counter())
        made = await where.share(batch)
        now = time.perf_counter()
        committed |= dict.fromkeys(made, now)
    taken = time.perf_counter() - began
    while len(seen) < len(committed):  # noqa: ASYNC110 - it is told frame by frame
        await asyncio.sleep(0.05)
    wire.close()
    delays = sorted(1000 * (seen[one] - at) for one, at in committed.items())
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    print(f"  commit to client at {len(delays) / taken:6.0f} events/s           p50 {p50:6.1f} ms   p99 {p99:6.1f} ms")


async def limit(where: Place, entries: int) -> None:
    """How many entries a second the sequencer numbers when there are always more."""
    fill = text(
        "INSERT INTO outbox (workspace_id, topic, key, kind, subject_id, subject_type, occurred_at) "
        "SELECT :workspace, 'ENGAGEMENTS', 999999, 'ADDED', n, 'SHARE', now() FROM generate_series(1, :entries) n"
    )
    async with session(where.url, "bench") as own:
        async with where.database.everywhere() as transaction:
            # Held while it is filled, so that the server's own sequencer cannot begin.
            await transaction.run(text("SELECT position FROM live_head FOR UPDATE"))
            await transaction.run(fill, {"workspace": where.workspace, "entries": entries})
        began, moved = time.perf_counter(), 0
        first = await own.scalar("SELECT position FROM live_head")
        while await own.scalar("SELECT EXISTS (SELECT FROM outbox)"):
            moved += await sequencing.number(own)
        numbered = await own.scalar("SELECT position FROM live_head") - first
        seconds = time.perf_counter() - began
    print(f"  the sequencer, {entries:,} entries waiting          {numbered / seconds:9,.0f} entries/s")


async def fan_out(where: Place, listeners: int, events: int, rounds: int) -> float:
    """Deliveries a second of one process, ours and the stock handler's in turn. Answers the ratio of the medians."""
    found: dict[str, list[float]] = {"ours": [], "stock": []}
    for number in range(rounds):
        for name, server in (("ours", where.ours), ("stock", where.stock)):
            wires = [await where.listener(server) for _ in range(listeners)]
            await _warmed(where, wires)
            began = time.perf_counter()
            for _ in range(events):
                await where.share(1)
            await _all_have(wires, events)
            found[name].append(listeners * events / (time.perf_counter() - began))
            for wire in wires:
                wire.close()
            await asyncio.sleep(1)
        shown = "   ".join(f"{name} {values[-1]:9,.0f}" for name, values in found.items())
        print(f"  round {number + 1}: deliveries/s, 1 event to {listeners:,} subscribers    {shown}")
    ours, stock = (statistics.median(found[name]) for name in ("ours", "stock"))
    print(f"  ratio of the medians {ours / stock:6.1f}  (at least {TIMES_STOCK:.0f})")
    return ours / stock


async def _warmed(where: Place, wires: Sequence[Wire]) -> None:
    """Waits until all are subscribed, which only an event tells, and begins to count at 0."""
    while any(wire.frames == 0 for wire in wires):
        await where.share(1)
        await asyncio.sleep(0.5)
    counted = -1
    while counted != (counted := sum(wire.frames for wire in wires)):  # noqa: ASYNC110 - until it is quiet
        await asyncio.sleep(1)
    for wire in wires:
        wire.frames = 0


async def _all_have(wires: Sequence[Wire], frames: int) -> None:
    deadline = time.monotonic() + 120
    while any(wire.frames < frames for wire in wires):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{sum(wire.frames < frames for wire in wires)} subscribers did not get all")
        await asyncio.sleep(0.002)


async def idle(where: Place, subscriptions: int) -> None:
    """Memory of idle subscriptions, each on a connection of its own."""
    process = psutil.Process(where.ours.pid)
    before = process.memory_info().rss
    wires = []
    for start in range(0, subscriptions, 100):
        wires += await asyncio.gather(*(where.listener(where.ours) for _ in range(min(100, subscriptions - start))))
    await _warmed(where, wires)
    each = (process.memory_info().rss - before) / subscriptions
    began = process.cpu_times()
    await asyncio.sleep(10)
    ended = process.cpu_times()
    load = (ended.user + ended.system - began.user - began.system) * 10
    print(f"  {subscriptions:,} idle subscriptions: {each / 1024:.1f} KiB each, {load:.1f} % of a core")
    for wire in wires:
        wire.close()
    await asyncio.sleep(1)


async def stopped(where: Place) -> bool:
    """A reader that stops reading, idle and under load: seconds until the server has given it up."""
    kept = True
    for name, load in (("nothing is sent", False), ("it is sent more than it takes", True)):
        wire = await where.listener(where.ours)
        await _warmed(where, [wire])
        port = wire.transport.get_extra_info("sockname")[1]
        wire.stop_reading()
        began = time.monotonic()
        while _is_connected(where.ours.pid, port) and time.monotonic() - began < 2 * GONE_WITHIN:
            if load:
                await where.share(500)
            await asyncio.sleep(0.1)
        seconds = time.monotonic() - began
        kept &= seconds <= GONE_WITHIN
        print(f"  a reader that stops, {name:30} gone after {seconds:4.0f} s  (at most {GONE_WITHIN:.0f})")
        wire.close()
    return kept


def _is_connected(pid: int, port: int) -> bool:
    connections: Any = psutil.Process(pid).net_connections("tcp")
    return any(one.raddr and one.raddr.port == port for one in connections)


async def run(url: str, folder: Path, given: argparse.Namespace) -> bool:
    """Measures it all. Answers whether the targets were reached."""
    async with place(url, folder) as where:
        print()
        await delay(where, 1000, given.seconds)
        await limit(where, given.entries)
        ratio = await fan_out(where, given.listeners, given.events, given.rounds)
        await idle(where, given.idle)
        return await stopped(where) and ratio >= TIMES_STOCK


def main(arguments: list[str]) -> int:
    """Exit code 0 if the targets were reached."""
    parser = argparse.ArgumentParser("bench live", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of the delay's measurement")
    parser.add_argument("--entries", type=int, default=300_000, help="waiting for the sequencer")
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--events", type=int, default=30, help="in a round of the fan-out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=5000, help="idle subscriptions")
    given = parser.parse_args(arguments)
    files = max(given.idle, given.listeners) * 2 + 1000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))  # the servers inherit it
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), given)) else 1
