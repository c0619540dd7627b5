"""Streams that were reserved, and that nobody takes up."""

import pytest

from tests.api import token
from tests.facts import create_campaign
from tests.live import ENGAGEMENTS, Server, eventually


@pytest.fixture
def environment() -> dict[str, str]:
    return {"WEBSOCKET_INIT_SECONDS": "3", "LIVE_PER_CLIENT": "1"}


async def test_reservations_of_one_name_in_two_workspaces_are_counted_apart(
    server: Server, other_workspace: int
) -> None:
    found = []
    for workspace in ("test", "test", "other", "other"):
        headers = {"authorization": f"Bearer {token(workspace)}"}
        found.append((await server.api.client.put("/graphql", headers=headers)).status_code)
    assert found == [201, 429, 201, 429]


async def test_what_runs_for_a_reservation_that_nobody_takes_up_is_stopped(server: Server) -> None:
    campaign = await create_campaign(server.api)
    key = (await server.api.client.put("/graphql", headers=server.api._headers)).text
    body = {"query": ENGAGEMENTS, "variables": {"ids": [campaign]}, "extensions": {"operationId": "1"}}
    answer = await server.api.client.post("/graphql", json=body, headers={"x-graphql-event-stream-token": key})
    assert answer.status_code == 202
    assert await eventually(lambda: server.state.live.subscriptions.total() == 1)
    assert await eventually(lambda: server.state.live.subscriptions.total() == 0)
