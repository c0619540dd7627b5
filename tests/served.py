"""A real ``groundswell serve`` on a data directory of its own, asked over the network; it and its database can be killed."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from db import migrate
from db.embedded import Cluster, Embedded
from db.embedded_account import find_binaries
from db.engine import Database
from db.queries import workspaces
from graph.development import development_secret
from graph.tokens import make_token

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "from graph.cli import main; main()"]
PATIENCE = 60.0
STEER = ("DATABASE_", "JWT_", "GROUNDSWELL_", "LIVE_", "LOG_LEVEL", "OBJECT_STORE_", "WORKER")
CREATE = "mutation ($name: String!) { createBrand(input: {name: $name}) { brand { id } userErrors { message } } }"


def environment() -> dict[str, str]:
    """Ours without what would steer the command."""
    return {name: value for name, value in os.environ.items() if not name.startswith(STEER)}


def groundswell(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    line = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def postgres_of(data_dir: Path) -> list[psutil.Process]:
    """All processes of the database of a data directory, but for zombies."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
                is_of_it = str(data_dir / "postgres") in (*process.cmdline(), process.cwd())
                found += [process] if is_of_it else []
        except psutil.Error:
            continue
    return found


def postmaster_of(data_dir: Path) -> int:
    """The pid that the pid file has."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def fill(data_dir: Path) -> None:
    """Makes a database there that is migrated and has the workspace ``acme``."""

    async def make(url: str) -> None:
        await migrate.upgrade(url)
        database = Database(url)
        await workspaces.create(database, "acme", "Acme", "UTC", "EUR")
        await database.close()

    with Embedded(data_dir, durable=False) as cluster:
        asyncio.run(make(cluster.url()))


def copy(template: Path, data_dir: Path) -> None:
    """Puts a copy of a data directory there, owners and all."""
    data_dir.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{template}/.", str(data_dir)], check=True)


def ask(cluster: Cluster, sql: str) -> str:
    """What a statement answers."""
    psql = str(find_binaries()[1] / "psql")
    line = [psql, "-XAtq", "-h", str(cluster.socket_dir), "-U", "postgres", "-d", "groundswell", "-c", sql]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def disk(path: Path, size: str) -> Iterator[None]:
    """A small disk there, which only root can make."""
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "none", str(path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill_up(folder: Path) -> None:
    """Takes all room of its disk, by the file ``ballast``."""
    (folder / "postgres.log").unlink(missing_ok=True)  # what its last page still has room for would be written
    with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(1 << 16)):
            pass


class Served:
    """One server process."""

    def __init__(self, data_dir: Path) -> None:
        self.errors = data_dir.parent / "serve.err"
        """What all servers of the data directory said on standard error."""
        line = [*COMMAND, "serve", "--no-demo", "--no-worker", "--port", "0", "--data-dir", str(data_dir)]
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                line, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.address = ""
        secret, scopes = development_secret(data_dir), ("read", "write", "live", "engage")
        self.token = make_token(
            secret, subject="ada", workspace="acme", scopes=scopes, ttl=timedelta(hours=1), actor={"userId": "ada"}
        )

    def wait(self) -> "Served":
        """Until it says where it answers."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line):
                self.address = found[0]
                return self
        raise AssertionError(f"it ended with {self.process.wait(PATIENCE)}: {self.errors.read_text()}")

    def ask(self, query: str, **variables: Any) -> tuple[int, Any]:
        """Status and body of an answer; 0 and None where there is none."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{self.address}/graphql", body, headers), None, 30
            ) as got:
                return got.status, json.loads(got.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        except OSError:
            return 0, None

    def create(self, name: str) -> str:
        """Makes a brand: OK, or the code of the error, or nothing where no answer came."""
        _, answer = self.ask(CREATE, name=name)
        if answer is None:
            return ""
        if answer.get("errors"):
            return str(answer["errors"][0]["extensions"]["code"])
        return "OK" if not answer["data"]["createBrand"]["userErrors"] else "CONFLICT"

    def campaign(self) -> str:
        """The id of a new campaign."""
        _, answer = self.ask('mutation { createCampaign(input: {name: "Spring"}) { campaign { id } } }')
        found: str = answer["data"]["createCampaign"]["campaign"]["id"]
        return found

    def share(self, campaign_id: str, key: str) -> None:
        """Shares it, however often it has to be tried: the key makes it once."""
        share = "mutation ($input: ShareInput!) { share(input: $input) { userErrors { message } } }"
        given = {"campaignId": campaign_id, "key": key, "source": key}
        deadline = time.monotonic() + PATIENCE
        while (answer := self.ask(share, input=given)[1]) is None or answer.get("errors"):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        assert answer["data"]["share"]["userErrors"] == []

    @contextmanager
    def stream(self, campaign_id: str) -> Iterator[Iterator[str]]:
        """The keys of what is shared of a campaign, as it is."""
        query = f'subscription {{ engagements(campaignIds: ["{campaign_id}"]) {{ engagement {{ source }} }} }}'
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "authorization": f"Bearer {self.token}",
        }
        request = urllib.request.Request(f"{self.address}/graphql", json.dumps({"query": query}).encode(), headers)
        with urllib.request.urlopen(request, None, PATIENCE) as events:
            lines = (line.decode() for line in events)
            yield (found[1] for line in lines if (found := re.search(r'"source":"([^"]+)"', line)))

    def create_in_the_end(self, name: str) -> float:
        """Makes a brand, however often it has to be tried: how many seconds that took."""
        began = time.monotonic()
        while (said := self.create(name)) not in ("OK", "CONFLICT"):
            assert time.monotonic() - began < PATIENCE, said
            time.sleep(0.02)
        return time.monotonic() - began

    def kept(self, names: list[str]) -> list[str]:
        """Those of the names whose brands are there: making them again is a conflict."""
        return [name for name in names if self.create(name) == "CONFLICT"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def said(self, what: str) -> bool:
        """Whether standard error has it."""
        return what in self.errors.read_text()

    def wait_for(self, what: str, seconds: float = 30.0) -> None:
        """Until standard error has it."""
        deadline = time.monotonic() + seconds
        while not self.said(what):
            assert time.monotonic() < deadline, self.errors.read_text()
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.02)


@contextmanager
def serving(data_dir: Path) -> Iterator[Served]:
    """A server, which is killed at the end if it still runs."""
    served = Served(data_dir)
    try:
        yield served
    finally:
        with served.process:
            if served.process.poll() is None:
                served.process.terminate()
