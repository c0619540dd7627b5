"""What is counted of the live stream."""

import pytest

from tests.facts import create_campaign, react
from tests.live import ENGAGEMENTS, Server, eventually
from tests.metrics import samples


@pytest.fixture
def environment() -> dict[str, str]:
    """Nobody works in the background here."""
    return {"WORKER": "off"}


async def test_connections_subscriptions_and_messages(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket, server.sse(ENGAGEMENTS, ids=[campaign]) as lines:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        await socket.subscribe("subscription { nope }", "2")
        await socket.errors()
        assert await eventually(lambda: server.state.live.subscriptions.total() == 2)
        assert await eventually(lambda: len(server.state.streams.groups) == 1)
        await react(server.api, campaign, "ada")
        await socket.event()
        await lines.event()
        found = await samples(server.api, "live")
        position = found["live_position"]
        assert found == {
            "live_connections{websocket}": 1,
            "live_connections{sse}": 1,
            "live_connections{multipart}": 0,
            "live_subscriptions": 2,
            "live_groups": 1,
            "live_messages_total": 2,
            "live_ended_total{GRAPHQL_VALIDATION_FAILED}": 1,
            "live_ended_total{LAGGED}": 0,
            "live_mailbox_messages": 0,
            "live_mailbox_messages_max": 0,
            "live_position": position,
            "live_sequencer_leader": 1,
            "live_outbox_entries": 0,
            "live_log_position": position,
            "live_lag_entries": 0,
        }
        assert position > 0
        operations = await samples(server.api, "operations_total")
        assert (
            operations["operations_total{ok,websocket,subscription}"],
            operations["operations_total{ok,sse,subscription}"],
        ) == (1, 1)
    assert await eventually(lambda: len(server.state.connections) == 0)
    found = await samples(server.api, "live")
    assert (found["live_connections{websocket}"], found["live_connections{sse}"], found["live_groups"]) == (0, 0, 0)


async def test_who_asks_for_too_much_is_counted_by_code(server: Server) -> None:
    server.state.live.limits = type(server.state.live.limits)(per_client=0)
    campaign = await create_campaign(server.api)
    async with server.sse(ENGAGEMENTS, ids=[campaign]) as lines:
        await lines.event()
    assert (await samples(server.api, "live_ended"))["live_ended_total{LIMIT_REACHED}"] == 1
