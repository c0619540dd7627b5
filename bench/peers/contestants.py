"""The servers that are compared, each one process, and how each is asked."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from bench.fleet import free_port
from bench.peers import load
from bench.peers.data import WORKSPACE
from bench.peers.node import node, script
from bench.peers.raw import PATHS, STATEMENTS
from bench.peers.workloads import Dialect, Workload, as_is, postgraphile
from bench.server import SECRET, address_of, token

HOST = "127.0.0.1"
OURS = "groundswell"


@dataclass
class Contestant:
    """One server: what starts it, and what is sent to it."""

    name: str
    title: str
    port: int
    command: list[str]
    environment: dict[str, str]
    dialect: Dialect = as_is
    authorization: str | None = None
    prefix: str | None = None
    """Of the paths of a contestant that knows no GraphQL."""
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def answers(self, workload: Workload) -> bool:
        """Whether it takes part in a workload."""
        return self.prefix is None or f"{self.prefix}{workload.path}" in PATHS

    def head(self, workload: Workload) -> bytes:
        """The head of its requests."""
        path = "/graphql" if self.prefix is None else f"{self.prefix}{workload.path}"
        return load.head(HOST, self.port, path, self.authorization)

    def body(self, workload: Workload) -> Callable[[int], bytes]:
        """The bodies of its requests, by number."""
        always = b"" if self.prefix is not None else workload.body(1, self.dialect)
        if self.prefix is not None or always == workload.body(2, self.dialect):
            return lambda _: always  # made once, so that no dialect costs the load more than another
        return lambda number: workload.body(number, self.dialect)

    @property
    def pid(self) -> int:
        """The process id."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.process.pid

    @contextmanager
    def running(self, log: Path) -> Iterator[None]:
        """Starts it and waits until it listens; ends it."""
        # A session of its own: Ctrl-C is for the benchmark, which ends them all.
        with (
            log.open("w") as errors,
            subprocess.Popen(
                self.command,
                env=os.environ | self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            try:
                self._started(process, log)
                yield
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _started(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        try:
            address_of(process)
        except RuntimeError as error:
            raise RuntimeError(f"{self.name} did not start:\n{log.read_text()[-2000:]}") from error


def groundswell(name: str, title: str, url: str, executor: str) -> Contestant:
    """Groundswell, with one of its executors."""
    port = free_port()
    command = [sys.executable, "-c", "from graph.cli import main; main()", "serve", "--no-demo", "--port", str(port)]
    environment = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "EXECUTOR": executor, "COST_BUDGET": "0"}
    return Contestant(name, title, port, command, environment, authorization=f"Bearer {token(WORKSPACE)}")


def of_node(name: str, title: str, url: str, dialect: Dialect) -> Contestant:
    """A server of the folder ``node``, in production."""
    port = free_port()
    environment = {
        "PORT": str(port),
        "PEER_URL": libpq(url),
        "STATEMENTS": str(STATEMENTS),
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    return Contestant(name, title, port, [str(node()), str(script(f"{name}.mjs"))], environment, dialect)


def by_hand(name: str, title: str, url: str, prefix: str) -> Contestant:
    """The server without GraphQL."""
    port = free_port()
    command = [sys.executable, "-m", "bench.peers.raw", libpq(url), str(port)]
    return Contestant(name, title, port, command, {}, prefix=prefix)


MAKERS: dict[str, Callable[[str, str], Contestant]] = {
    OURS: lambda name, url: groundswell(name, "Groundswell", url, "breadth-first"),
    "stock": lambda name, url: groundswell(name, "Groundswell, stock executor", url, "stock"),
    "postgraphile": lambda name, url: of_node(name, "PostGraphile 5", url, postgraphile),
    "mercurius": lambda name, url: of_node(name, "Mercurius, graphql-jit", url, as_is),
    "rows": lambda name, url: by_hand(name, "asyncpg rows, orjson", url, "/rows/"),
    "sql": lambda name, url: by_hand(name, "one SQL statement", url, "/sql/"),
}
"""By the names that are options."""


def contestants(url: str, names: Sequence[str]) -> list[Contestant]:
    """Those of some names, on a database. Raises NoPeersError."""
    return [make(name, url) for name, make in MAKERS.items() if name in names]


def libpq(url: str) -> str:
    """SQLAlchemy's URL as libpq, asyncpg and node-postgres read it, the directory of a unix socket included."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [""])[0]
    return f"postgres://{parts.netloc or 'postgres@'}{parts.path}" + (f"?host={quote(host, safe='/')}" if host else "")
