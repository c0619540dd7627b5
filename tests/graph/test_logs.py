"""What is in the log, and what never is: secrets, and what clients sent."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import URL, make_url
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from db.engine import Database
from db.queries import workspaces
from graph.redaction import redacted, text
from tests.api import SECRET, token
from tests.conftest import UrlOf, admin
from tests.live import WAIT

HIDDEN = "hunter2"
"""In whatever must not be in a log."""
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("postgresql://ada:hunter2@db/x", "postgresql://[redacted]@db/x"),
        ("at smtp://ada:hun@ter2@mail:25 now", "at smtp://[redacted]@mail:25 now"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
        ("b'authorization', b'bearer hunter2'", "b'authorization', b'[redacted]'"),
        ("authorization: Basic hunter2==", "authorization: Basic [redacted]"),
        (f"got {JWT}.", "got [redacted]."),
        ("gs_abcdefghijklmnopqrstuvwxyz is revoked", "[redacted] is revoked"),
        ("/files/a?expires=9&signature=hunter2&name=x", "/files/a?expires=9&signature=[redacted]&name=x"),
        ("/graphql?token=hunter2 HTTP/1.1", "/graphql?token=[redacted] HTTP/1.1"),
        (
            "?X-Amz-Signature=hunter2&X-Amz-Security-Token=hunter2",
            "?X-Amz-Signature=[redacted]&X-Amz-Security-Token=[redacted]",
        ),
        ('{"password": "hunter2", "name": "ada"}', '{"password": "[redacted]", "name": "ada"}'),
        ("GET /t/u/hunter2 failed", "GET /t/u/[redacted] failed"),
        (
            "duplicate key\nDETAIL:  Key (email)=(a@b\n\nhunter2) exists.\n[SQL: INSERT]",
            "duplicate key\nDETAIL:  [redacted]\n[SQL: INSERT]",
        ),
        ("E('dup\\nDETAIL:  Key (email)=(hunter2) exists.')", "E('dup\\nDETAIL:  [redacted]"),
        ("DETAIL:  (hunter2)\n\nThe above exception", "DETAIL:  [redacted]\n\nThe above exception"),
        (
            "invalid input for query argument $1: 'hunter2' (expected int)\n[SQL: SELECT]",
            "invalid input for query argument $1: [redacted]\n[SQL: SELECT]",
        ),
        ('invalid input syntax for type integer: "hunter2"', "invalid input syntax for type integer: [redacted]"),
        ("https://gs.example.com/graphql is fine", "https://gs.example.com/graphql is fine"),
        ("the mailing 5 of ada@example.com", "the mailing 5 of ada@example.com"),
    ],
)
def test_texts_lose_their_secrets(given: str, found: str) -> None:
    assert text(given) == found


def test_entries_lose_what_has_the_name_of_a_secret() -> None:
    entry: dict[str, Any] = {
        "event": "it failed",
        "Authorization": HIDDEN,
        "api_key": HIDDEN,
        "token_secret": HIDDEN,
        "body": HIDDEN,
        "variables": {"a": 1},
        "database_url": f"postgresql://ada:{HIDDEN}@db/x",
        "nested": {"password": HIDDEN, "rows": [1, {"cookie": HIDDEN}], "error": ValueError(f"?token={HIDDEN}")},
        "tokens": 12,
        "operation": "Dashboard",
    }
    assert redacted(None, "error", entry) == {
        "event": "it failed",
        "Authorization": "[redacted]",
        "api_key": "[redacted]",
        "token_secret": "[redacted]",
        "body": "[redacted]",
        "variables": "[redacted]",
        "database_url": "[redacted]",
        "nested": {
            "password": "[redacted]",
            "rows": [1, {"cookie": "[redacted]"}],
            "error": "ValueError('?token=[redacted]')",
        },
        "tokens": 12,
        "operation": "Dashboard",
    }


@pytest.mark.parametrize(
    "part", ["a-", "://", "DETAIL: ", "token", "'token", "'token':'", "eyJ", "bearer ", "?token=", "out of range"]
)
def test_no_text_takes_long(part: str) -> None:
    begun = time.process_time()
    text(part * (50_000 // len(part)))
    assert time.process_time() - begun < 1


SERVER = """
import asyncio, os
from graph import nodes
from graph.cli import main
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

async def broken(*_):
    engine = create_async_engine(os.environ["DATABASE_URL"], hide_parameters=True)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TEMP TABLE people (email text PRIMARY KEY)"))
            for _ in range(2):
                await connection.execute(text("INSERT INTO people VALUES (:e)"), {"e": "hunter2@example.com"})
    finally:
        await engine.dispose()

