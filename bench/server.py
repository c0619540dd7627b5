"""What the benchmarks run on: a database of their own, and the application in this process or beside it."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from db import migrate
from db.embedded import Embedded
from graph.app import build_app
from graph.settings import Settings
from graph.tokens import make_token

SECRET = "the benchmark's own secret, which is 32 bytes long"
Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """A migrated, durable embedded server in a folder that is thrown away."""
    with Embedded(folder) as cluster:
        asyncio.run(migrate.upgrade(cluster.url()))
        yield cluster.url()


def token(workspace: str) -> str:
    """A token for the benchmark's servers."""
    scopes = ("read", "write", "ingest", "live", "admin")
    return make_token(SECRET, subject="bench", workspace=workspace, scopes=scopes, ttl=timedelta(hours=2))


@asynccontextmanager
async def application(url: str, data_dir: Path, workspace: str) -> AsyncIterator[Ask]:
    """The whole application in this process, asked without a network."""
    app = build_app(Settings.from_env({"JWT_SECRET": SECRET, "COST_BUDGET": "0"}, data_dir=data_dir), url)
    headers = {"authorization": f"Bearer {token(workspace)}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://bench", headers=headers
    ) as client:

        async def ask(query: str, variables: dict[str, Any]) -> Any:
            answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
            if "errors" in answer:
                raise RuntimeError(f"the answer has errors: {answer['errors']}")
            return answer["data"]

        yield ask
    await app.state.database.close()


@contextmanager
def serving(url: str) -> Iterator[str]:
    """A server process of its own on the database; answers its address."""
    command = [sys.executable, "-c", "from graph.cli import main; main()", "serve", "--no-demo", "--port", "0"]
    environment = os.environ | {"DATABASE_URL": url, "JWT_SECRET": SECRET, "COST_BUDGET": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield address_of(process)
        finally:
            process.terminate()


def address_of(process: "subprocess.Popen[str]") -> str:
    """The address that a server prints once it answers."""
    for line in process.stdout or ():
        match = re.search(r"http://\S+:\d+", line)
        if match is not None:
            return match[0]
    raise RuntimeError("the server did not start")
