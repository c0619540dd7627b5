"""What measuring costs: the same requests to applications that measure and to some that do not, each in a process of its own,
which take turns.

In one process they would disturb each other: Python makes code fast for the types that it has seen there. Times are those of
a process's main thread on a CPU, from the request's bytes to the answer's: no network, PostgreSQL's share left out.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

from starlette.types import ASGIApp, Message

from bench.server import SECRET, embedded, token
from db.engine import Database
from db.queries import workspaces
from graph.app import build_app
from graph.serving import tune_garbage_collection
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
WARM = 300
"""Requests before anything is measured."""
Request = Callable[[], Awaitable[None]]


def main(arguments: list[str]) -> int:
    """Prints microseconds for each operation and setting; 0 if metrics cost no more than they may."""
    options = argparse.ArgumentParser(prog="bench telemetry", description=__doc__)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--requests", type=int, default=100, help="of a round")
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "postgres") as url:
        asyncio.run(_prepare(url))
        return _compare(url, folder, given.rounds, given.requests)


async def _prepare(url: str) -> None:
    database = Database(url)
    await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    await database.close()


def _compare(url: str, folder: str, rounds: int, requests: int) -> int:
    context = multiprocessing.get_context("spawn")
    asked: dict[str, Connection] = {}
    for name in SETTINGS:
        asked[name], theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, url, folder, SETTINGS[name]), daemon=True).start()
    added: dict[str, float] = {}
    for operation in OPERATIONS:
        spent: dict[str, list[float]] = {name: [] for name in asked}
        for connection in asked.values():
            _round(connection, operation, WARM)
        for number in range(rounds):
            names = list(asked)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                spent[name].append(_round(asked[name], operation, requests))
        added[operation] = _print(operation, spent)
    return int(added["hello"] > MOST)


def _print(operation: str, spent: dict[str, list[float]]) -> float:
    """Answers what metrics add."""
    plain, added = median(spent["off"]), {}
    for name, times in spent.items():
        more = added[name] = median(time - off for time, off in zip(times, spent["off"], strict=True))
        ratio = plain / (plain + more)
        print(
            f"{operation:7} {name:18} {median(times):7.1f} us  {more:+6.1f} us  {ratio:.3f} as many requests",
            flush=True,
        )
    return added["metrics"]


def _round(connection: Connection, operation: str, requests: int) -> float:
    connection.send((operation, requests))
    spent: float = connection.recv()
    return spent


def _work(connection: Connection, url: str, folder: str, settings: dict[str, str]) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # that nobody takes the spans
    app = build_app(Settings.from_env({"JWT_SECRET": SECRET, **settings}, data_dir=Path(folder)), url)
    asked = {operation: _request(app, query) for operation, query in OPERATIONS.items()}
    tune_garbage_collection()

    async def measure(request: Request, requests: int) -> float:
        began = thread_time()
        for _ in range(requests):
            await request()
        return (thread_time() - began) / requests * 1e6

    with asyncio.Runner() as runner, suppress(EOFError):  # the other side is done
        while True:
            operation, requests = connection.recv()
            connection.send(runner.run(measure(asked[operation], requests)))


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
