"""An export as it goes on: every step that is seen, and the end of the stream behind the last one."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.exports import JobStatus
from graph.ids import encode
from tests.api import token
from tests.exports import put_job, set_status
from tests.facts import create_campaign
from tests.live import Server, Socket, eventually

PROGRESS = "subscription ($id: ID!) { exportJob(id: $id) { status rowsDone rowsTotal parts { index } } }"
CANCEL = "mutation ($id: ID!) { cancelExport(input: {id: $id}) { userErrors { code } } }"
COMPLETE = {"id": "1", "type": "complete"}
DONE = {"status": "SUCCEEDED", "rowsDone": 2, "rowsTotal": 2, "parts": [{"index": 0}, {"index": 1}]}


@pytest.fixture(params=["breadth-first", "stock"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"WORKER": "off", "EXECUTOR": request.param}


@pytest.fixture
async def job(server: Server, workspace: int) -> int:
    """An export that runs and has written nothing yet."""
    return await put_job(server.api.database, workspace, await create_campaign(server.api))


@pytest.fixture
async def done(server: Server, workspace: int) -> int:
    """An export that has ended well."""
    campaign = await create_campaign(server.api)
    return await put_job(server.api.database, workspace, campaign, JobStatus.SUCCEEDED, [b"1", b"2"])


async def step(socket: Socket) -> Any:
    """What the next message shows."""
    return (await socket.payload())["data"]["exportJob"]


async def test_each_step_comes_and_then_the_end(server: Server, workspace: int, database: Database, job: int) -> None:
    async with server.socket() as socket:
        await socket.subscribe(PROGRESS, id=encode("ExportJob", job))
        seen = [await step(socket)]
        for values in ({"rows_total": 9}, {"rows_done": 9}, {"status": "SUCCEEDED"}):
            await set_status(database, workspace, job, values)
            seen.append(await step(socket))
        assert await socket.next() == COMPLETE
    assert [(one["status"], one["rowsDone"], one["rowsTotal"]) for one in seen] == [
        ("RUNNING", 0, 0),
        ("RUNNING", 0, 9),
        ("RUNNING", 9, 9),
        ("SUCCEEDED", 9, 9),
    ]


async def test_what_is_called_off_ends_too(server: Server, job: int) -> None:
    async with server.socket() as socket:
        await socket.subscribe(PROGRESS, id=encode("ExportJob", job))
        await step(socket)
        await server.api.data(CANCEL, id=encode("ExportJob", job))
        assert (await step(socket))["status"] == "CANCELLED"
        assert await socket.next() == COMPLETE


async def test_what_has_ended_is_told_once(server: Server, done: int) -> None:
    async with server.socket() as socket:
        for _ in range(2):  # the name of the operation is free again
            await socket.subscribe(PROGRESS, id=encode("ExportJob", done))
            assert await step(socket) == DONE
            assert await socket.next() == COMPLETE
    assert await eventually(lambda: not server.state.live.hub.is_listened_to)
    assert len(server.state.streams.groups) == 0
    assert await eventually(lambda: dict(server.state.live.subscriptions) == {})


async def test_an_end_that_changes_nothing_selected_is_an_end(
    server: Server, workspace: int, database: Database, job: int
) -> None:
    async with server.socket() as socket:
        await socket.subscribe(
            "subscription ($id: ID!) { exportJob(id: $id) { dataset } }", id=encode("ExportJob", job)
        )
        assert await step(socket) == {"dataset": "EVENTS"}
        await set_status(database, workspace, job, {"status": "SUCCEEDED"})
        assert await socket.next() == COMPLETE


async def test_all_that_watch_are_told_the_same(server: Server, workspace: int, database: Database, job: int) -> None:
    names = [str(number) for number in range(5)]
    async with server.socket() as socket:
        for name in names:
            await socket.subscribe(PROGRESS, name, id=encode("ExportJob", job))
            await socket.payload(name)
        assert len(server.state.streams.groups) == 1
        await set_status(database, workspace, job, {"status": "FAILED", "error_message": "No space."})
        messages = [await socket.next() for _ in range(10)]
    told = [
        (message["id"], message["payload"]["data"]["exportJob"]["status"])
        for message in messages
        if "payload" in message
    ]
    assert sorted(told) == [(name, "FAILED") for name in names]
    assert sorted(message["id"] for message in messages if message["type"] == "complete") == names


async def test_a_stream_of_events_completes(server: Server, workspace: int, database: Database, job: int) -> None:
    async with server.sse(PROGRESS, id=encode("ExportJob", job)) as lines:
        assert json.loads((await lines.event())["data"])["data"]["exportJob"]["status"] == "RUNNING"
        await set_status(database, workspace, job, {"status": "SUCCEEDED"})
        assert json.loads((await lines.event())["data"])["data"]["exportJob"]["status"] == "SUCCEEDED"
        assert (await lines.event())["event"] == "complete"
        with pytest.raises(StopAsyncIteration):
            await lines.event()


async def test_a_multipart_response_ends(server: Server, done: int) -> None:
    accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
    async with server.sse(PROGRESS, accept=accept, id=encode("ExportJob", done)) as lines:
        found = (await lines.response.aread()).decode().split("\r\n")
    assert json.loads(found[7]) == {"payload": {"data": {"exportJob": DONE}}}
    assert found[8:] == ["--graphql--", ""]


async def test_one_connection_for_all_operations_is_told_which_is_complete(server: Server, done: int) -> None:
    client = server.api.client
    reserved = (await client.put("/graphql", headers={"authorization": f"Bearer {server.credential}"})).text
    body = {
        "query": PROGRESS,
        "variables": {"id": encode("ExportJob", done)},
        "extensions": {"operationId": "e"},
    }
    headers = {"accept": "text/event-stream"}
    async with client.stream("GET", "/graphql", params={"token": reserved}, headers=headers) as response:
        asked = await client.post("/graphql", json=body, headers={"x-graphql-event-stream-token": reserved})
        assert asked.status_code == 202
        lines = [line async for line in _until_complete(response)]
    assert lines[-1] == 'data: {"id":"e"}'


async def _until_complete(response: Any) -> Any:
    ended = False
    async for line in response.aiter_lines():
        yield line
        if ended:
            return
        ended = line == "event: complete"


@pytest.mark.parametrize(
    ("id_", "code"),
    [(encode("ExportJob", 999999), "NOT_FOUND"), (encode("Campaign", 1), "BAD_USER_INPUT"), ("x", "BAD_USER_INPUT")],
)
async def test_what_is_not_there_is_an_error(server: Server, id_: str, code: str) -> None:
    async with server.socket() as socket:
        await socket.subscribe(PROGRESS, id=id_)
        [error] = await socket.errors()
    assert error["extensions"] == {"code": code}


async def test_a_restricted_client_watches_its_own_only(
    server: Server, workspace: int, database: Database, job: int
) -> None:
    campaign = await create_campaign(server.api)
    mine = await put_job(database, workspace, campaign, JobStatus.RUNNING)
    query = """mutation ($campaign: ID!) { createApiClient(input: {name: "P", scopes: [READ, LIVE],
      campaignIds: [$campaign]}) { secret } }"""
    secret = (await server.api.as_(token(scopes=("admin",))).data(query, campaign=campaign))["createApiClient"][
        "secret"
    ]
    async with database.write(workspace) as transaction:
        await transaction.run(
            text("UPDATE export_jobs SET api_client_id = (SELECT id FROM api_clients) WHERE id = :id"), {"id": mine}
        )
    async with server.socket(secret) as socket:
        await socket.subscribe(PROGRESS, id=encode("ExportJob", job))
        [error] = await socket.errors()
        assert error["extensions"] == {"code": "NOT_FOUND"}
        await socket.subscribe(PROGRESS, id=encode("ExportJob", mine))
        await step(socket)
        await set_status(database, workspace, mine, {"status": "SUCCEEDED"})
        assert (await step(socket))["status"] == "SUCCEEDED"
        assert await socket.next() == COMPLETE


async def test_links_lead_to_the_port_that_was_taken(server: Server, done: int) -> None:
    async with server.socket() as socket:
        await socket.subscribe(
            "subscription ($id: ID!) { exportJob(id: $id) { manifestUrl } }", id=encode("ExportJob", done)
        )
        assert (await step(socket))["manifestUrl"].startswith(f"{server.address}/files/exports/")
