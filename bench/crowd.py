"""A crowd over the worst query that is allowed: nothing breaks, memory stays flat, and what is too much is refused quickly.

    python -m bench crowd [--clients 200] [--seconds 60] [--pause 0.05] [--shared] [NAME=VALUE ...]

A server process of its own answers as many clients at once as is said. Each asks again as soon as it is answered, and after a
short pause where it was refused: none of them is patient enough to wait as long as Retry-After says. Each has a budget of its own,
without an end, or all share one (--shared). A second, small query from one more client shows how the others fare meanwhile.

The worst query is looked for: several that weigh on different parts of the server are each made as wide as the limits let through,
and the one that takes the server's process longest is taken. NAME=VALUE are settings of the server, e.g. COST_IN_FLIGHT=0.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil  # type: ignore[import-untyped]

from bench.fleet import Process
from bench.lean import Lean, request
from bench.peers.data import CAMPAIGNS, TALKED_ABOUT, WORKSPACE, fill
from bench.server import SECRET, embedded
from graph.tokens import make_token

REFUSED = 429
ANSWERED_WITHIN, REFUSED_WITHIN, SMALL_WITHIN = 5.0, 0.75, 1.0
"""Seconds at the 99th percentile."""
GROWTH = 1.15
"""What the memory may grow by between the second and the last third of the run; in the first one, caches and buffers are filled."""
SMALL = "{ viewer { workspace { name } } }"


def _of_campaigns(number: int, text: Callable[[int], str], campaigns: int = CAMPAIGNS) -> str:
    fields = " ".join(f"a{index}: {text(index)}" for index in range(number))
    return f"{{ campaigns(first: {campaigns}) {{ nodes {{ id {fields} }} }} }}"


SHAPES: dict[str, Callable[[int], str]] = {
    "rows that PostgreSQL writes": lambda number: _of_campaigns(
        number, lambda _: "impressions(first: 100) { nodes { id occurredAt deviceType clicked } }"
    ),
    "rows with cursors": lambda number: _of_campaigns(
        number, lambda _: "impressions(first: 100) { edges { cursor node { id occurredAt deviceType clicked } } }"
    ),
    "objects of several types": lambda number: _of_campaigns(
        number,
        lambda _: "engagements(first: 100) { nodes { __typename id occurredAt ... on Comment { body depth } } }",
        TALKED_ABOUT,
    ),
    "counts": lambda number: _of_campaigns(
        number, lambda index: f'impressions(first: 1, filter: {{ deviceType: "x{index}" }}) {{ totalCount }}'
    ),
    "sums": lambda number: _of_campaigns(
        number,
        lambda index: (
            f'metrics(window: {{ from: "2026-03-01T00:00:00Z", to: "{2027 + index}-04-01T00:00:00Z" }}) '
            "{ impressions clicks likes comments }"
        ),
    ),
}
"""Queries by what they weigh on, of which a part is there so many times."""


@dataclass
class Seen:
    """What came of it."""

    times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds of each answer, by status."""
    broken: Counter[str] = field(default_factory=Counter)
    """Connections that ended without an answer."""
    small: list[float] = field(default_factory=list)
    """Seconds of the small query's good answers."""
    small_refused: int = 0
    memory: list[float] = field(default_factory=list)
    """Megabytes of the server, twice a second."""
    seconds: float = 0
    bytes: int = 0
    """Of all bodies."""
    own: float = 0
    """Processor seconds that the clients took."""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 if nothing broke and all bounds hold."""
    parser = argparse.ArgumentParser("bench crowd", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds before a refused client asks again")
    parser.add_argument("--shared", action="store_true", help="all clients have one subject, and so one budget")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="of the server")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        asyncio.run(fill(url))
        return against(url, Path(folder), given)


def against(url: str, folder: Path, given: argparse.Namespace) -> int:
    """Runs it on a database that is filled."""
    settings = dict(one.split("=", 1) for one in given.settings)
    server = Process(url, folder / "server.log", **{"WORKER": "off", "SLOW_SECONDS": "0", **settings})
    server.start()
    try:
        seen = asyncio.run(_crowd(server, given))
    finally:
        server.stop()
    return _report(seen)


async def _crowd(server: Process, given: argparse.Namespace) -> Seen:
    query = await _worst_allowed(server)
    seen, began = Seen(), time.monotonic()
    until = began + given.seconds
    async with asyncio.TaskGroup() as group:
        for number in range(given.clients):
            asked = _request(server, query, "crowd" if given.shared else f"crowd {number}")
            group.create_task(_ask(server, asked, given.pause, until, seen))
        group.create_task(_ask_small(server, until, seen))
        group.create_task(_weigh(server.pid, until, seen))
    seen.seconds = time.monotonic() - began
    return seen


async def _worst_allowed(server: Process) -> str:
    """The widest of each shape is asked for twice, and timed the second time: the statements are prepared then."""
    process, found = psutil.Process(server.pid), []
    async with httpx.AsyncClient(base_url=server.address, timeout=60) as client:
        for name, shape in SHAPES.items():
            least, most = 1, 512
            while most - least > 1:
                middle = (least + most) // 2
                _, answer = await _asked(client, shape(middle))
                least, most = (least, middle) if "errors" in answer else (middle, most)
            query = shape(least)
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            size, answer = await _asked(client, query)
            took, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - before
            cost = answer["extensions"]["cost"]
            print(
                f"{name:>30}: {least:>3} times, cost {cost['requested']:>7,}, of it used {cost['used']:>7,}, "
                f"{size / 1e6:>5.1f} MB, {took:.2f} s, of it {cpu:.2f} of the server's process"
            )
            found.append((cpu, name, query))
    _, name, query = max(found)
    print(f"\nThe worst query that is allowed: {name}.\n")
    return query


async def _asked(client: httpx.AsyncClient, query: str) -> tuple[int, Any]:
    body = {"query": query, "extensions": {"cost": True}}
    content = (await client.post("/graphql", json=body, headers=_headers("probe"))).content
    return len(content), orjson.loads(content)


async def _ask(server: Process, asked: bytes, pause: float, until: float, seen: Seen) -> None:
    lean = await Lean.connect(server.address)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            status = await lean.ask(asked)
        except ConnectionError as error:
            seen.broken[type(error).__name__] += 1
            lean = await Lean.connect(server.address)
            continue
        seen.times[status].append(time.monotonic() - began)
        seen.bytes += lean.length
        if status != 200:
            await asyncio.sleep(pause)
    lean.close()


async def _ask_small(server: Process, until: float, seen: Seen) -> None:
    asked = _request(server, SMALL, "small")
    lean = await Lean.connect(server.address)
    while time.monotonic() < until:
        began = time.monotonic()
        if await lean.ask(asked) == 200:
            seen.small.append(time.monotonic() - began)
        else:
            seen.small_refused += 1
        await asyncio.sleep(0.1)
    lean.close()


async def _weigh(pid: int, until: float, seen: Seen) -> None:
    process, own = psutil.Process(pid), time.process_time()
    while time.monotonic() < until:
        seen.memory.append(process.memory_info().rss / 1e6)
        seen.own = time.process_time() - own
        await asyncio.sleep(0.5)


def _request(server: Process, query: str, subject: str) -> bytes:
    return request(server.address, _headers(subject), orjson.dumps({"query": query}))


def _headers(subject: str) -> dict[str, str]:
    made = make_token(SECRET, subject=subject, workspace=WORKSPACE, scopes=("read",), ttl=timedelta(hours=1))
    return {"Authorization": f"Bearer {made}", "Accept-Encoding": "identity"}


def _report(seen: Seen) -> int:
    print(f"{os.cpu_count()} cores, load and database included; the load took {seen.own / seen.seconds:.0%} of one\n")
    print(f"{'status':>8} {'answers':>8} {'a second':>8} {'p50 s':>8} {'p99 s':>8} {'worst s':>8}")
    rows: list[tuple[str, list[float]]] = [(str(status), times) for status, times in sorted(seen.times.items())]
    for name, times in [*rows, ("small", seen.small)]:
        rate, worst = len(times) / seen.seconds, max(times, default=float("nan"))
        print(f"{name:>8} {len(times):>8} {rate:>8.1f} {_at(times, 0.5):>8.3f} {_at(times, 0.99):>8.3f} {worst:>8.3f}")
    third = max(len(seen.memory) // 3, 1)
    thirds = [max(seen.memory[at : at + third]) for at in (0, third, 2 * third)]
    told = ", ".join(f"{one:.0f}" for one in thirds)
    print(f"\n{seen.bytes / 1e6 / seen.seconds:.0f} MB a second were answered")
    print(f"memory of the server: {seen.memory[0]:.0f} MB at first, then at most {told} in each third")
    print(f"connections that ended without an answer: {dict(seen.broken) or 'none'}")
    faults = _faults(seen, thirds)
    print("\n" + ("NOT REACHED: " + ", ".join(faults) if faults else "Nothing broke."))
    return 1 if faults else 0


def _faults(seen: Seen, thirds: Sequence[float]) -> list[str]:
    found = [f"status {status}" for status in sorted(set(seen.times) - {200, REFUSED})]
    bounds = {
        "broken connections": bool(seen.broken),
        "memory grows": thirds[2] > thirds[1] * GROWTH,
        "answers are slow": _at(seen.times[200], 0.99) > ANSWERED_WITHIN,
        "nothing was answered": not seen.times[200],
        "refusals are slow": _at(seen.times[REFUSED], 0.99) > REFUSED_WITHIN,
        "small ones are slow": _at(seen.small, 0.99) > SMALL_WITHIN,
        "small ones were refused": bool(seen.small_refused),
    }
    return found + [what for what, is_so in bounds.items() if is_so]


def _at(times: Sequence[float], part: float) -> float:
    return sorted(times)[int(len(times) * part)] if times else float("nan")
