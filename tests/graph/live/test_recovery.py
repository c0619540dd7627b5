"""What goes away comes back: connections, wake-ups, whoever numbers, the process itself."""

from pathlib import Path

import pytest
from sqlalchemy import text

from bench.soak import soak
from db.queries.live import sequencing
from tests.facts import create_campaign, react, share
from tests.live import ENGAGEMENTS, Server, Socket, eventually

TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE :name"


async def terminate(server: Server, name: str) -> int:
    """Ends the backends of this test's database that have such a name; answers how many."""
    async with server.api.database.engine.connect() as connection:
        await connection.execute(text("SET application_name = 'the one that terminates'"))
        ended = (await connection.execute(text(TERMINATE), {"name": name})).scalar()
        await connection.execute(text("RESET application_name"))
    return int(ended or 0)


async def engaged(server: Server, socket: Socket, campaign: str) -> None:
    """One engagement, and that it is told."""
    done = (await share(server.api, campaign, "ada"))["share"]["id"]
    assert (await socket.event())["engagementId"] == done


@pytest.mark.parametrize("name", ["groundswell sequencer", "groundswell tailer", "groundswell", "groundswell%"])
async def test_a_lost_connection_is_made_again(server: Server, name: str) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await engaged(server, socket, campaign)
        assert await terminate(server, name) >= 1
        await engaged(server, socket, campaign)
        assert await terminate(server, name) >= 1
        await engaged(server, socket, campaign)


async def test_a_lost_wake_up_is_made_up_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencing, "CHANNEL", "nobody_listens_here")
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await react(server.api, campaign, "ada")
        assert (await socket.event())["type"] == "LIKE"


async def test_what_another_process_commits_is_numbered_without_a_nudge(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    server.api.database.on_announcement = None
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await engaged(server, socket, campaign)


async def test_a_client_that_leaves_leaves_nothing(server: Server) -> None:
    campaign = await create_campaign(server.api)
    for _ in range(3):
        async with server.sse(ENGAGEMENTS, ids=[campaign]) as lines:
            await lines.line()
        async with server.socket() as socket:
            await socket.subscribe(ENGAGEMENTS, ids=[campaign])
    assert await eventually(lambda: len(server.state.connections) + len(server.state.streams.groups) == 0)
    assert await eventually(lambda: dict(server.state.live.subscriptions) == {})


@pytest.mark.timeout(180)
async def test_nothing_is_lost_while_servers_are_killed(database_url: str, tmp_path: Path) -> None:
    """The soak of bench, small: two servers, killed, stopped and cut off in turn. `make bench ARGS=soak` is the large one."""
    book = await soak(database_url, tmp_path, events=4_000, writers=3, subscribers=4, every=0.7, patience=60)
    assert book.faults() == []
    assert book.written >= 4_000
    assert book.accidents["servers killed (SIGKILL)"] >= 1
