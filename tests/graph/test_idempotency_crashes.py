"""A server that is killed in the middle of a keyed request: whoever sends it again finds one effect and one answer."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from db.engine import Database
from tests.api import SECRET, Api, build
from tests.keyed import BRAND, SEVERAL, is_replay, send
from tests.killed import POINTS

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
MOST_LOST = 20
"""Connections that are ended one by one: who is always interrupted never ends."""
VARIABLES = {"n": "Acme", "input": {"name": "Spring", "key": "spring"}}


@asynccontextmanager
async def serving(url: str, folder: Path, *module: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server process of its own on a database, and its address."""
    line = [sys.executable, *module, "serve", "--no-demo", "--port", "0", "--data-dir", str(folder)]
    executor = os.environ.get("EXECUTOR", "")
    own = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "WORKER": "off", "EXECUTOR": executor, "COLUMNS": "200"}
    with (folder / "serve.err").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *line, cwd=ROOT, env=os.environ | own, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            found = None
            while found is None:
                printed = await process.stdout.readline()
                assert printed, f"it ended with {await process.wait()}"
                found = re.search(r"http://127\.0\.0\.1:[1-9]\d*", printed.decode())
        yield process, found[0]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def counted(database: Database) -> list[int]:
    tables = ("brands", "campaigns", "idempotency_keys")
    async with database.everywhere() as transaction:
        return [int(await transaction.scalar(text(f"SELECT count(*) FROM {table}"))) for table in tables]


async def nobody_is_left(database: Database) -> None:
    """Returns once PostgreSQL has noticed that a process is gone."""
    left = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            async with database.everywhere() as transaction:
                if not await transaction.scalar(left):
                    return


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_server_has_done_all_of_it_or_nothing(
    api: Api, database: Database, database_url: str, tmp_path: Path, point: str
) -> None:
    async with serving(database_url, tmp_path, "-m", "tests.killed", point) as (process, address):
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await send(Api(client, api._state, api.credential), "k", SEVERAL, **VARIABLES)
        assert await process.wait() == -signal.SIGKILL
    await nobody_is_left(database)
    is_committed = point == "committed"
    assert await counted(database) == ([1, 1, 1] if is_committed else [0, 0, 0])
    again = await send(api, "k", SEVERAL, **VARIABLES)
    once_more = await send(api, "k", SEVERAL, **VARIABLES)
    assert [is_replay(again), is_replay(once_more)] == [is_committed, True]
    assert again.content == once_more.content
    data = again.json()["data"]
    assert [data["a"]["brand"]["name"], data["b"]["campaign"]["key"]] == ["Acme", "spring"]
    assert data["c"] == {"brand": None, "userErrors": [{"code": "CONFLICT"}]}
    assert await counted(database) == [1, 1, 1]


async def test_many_that_lose_their_server_ask_another(
    api: Api, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with (
        serving(database_url, tmp_path, "-m", "tests.killed", "committed") as (_, address),
        httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client,
    ):
        dying = Api(client, api._state, api.credential)

        async def insist() -> httpx.Response:
            try:
                return await send(dying, "k", BRAND, n="Acme")
            except httpx.TransportError:
                return await send(api, "k", BRAND, n="Acme")

        answers = await asyncio.gather(*(insist() for _ in range(50)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert all(is_replay(answer) for answer in answers)
    assert await counted(database) == [1, 0, 1]


async def test_connections_that_are_lost_at_any_moment_leave_one_effect(
    api: Api, database: Database, database_url: str, tmp_path: Path
) -> None:
    lost = 0
    terminate = text(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND application_name LIKE 'groundswell%' AND state <> 'idle' ORDER BY random() LIMIT 1)"
    )

    async def insist(number: int, server: Api) -> None:
        answers: list[httpx.Response] = []
        while len(answers) < 2:
            answer = await send(server, f"k{number}", BRAND, n=f"Acme {number}")
            if answer.json().get("data") is not None:
                answers.append(answer)
        assert answers[0].json()["data"]["createBrand"]["brand"]["name"] == f"Acme {number}"
        assert answers[1].content == answers[0].content

    with capture_logs():  # each is told with its whole story
        async with build(database_url, tmp_path) as other, database.engine.connect() as connection:
            for server in (api, other):
                await server.data("{ viewer { subject } }")
            asking = [asyncio.create_task(insist(number, (api, other)[number % 2])) for number in range(20)]
            while lost < MOST_LOST and not all(task.done() for task in asking):
                lost += int((await connection.execute(terminate)).scalar_one())
                await asyncio.wait(asking, timeout=0.1)
            await asyncio.gather(*asking)
    assert lost > 0
    assert await counted(database) == [20, 0, 20]
