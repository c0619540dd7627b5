"""A server that is to stop leaves its balancer first, and nobody notices that it went."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from bench.restarts import restarts
from tests.facts import create_campaign, react
from tests.live import ENGAGEMENTS, Server, eventually
from tests.recounted import waits


@pytest.fixture
def environment() -> dict[str, str]:
    """It drains until the test is done with it."""
    return {"DRAIN_SECONDS": "60"}


async def draining(server: Server) -> Any:
    """Tells the server to stop; answers what it says of itself once it is about to."""
    server.uvicorn.should_exit = True
    async with asyncio.timeout(20):
        while True:
            answer = await server.api.client.get("/health/ready")
            if answer.json()["status"] == "draining":
                return answer


@pytest.fixture(autouse=True)
def _ends(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test waits for the time to be over."""
    server = request.getfixturevalue("server") if "server" in request.fixturenames else None
    yield
    if server is not None:
        ends_now(server)


def ends_now(server: Server) -> None:
    """The time for draining is over."""
    drained: Any = server.uvicorn
    drained._leaves_at = 0.0


@asynccontextmanager
async def held(server: Server) -> AsyncIterator[asyncio.Task[Any]]:
    """A request that is being answered for as long as the block runs."""
    campaign = await create_campaign(server.api)
    async with server.api.database.engine.connect() as connection:
        await connection.execute(text("BEGIN"))
        await connection.execute(text("LOCK engagements IN ACCESS EXCLUSIVE MODE"))
        task = asyncio.create_task(react(server.api, campaign, "ada"))
        await waits(server.api.database)
        yield task
        await connection.execute(text("ROLLBACK"))


async def test_balancers_are_told_while_requests_are_answered(server: Server) -> None:
    answer = await draining(server)
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    for _ in range(3):
        answer = await server.api.client.post("/graphql", json={"query": "{ __typename }"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert answer.headers.get_list("date")
    assert not server.uvicorn.force_exit


async def test_before_that_connections_are_kept(server: Server) -> None:
    answer = await server.api.client.post("/graphql", json={"query": "{ __typename }"})
    assert "connection" not in answer.headers


async def test_streams_go_on_and_come_until_nobody_is_let_in(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as before:
        await before.subscribe(ENGAGEMENTS, ids=[campaign])
        await draining(server)
        async with server.socket() as meanwhile:
            assert meanwhile.connection.response is not None
            assert meanwhile.connection.response.headers.get_all("connection") == ["Upgrade"]
            await meanwhile.subscribe(ENGAGEMENTS, ids=[campaign])
            assert await eventually(lambda: len(server.state.streams.groups) == 1)
            await react(server.api, campaign, "ada")
            assert (await before.event())["type"] == (await meanwhile.event())["type"] == "LIKE"
            ends_now(server)
            reason = "The server is stopping. Connect again, and go on from your last cursor."
            assert await before.closed() == await meanwhile.closed() == (1012, reason)
    with pytest.raises(httpx.ConnectError):
        await server.api.client.get("/health/live")


async def test_what_runs_is_finished(server: Server) -> None:
    async with held(server) as task:
        await draining(server)
        ends_now(server)
        with pytest.raises(httpx.ConnectError):
            await eventually_refused(server)
        assert not task.done()
    assert (await task)["created"] is True


async def eventually_refused(server: Server) -> None:
    async with asyncio.timeout(20):
        while True:
            await server.api.client.get("/health/live")


async def test_who_insists_is_obeyed_at_once(server: Server) -> None:
    async with held(server) as task:
        await draining(server)
        server.uvicorn.handle_exit(15, None)
        with pytest.raises(httpx.TransportError):
            await task
    server.uvicorn._captured_signals.clear()  # of nobody: the tests are not to end


@pytest.mark.timeout(240)
async def test_nobody_notices_a_rolling_restart(database_url: str, tmp_path: Path) -> None:
    """The bench, small: `make bench ARGS=restarts` is the large one."""
    result = await restarts(database_url, tmp_path, rounds=1, clients=2, subscribers=2, drain=3, pause=0.05)
    assert result.faults() == []
    assert (result.restarts, result.refused) == (2, 0)
    assert result.acknowledged > 0
    assert result.book.written > 0
