"""A crowd over the worst query that is allowed: nothing breaks, memory stays flat, and what is too much is refused quickly.

    python -m bench crowd [--clients 200] [--seconds 30] [--pause 0.05] [--shared]

A server process of its own answers as many clients at once as is said. Each asks again as soon as it is answered, and after a
short pause where it was refused: none of them is patient enough to wait as long as Retry-After says. Each has a budget of its own,
or all share one (--shared). A second, small query from one more client shows how the others fare meanwhile.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from bench.fleet import Process
from bench.peers.data import WORKSPACE, fill
from bench.server import SECRET, embedded
from graph.tokens import make_token

REFUSED = {429, 503}
REFUSED_WITHIN = 0.5
"""Seconds at the 99th percentile."""
GROWTH = 1.25
"""What the memory may grow by between the first and the last third of the run."""
SMALL = "{ viewer { workspace { name } } }"


def worst(size: int) -> str:
    """Campaigns with all that hangs on them, in pages of a size."""
    thread = f"id body replies(first: {size}) {{ nodes {{ id body }} }}"
    return f"""{{ campaigns(first: 20) {{ nodes {{ id name metrics {{ impressions clicks likes comments }}
      impressions(first: {size}) {{ nodes {{ id occurredAt deviceType clicked }} }}
      comments(first: {size}) {{ nodes {{ {thread} }} }} }} }} }}"""


@dataclass
class Seen:
    """What came of it."""

    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of each answer, by status."""
    broken: Counter[str] = field(default_factory=Counter)
    """Connections that ended without an answer."""
    small: list[float] = field(default_factory=list)
    """Seconds of the small query's good answers."""
    memory: list[float] = field(default_factory=list)
    """Megabytes of the server, twice a second."""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 if nothing broke and all bounds hold."""
    parser = argparse.ArgumentParser("bench crowd", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds before a refused client asks again")
    parser.add_argument("--shared", action="store_true", help="all clients have one subject, and so one budget")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        asyncio.run(fill(url))
        server = Process(url, Path(folder) / "server.log", WORKER="off")
        server.start()
        try:
            seen = asyncio.run(_crowd(server, given))
        finally:
            server.stop()
    return _report(seen)


async def _crowd(server: Process, given: argparse.Namespace) -> Seen:
    seen, until = Seen(), time.monotonic() + given.seconds
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.address, timeout=60, limits=limits) as client:
        query = await _worst_allowed(client)
        # Bytes are counted and not read: the clients share the machine with the server.
        async with asyncio.TaskGroup() as group:
            for number in range(given.clients):
                subject = "crowd" if given.shared else f"crowd {number}"
                group.create_task(_ask(client, query, subject, given.pause, until, seen))
            group.create_task(_ask_small(client, until, seen))
            group.create_task(_weigh(server.pid, until, seen))
    return seen


async def _worst_allowed(client: httpx.AsyncClient) -> str:
    for size in (100, 80, 60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1):
        answer = await client.post("/graphql", json={"query": worst(size)}, headers=_headers("probe"))
        if answer.status_code == 200 and b'"LIMIT_REACHED"' not in answer.content:
            print(f"The worst query that is allowed has pages of {size}: {len(answer.content) / 1e6:.1f} MB")
            return worst(size)
    raise RuntimeError(f"no page is small enough: {answer.text[:500]}")


async def _ask(client: httpx.AsyncClient, query: str, subject: str, pause: float, until: float, seen: Seen) -> None:
    headers = _headers(subject)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            answer = await client.post("/graphql", json={"query": query}, headers=headers)
        except httpx.HTTPError as error:
            seen.broken[type(error).__name__] += 1
            continue
        seen.times[answer.status_code].append(time.monotonic() - began)
        if answer.status_code != 200:
            await asyncio.sleep(pause)


async def _ask_small(client: httpx.AsyncClient, until: float, seen: Seen) -> None:
    headers = _headers("small")
    while time.monotonic() < until:
        began = time.monotonic()
        answer = await client.post("/graphql", json={"query": SMALL}, headers=headers)
        if answer.status_code == 200:
            seen.small.append(time.monotonic() - began)
        await asyncio.sleep(0.1)


async def _weigh(pid: int, until: float, seen: Seen) -> None:
    process = psutil.Process(pid)
    while time.monotonic() < until:
        seen.memory.append(process.memory_info().rss / 1e6)
        await asyncio.sleep(0.5)


def _headers(subject: str) -> dict[str, str]:
    made = make_token(SECRET, subject=subject, workspace=WORKSPACE, scopes=("read",), ttl=timedelta(hours=1))
    return {"Authorization": f"Bearer {made}", "Accept-Encoding": "identity"}


def _report(seen: Seen) -> int:
    print(f"{os.cpu_count()} cores, load and database included\n")
    print(f"{'status':>8} {'answers':>8} {'p50 s':>8} {'p99 s':>8} {'worst s':>8}")
    for status, times in sorted(seen.times.items()):
        print(f"{status:>8} {len(times):>8} {_at(times, 0.5):>8.3f} {_at(times, 0.99):>8.3f} {max(times):>8.3f}")
    print(f"{'small':>8} {len(seen.small):>8} {_at(seen.small, 0.5):>8.3f} {_at(seen.small, 0.99):>8.3f}")
    third = max(len(seen.memory) // 3, 1)
    first, last = max(seen.memory[:third]), max(seen.memory[-third:])
    print(
        f"memory of the server: {seen.memory[0]:.0f} MB at first, {first:.0f} in the first third, {last:.0f} in the last"
    )
    print(f"connections that ended without an answer: {dict(seen.broken) or 'none'}")
    strangers = set(seen.times) - REFUSED - {200}
    refused = [one for status in REFUSED for one in seen.times.get(status, ())]
    faults = [f"status {status}" for status in sorted(strangers)]
    faults += ["broken connections"] if seen.broken else []
    faults += ["memory grows"] if last > first * GROWTH else []
    faults += ["refusals are slow"] if refused and _at(refused, 0.99) > REFUSED_WITHIN else []
    print("\n" + ("NOT REACHED: " + ", ".join(faults) if faults else "Nothing broke."))
    return 1 if faults else 0


def _at(times: Sequence[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)] if times else float("nan")