nodes.FETCHES["Brand"] = broken
main()
"""


class Process:
    """A server of its own, and what it has written."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, errors: Path) -> None:
        self._process, self.address, self._errors = process, address, errors
        self._said = b""

    async def stop(self) -> str:
        """Ends it. All that it wrote, here and there."""
        if self._process.returncode is None:
            self._process.terminate()
        said, _ = await asyncio.wait_for(self._process.communicate(), 60)
        return said.decode() + self._errors.read_text()


@asynccontextmanager
async def served(url: URL, tmp_path: Path) -> AsyncIterator[Process]:
    """A server of a database whose address holds a password."""
    environ = {
        **os.environ,
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "JWT_SECRET": SECRET,
        "LOG_LEVEL": "debug",
        "WORKER": "off",
        "DATABASE_POOL_TIMEOUT": "1",
    }
    line = [sys.executable, "-c", SERVER, "serve", "--no-demo", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with (tmp_path / "errors").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *line, env=environ, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        async for found in process.stdout:
            if found.startswith(b"Groundswell answers on "):
                yield Process(process, found.split()[3].decode().removesuffix("/graphql"), tmp_path / "errors")
                return
        raise AssertionError((tmp_path / "errors").read_text())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ask_badly(address: str) -> None:
    """Requests with secrets wherever there is room for one, all of which fail."""
    credential = f"Bearer {token(scopes=('read', 'write', 'ingest', 'live'))}"
    wrong = f"Bearer {HIDDEN}"
    node = {"query": "query A ($id: ID!) { node(id: $id) { id } }", "variables": {"id": "QnJhbmQ6MQ==", HIDDEN: HIDDEN}}
    mine = {"authorization": credential, "cookie": f"session={HIDDEN}", "x-api-key": HIDDEN}
    async with httpx.AsyncClient(base_url=address, timeout=WAIT) as client:
        failed = await client.post("/graphql", params={"secret": HIDDEN}, json=node, headers=mine)
        assert failed.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert HIDDEN not in failed.text
        json_type = {"content-type": "application/json"}
        await client.post("/graphql", content=f'{{"query": "{HIDDEN}', headers={**mine, **json_type})
        await client.post("/graphql", json=node, headers={"authorization": wrong})
        await client.post("/graphql", json=node, headers={"authorization": HIDDEN})
        await client.post("/graphql", json=node, headers={**mine, "accept": "text/event-stream"})
        await client.post("/ingest/events", content=f'{{"{HIDDEN}": {HIDDEN}', headers=mine)
        await client.get("/graphql", params={"query": f"{{ {HIDDEN} }}", "token": HIDDEN}, headers=mine)
        for path in (f"/files/{HIDDEN}?expires=9&signature={HIDDEN}", f"/t/c/{HIDDEN}", f"/t/u/{HIDDEN}", f"/{HIDDEN}"):
            await client.get(path, headers=mine)
        await client.put(f"/uploads/{HIDDEN}?signature={HIDDEN}&size=1&expires=9", content=HIDDEN)
    url = f"{address.replace('http', 'ws')}/graphql?token={HIDDEN}"
    for first in (json.dumps({"type": "connection_init", "payload": {"authorization": wrong}}), HIDDEN):
        with suppress(WebSocketException):
            async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
                await socket.send(first)
                await socket.recv()
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET /{HIDDEN} HTTP/x\r\nauthorization: {wrong}\r\n\r\n".encode())
    await asyncio.wait_for(reader.read(), WAIT)
    writer.close()


async def test_nothing_that_was_sent_is_in_the_log(url_of: UrlOf, template: str, tmp_path: Path) -> None:
    name = f"groundswell_logs_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    url = make_url(url_of(name))
    url = url if url.password else url.set(password=HIDDEN)
    try:
        database = Database(url_of(name))
        await workspaces.create(database, "test", "Test", "UTC", "EUR")
        await database.close()
        async with served(url, tmp_path) as process:
            await ask_badly(process.address)
            await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")
            async with httpx.AsyncClient(base_url=process.address, timeout=WAIT) as client:
                query = {"query": f'{{ campaignByKey(key: "{HIDDEN}") {{ id }} }}'}
                away = await client.post("/graphql", json=query, headers={"authorization": f"Bearer {token()}"})
                assert away.json()["errors"]
                assert not any(word in away.text for word in (HIDDEN, name, "asyncpg", "SELECT"))
            written = await process.stop()
    finally:
        await admin(url_of, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for secret in (HIDDEN, SECRET, "eyJ", str(url.password)):
        assert secret not in written
    entries = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    failures = [one for one in entries if one["event"] == "operation failed" and "people_pkey" in one["exception"]]
    assert len(failures) == 2
    for failure in failures:
        assert failure["level"] == "error"
        assert "DETAIL:  [redacted]" in failure["exception"]
        assert "graph/" in failure["exception"]  # where it happened is still told
