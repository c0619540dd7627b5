"""What measuring costs: the same requests to applications that measure and one that does not, in turn, in one process.

Times are those of its main thread on a CPU, from the request's bytes to the answer's: no network, and PostgreSQL's share left out.
"""

import argparse
import asyncio
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

from starlette.types import ASGIApp, Message

from bench.server import SECRET, embedded, token
from db.engine import Database
from db.queries import workspaces
from graph.app import build_app
from graph.settings import Settings

OPERATIONS = {
    "hello": "{ viewer { subject } }",
    "nested": "{ campaigns(first: 10) { nodes { name channels(first: 3) { nodes { id } } } } }",
}
SETTINGS = {
    "off": {"METRICS": "off"},
    "off again": {"METRICS": "off"},
    "metrics": {"METRICS": "on"},
    "traces, none kept": {"METRICS": "off", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "always_off"},
    # To where nobody listens: what is measured is making spans, not sending them.
    "traces, all kept": {"METRICS": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
}
MOST = 10.0
"""Microseconds that metrics may add to a request that reads nothing."""
Request = Callable[[], Awaitable[None]]


def main(arguments: list[str]) -> int:
    """Prints microseconds for each operation and setting; 0 if metrics cost no more than they may."""
    options = argparse.ArgumentParser(prog="bench telemetry", description=__doc__)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--requests", type=int, default=100, help="of a round")
    given = options.parse_args(arguments)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # that nobody takes the spans
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "postgres") as url:
        return asyncio.run(_compare(url, Path(folder), given.rounds, given.requests))


async def _compare(url: str, folder: Path, rounds: int, requests: int) -> int:
    database = Database(url)
    await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    await database.close()
    apps = {
        name: build_app(Settings.from_env({"JWT_SECRET": SECRET, **more}, data_dir=folder), url)
        for name, more in SETTINGS.items()
    }
    added = 0.0
    for operation, query in OPERATIONS.items():
        asked = {name: _request(app, query) for name, app in apps.items()}
        spent: dict[str, list[float]] = {name: [] for name in asked}
        for name in asked:
            await _round(asked[name], requests)  # what is kept is made
        for number in range(rounds):
            names = list(asked)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                spent[name].append(await _round(asked[name], requests))
        plain = median(spent["off"])
        for name, times in spent.items():
            more = median(time - off for time, off in zip(times, spent["off"], strict=True))
            print(
                f"{operation:7} {name:18} {median(times):7.1f} us  {more:+6.1f} us  {plain / (plain + more):.3f} as many requests"
            )
            if (operation, name) == ("hello", "metrics"):
                added = more
    for app in apps.values():
        await app.state.database.close()
    return int(added > MOST)


def _request(app: ASGIApp, query: str) -> Request:
    body = json.dumps({"query": query}).encode()
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token('bench')}".encode())]

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and b'"errors"' in message["body"]:
            raise RuntimeError(message["body"].decode())

    async def request() -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/graphql",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)

    return request


async def _round(request: Request, requests: int) -> float:
    """Microseconds of a request."""
    began = thread_time()
    for _ in range(requests):
        await request()
    return (thread_time() - began) / requests * 1e6
