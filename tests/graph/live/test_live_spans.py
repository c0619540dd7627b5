"""Spans of streams: each operation of a WebSocket is a trace of its own, and so is each batch of events."""

from collections.abc import Iterator

import pytest

from tests.facts import create_campaign, react
from tests.live import ENGAGEMENTS, Server, eventually
from tests.spans import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector of this test's own."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def environment(receiver: Receiver) -> dict[str, str]:
    """Spans are sent soon."""
    return {"WORKER": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by the SDK itself."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


async def test_over_a_websocket(server: Server, receiver: Receiver) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        assert await eventually(lambda: len(receiver.named("GET /graphql")) == 1)  # though it is still open
        await socket.subscribe("query Who { viewer { subject } }", "q")
        await socket.payload("q")
        await socket.next()
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        assert await eventually(lambda: len(server.state.streams.groups) == 1)
        await react(server.api, campaign, "ada")
        await socket.event()
        assert await eventually(lambda: len(receiver.named("subscription")) == 2)
    handshake, query = receiver.one("GET /graphql"), receiver.one("query")
    opened, told = sorted(receiver.named("subscription"), key=lambda span: span.began)
    assert (handshake.attributes["http.response.status_code"], handshake.attributes["http.route"]) == (101, "/graphql")
    for one, links in ((query, [handshake.id]), (opened, [handshake.id]), (told, [])):  # who listens share what is told
        assert (one.kind, one.parent, one.links, one.failed) == ("SERVER", "", links, False)
    assert len({handshake.trace, query.trace, opened.trace, told.trace}) == 4
    assert told.attributes["groundswell.live.events"] == 1
    assert [span.name for span in receiver.children(told)] == []  # nothing of the event was asked for that is read


async def test_over_events_of_the_server(server: Server, receiver: Receiver) -> None:
    campaign = await create_campaign(server.api)
    query = "subscription Follow($ids: [ID!]!) { engagements(campaignIds: $ids) { kind engagement { id } } }"
    async with server.sse(query, ids=[campaign]) as lines:
        assert await eventually(lambda: len(server.state.streams.groups) == 1)
        await react(server.api, campaign, "ada")
        await lines.event()
    assert await eventually(lambda: len(receiver.named("subscription")) == 2)
    opened, told = sorted(receiver.named("subscription"), key=lambda span: span.began)
    assert await eventually(lambda: opened.parent in {span.id for span in receiver.spans})
    [request] = [span for span in receiver.spans if span.id == opened.parent]
    assert (request.name, request.trace, request.kind) == ("POST /graphql", opened.trace, "SERVER")
    assert opened.attributes["graphql.operation.name"] == "Follow"
    assert (told.parent, told.links) == ("", [])
    names = [span.name for span in receiver.children(told)]
    assert (names[0], names[-1]) == ("BEGIN", "COMMIT")
