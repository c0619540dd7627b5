"""`kill -9` of the server, of its embedded PostgreSQL, and of both, while clients write.

What was acknowledged must be there at the end; nothing may be left of the dead: no process, no shared memory, no file in the
temporary directory.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import asyncpg
import httpx
import psutil  # type: ignore[import-untyped]
from sqlalchemy import make_url

from bench.fleet import free_port
from bench.server import SECRET, address_of, token
from db.embedded import Embedded
from db.engine import Database
from db.migrate import upgrade
from db.queries import workspaces

CREATE = "mutation ($name: String!) { createBrand(input: {name: $name}) { brand { id } userErrors { code } } }"
VICTIMS = ("server", "postmaster", "both", "postmaster twice")
PATIENCE = 120.0


@dataclass
class Book:
    """What was acknowledged, what else was answered, and how long nothing was acknowledged after each kill."""

    acknowledged: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    outages: dict[str, list[float]] = field(default_factory=dict)
    is_over: bool = False


class Server:
    """``groundswell serve`` on a data directory, always on the same port."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        """Starts it and waits until it answers."""
        line = [
            sys.executable,
            "-c",
            "from graph.cli import main; main()",
            "serve",
            "--no-demo",
            "--port",
            str(self.port),
        ]
        environment = os.environ | {"JWT_SECRET": SECRET}
        with (self.data_dir / "serve.err").open("a") as errors:
            self.process = subprocess.Popen(
                [*line, "--data-dir", str(self.data_dir)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        address_of(self.process)
        return self.process

    def kill(self) -> None:
        """Ends it without a word."""
        with self.process:
            self.process.kill()

    @property
    def postmaster(self) -> int:
        """The pid of the database's first process; 0 where none is written down."""
        with suppress(OSError, ValueError, IndexError):
            return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        return 0

    def kill_postmaster(self) -> int:
        """Ends the database's first process without a word; its pid, or 0."""
        pid = self.postmaster
        with suppress(ProcessLookupError):
            os.kill(pid or 1 << 22, signal.SIGKILL)
        return pid


async def _write(number: int, address: str, book: Book) -> None:
    headers = {"authorization": f"Bearer {token('bench')}"}
    count = 0
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE) as client:
        while not book.is_over:
            count += 1
            name = f"{number}-{count}"
            try:
                response = await client.post("/graphql", json={"query": CREATE, "variables": {"name": name}})
                answer = response.json()
            except (httpx.HTTPError, ValueError):
                book.answers["no answer"] += 1
                await asyncio.sleep(0.05)
                continue
            if answer.get("errors"):
                book.answers[answer["errors"][0]["extensions"]["code"]] += 1
                await asyncio.sleep(0.02)
            else:
                book.answers["acknowledged"] += 1
                book.acknowledged.append(name)


async def _torture(server: Server, rounds: int, writers: int, chance: random.Random) -> Book:
    book = Book()
    address = f"http://127.0.0.1:{server.port}"
    tasks = [asyncio.create_task(_write(number, address, book)) for number in range(writers)]
    for number in range(rounds):
        await asyncio.sleep(chance.uniform(0.2, 2))
        victim = VICTIMS[number % len(VICTIMS)]
        began, died = time.monotonic(), 0
        if victim in ("server", "both"):
            server.kill()
        if victim != "server":
            died = server.kill_postmaster()
        if victim == "postmaster twice":
            await asyncio.sleep(chance.uniform(0.2, 1.5))
            died = server.kill_postmaster() or died
        if victim in ("server", "both"):
            await asyncio.to_thread(server.start)
        # The children of the dead may still acknowledge.
        await _until(partial(_is_another, server, died), began)
        before = len(book.acknowledged)
        await _until(partial(_is_longer, book, before), began)
        book.outages.setdefault(victim, []).append(time.monotonic() - began)
        print(f"  {number + 1:3} {victim:18} {time.monotonic() - began:6.2f} s", flush=True)
    book.is_over = True
    await asyncio.gather(*tasks)
    return book


def _is_another(server: Server, died: int) -> bool:
    return server.postmaster not in (0, died)


def _is_longer(book: Book, before: int) -> bool:
    return len(book.acknowledged) > before


async def _until(holds: Callable[[], bool], began: float) -> None:
    while not holds():
        if time.monotonic() > began + PATIENCE:
            raise RuntimeError(f"it did not go on within {PATIENCE:.0f} s")
        await asyncio.sleep(0.01)


def _traces(folder: Path) -> set[str]:
    """All that a database can leave: processes, shared memory that nobody uses, files in places that are everybody's."""
    found = {f"temporary: {path.name}" for path in Path(tempfile.gettempdir()).glob("groundswell-*")}
    mapped = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "postgres":
                mapped |= {Path(each.path).name for each in process.memory_maps() if "PostgreSQL." in each.path}
                if str(folder) in (process.cwd(), *process.cmdline()):
                    found.add(f"process: {process.pid} {process.status()}")
    found |= {f"/dev/shm: {path.name}" for path in Path("/dev/shm").glob("PostgreSQL.*") if path.name not in mapped}
    blocks = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return found | {f"block: {columns[1]}" for columns in blocks if columns[6] == "0"}  # attached by none


async def _prepare(url: str) -> None:
    await upgrade(url)
    database = Database(url)
    await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    await database.close()


async def _kept(url: str) -> set[str]:
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        return {row[0] for row in await connection.fetch("SELECT name FROM brands")}
    finally:
        await connection.close()


def main(arguments: list[str]) -> int:
    """Exit code 0 if nothing that was acknowledged is lost, and nothing is left behind."""
    parser = argparse.ArgumentParser(
        "bench crashes", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        before = _traces(data_dir / "postgres")
        with Embedded(data_dir) as cluster:
            asyncio.run(_prepare(cluster.url()))
        server = Server(data_dir)
        try:
            book = asyncio.run(_torture(server, given.rounds, given.writers, random.Random(given.seed)))
        finally:
            server.process.terminate()
            code = server.process.wait(PATIENCE)
            if server.process.stdout is not None:
                server.process.stdout.close()
        left = _traces(data_dir / "postgres") - before
        with Embedded(data_dir) as cluster:
            lost = set(book.acknowledged) - asyncio.run(_kept(cluster.url()))
    for victim, seconds in book.outages.items():
        print(
            f"{victim:18} {len(seconds):3} times, outage {median(seconds):.2f} s (median), {max(seconds):.2f} s (longest)"
        )
    print(", ".join(f"{name}: {count:,}" for name, count in book.answers.most_common()))
    print(
        f"{len(lost)} lost of {len(book.acknowledged):,}; left behind: {', '.join(sorted(left)) or 'nothing'}; exit code {code}"
    )
    return 1 if lost or left or code else 0
