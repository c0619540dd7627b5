"""The protocol graphql-transport-ws, to the letter."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from websockets.exceptions import InvalidStatus

from tests.api import token
from tests.facts import create_campaign, react
from tests.graph.live.conftest import LIVE
from tests.live import ENGAGEMENTS, Server, eventually


@pytest.fixture
def environment() -> dict[str, str]:
    return {
        "LIVE_PER_CONNECTION": "3",
        "LIVE_PER_CLIENT": "5",
        "WEBSOCKET_INIT_SECONDS": "1",
        "WEBSOCKET_FRAME_BYTES": "2048",
        "ALLOWED_ORIGINS": "https://app.example.com",
    }


MALFORMED = [
    "[]",
    '"x"',
    "5",
    "null",
    "{",
    "{}",
    '{"type": 5}',
    '{"type": "nonsense"}',
    '{"type": "ping", "payload": []}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": [1], "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "extensions": 5}}',
    '{"type": "complete"}',
    '{"type": "connection_init", "payload": 5}',
]


async def test_malformed_frames_close_4400(server: Server) -> None:
    for frame in MALFORMED:
        async with server.raw() as socket:
            await socket.send(type="connection_init", payload={"authorization": f"Bearer {server.credential}"})
            assert (await socket.next())["type"] == "connection_ack"
            await socket.connection.send(frame)
            assert (await socket.closed())[0] == 4400, frame


async def test_a_binary_frame_closes_4400(server: Server) -> None:
    async with server.socket() as socket:
        await socket.connection.send(b'{"type": "ping"}')
        assert await socket.closed() == (4400, "Binary frames are not spoken here")


async def test_what_is_said_before_the_init_closes_4401(server: Server) -> None:
    async with server.raw() as socket:
        await socket.subscribe("{ liveCursor }")
        assert await socket.closed() == (4401, "Unauthorized: send connection_init first")


async def test_nobody_is_let_in_without_a_good_token(server: Server) -> None:
    for payload, reason in (
        (None, "Unauthorized: send a token as authorization in the payload of connection_init"),
        ({"authorization": "Bearer nonsense"}, "The token is not valid here."),
        ({"Authorization": "Bearer gs_nonsense"}, "The API client's secret is not valid here, or was revoked."),
    ):
        async with server.raw() as socket:
            await socket.send(type="connection_init", payload=payload)
            assert await socket.closed() == (4401, reason)


async def test_a_token_in_the_header_does_too(server: Server) -> None:
    async with server.raw(additional_headers={"authorization": f"Bearer {server.credential}"}) as socket:
        await socket.send(type="connection_init")
        assert (await socket.next())["type"] == "connection_ack"


async def test_a_second_init_closes_4429(server: Server) -> None:
    async with server.socket() as socket:
        await socket.send(type="connection_init", payload={})
        assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_who_says_nothing_is_closed_4408(server: Server) -> None:
    async with server.raw() as socket:
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_another_protocol_is_closed_4406(server: Server) -> None:
    async with server.raw(subprotocols=None) as socket:
        assert (await socket.closed())[0] == 4406


async def test_an_id_in_use_closes_4409(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        for _ in range(2):
            await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        assert await socket.closed() == (4409, "Subscriber for 1 already exists")


async def test_a_completed_id_can_be_used_again(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        await socket.send(id="1", type="complete")
        await socket.send(id="unknown", type="complete")
        await react(server.api, campaign, "ada")
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        assert (await socket.event())["kind"] == "ADDED"
    assert await eventually(lambda: len(server.state.streams.groups) == 0)
    assert dict(server.state.live.subscriptions) == {}


async def test_pings_are_answered_with_their_payload(server: Server) -> None:
    async with server.raw() as socket:
        await socket.send(type="ping", payload={"n": 1})
        assert await socket.next() == {"type": "pong", "payload": {"n": 1}}


async def test_queries_and_mutations_are_answered_once(server: Server) -> None:
    async with server.socket() as socket:
        await socket.subscribe("{ viewer { subject } }")
        assert await socket.payload() == {"data": {"viewer": {"subject": "ada"}}}
        assert await socket.next() == {"id": "1", "type": "complete"}
        await socket.subscribe('mutation { createBrand(input: {name: "B"}) { brand { name } } }')
        assert await socket.payload() == {"data": {"createBrand": {"brand": {"name": "B"}}}}


async def test_an_operation_that_cannot_run_ends_with_its_errors(server: Server) -> None:
    async with server.socket() as socket:
        for query, code in (
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { engagements(campaignIds: []) { kind } }", "BAD_USER_INPUT"),
            ('subscription { engagements(campaignIds: ["x"]) { kind } }', "BAD_USER_INPUT"),
            (
                'subscription { campaignMetrics(campaignId: "Q2FtcGFpZ246OQ==", intervalMs: 1) { at } }',
                "BAD_USER_INPUT",
            ),
            ('subscription { campaignMetrics(campaignId: "Q2FtcGFpZ246OQ==") { at } }', "NOT_FOUND"),
        ):
            await socket.subscribe(query)
            [error] = await socket.errors()
            assert error["extensions"]["code"] == code, query


async def test_there_are_so_many_operations_on_a_connection(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        for number in range(4):
            await socket.subscribe(ENGAGEMENTS, str(number), ids=[campaign])
        message = await socket.next()
    assert (message["id"], message["type"]) == ("3", "error")
    assert message["payload"][0]["message"] == "At most 3 operations at a time on a connection."


async def test_there_are_so_many_subscriptions_of_a_client(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as one, server.socket() as other, server.socket(token("test", LIVE, sub="bob")) as bob:
        for number in range(3):
            await one.subscribe(ENGAGEMENTS, str(number), ids=[campaign])
        assert await eventually(lambda: sum(server.state.live.subscriptions.values()) == 3)
        for number in range(3):
            await other.subscribe(ENGAGEMENTS, str(number), ids=[campaign])
        [error] = await other.errors()
        assert (error["extensions"]["code"], error["message"]) == (
            "LIMIT_REACHED",
            "At most 5 subscriptions at a time.",
        )
        cursor = await server.cursor()
        await bob.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await react(server.api, campaign, "ada")
        assert (await bob.event())["kind"] == "ADDED"


async def test_there_are_so_many_connections_of_a_client(server: Server) -> None:
    async with (
        server.socket(),
        server.socket(),
        server.socket(),
        server.socket(),
        server.socket(),
        server.raw() as socket,
    ):
        await socket.send(type="connection_init", payload={"authorization": f"Bearer {server.credential}"})
        assert await socket.closed() == (1013, "At most 5 connections at a time.")


async def test_a_frame_has_so_many_bytes(server: Server) -> None:
    async with server.socket() as socket:
        await socket.connection.send(json.dumps({"type": "ping", "payload": {"x": "x" * 3000}}))
        assert (await socket.closed())[0] == 1009


async def test_pages_of_other_origins_are_not_let_in(server: Server) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        async with server.raw(origin="https://evil.example.com"):
            pass
    for origin in ("https://app.example.com", server.address):
        async with server.raw(origin=origin) as socket:
            await socket.send(type="ping")
            assert (await socket.next())["type"] == "pong"


async def test_an_expired_token_ends_its_streams(server: Server) -> None:
    campaign = await create_campaign(server.api)
    # Ten seconds of leeway: it is good for one more.
    expires = datetime.fromtimestamp(time.time() - 9, UTC)
    async with server.socket(token("test", LIVE, exp=expires)) as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        assert await socket.closed() == (4401, "The token has expired.")


async def test_a_far_expiry_is_no_expiry_yet(server: Server) -> None:
    async with server.socket(token("test", LIVE, exp=datetime.now(UTC) + timedelta(days=20_000))) as socket:
        await socket.send(type="ping")
        assert (await socket.next())["type"] == "pong"


async def test_the_server_says_when_it_stops(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        server.uvicorn.should_exit = True
        assert await socket.closed() == (
            1012,
            "The server is stopping. Connect again, and go on from your last cursor.",
        )
