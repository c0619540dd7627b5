"""Server-sent events: both modes of GraphQL over SSE, resuming by Last-Event-ID, and the multipart fallback."""

import json
import time
from datetime import UTC, datetime

import pytest

from tests.api import token
from tests.facts import create_campaign, react, share
from tests.graph.live.conftest import LIVE
from tests.live import ENGAGEMENTS, Lines, Server

TOKEN = "x-graphql-event-stream-token"


async def test_events_come_with_their_cursors(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    for user in ("ada", "bob", "cyd"):
        await react(server.api, campaign, user)
    async with server.sse(ENGAGEMENTS, ids=[campaign], after=cursor) as lines:
        assert lines.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = [await lines.event() for _ in range(3)]
    shown = [json.loads(event["data"])["data"]["engagements"] for event in events]
    assert [event["event"] for event in events] == ["next"] * 3
    assert [event["id"] for event in events] == [one["cursor"] for one in shown]
    # The browser's own memory of where it was wins over what the page asked for.
    async with server.sse(ENGAGEMENTS, last=events[1]["id"], ids=[campaign], after=cursor) as lines:
        assert await lines.event() == events[2]


async def test_a_query_is_answered_and_completed(server: Server) -> None:
    async with server.sse("{ viewer { subject } }") as lines:
        assert await lines.event() == {"event": "next", "data": '{"data":{"viewer":{"subject":"ada"}}}'}
        assert (await lines.event())["event"] == "complete"


async def test_what_is_wrong_is_said_in_the_stream(server: Server) -> None:
    async with server.sse("subscription { nope }") as lines:
        [error] = json.loads((await lines.event())["data"])["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert (await lines.event())["event"] == "complete"


async def test_by_get_one_asks_and_changes_nothing(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    await share(server.api, campaign, "ada")
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {server.credential}"}
    variables = json.dumps({"ids": [campaign], "after": cursor})
    parameters = {"query": ENGAGEMENTS, "variables": variables}
    async with server.api.client.stream("GET", "/graphql", params=parameters, headers=headers) as response:
        assert '"SHARE"' in (await Lines(response).event())["data"]
    mutation = {"query": 'mutation { createBrand(input: {name: "B"}) { brand { id } } }'}
    answer = await server.api.client.get("/graphql", params=mutation, headers=headers)
    assert "A mutation is not for GET." in answer.text
    assert (await server.api.data("{ viewer { workspace { brands { totalCount } } } }"))["viewer"]["workspace"] == {
        "brands": {"totalCount": 0}
    }


@pytest.mark.parametrize("body", ["5", "[]", "{", '{"query": 5}', '{"query": "{ __typename }", "variables": []}'])
async def test_a_body_that_is_none_is_refused(server: Server, body: str) -> None:
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {server.credential}"}
    headers["content-type"] = "application/json"
    answer = await server.api.client.post("/graphql", content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")


async def test_a_body_has_so_many_bytes(server: Server) -> None:
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {server.credential}"}
    answer = await server.api.client.post("/graphql", json={"query": "#" * 300_000}, headers=headers)
    assert answer.status_code == 413


async def test_pages_of_other_origins_get_no_stream(server: Server) -> None:
    for origin in ("https://evil.example.com", "http://["):
        headers = {"accept": "text/event-stream", "origin": origin}
        assert (await server.api.client.post("/graphql", json={"query": "{ a }"}, headers=headers)).status_code == 403


async def test_an_expired_token_ends_the_stream(server: Server) -> None:
    campaign = await create_campaign(server.api)
    server.credential = token("test", LIVE, exp=datetime.fromtimestamp(time.time() - 9, UTC))
    async with server.sse(ENGAGEMENTS, ids=[campaign]) as lines:
        [error] = json.loads((await lines.event())["data"])["errors"]
        assert error == {"message": "The token has expired.", "extensions": {"code": "UNAUTHENTICATED"}}
        assert (await lines.event())["event"] == "complete"


async def test_the_server_says_when_it_stops(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.sse(ENGAGEMENTS, ids=[campaign]) as lines:
        server.uvicorn.should_exit = True
        [error] = json.loads((await lines.event())["data"])["errors"]
        assert error["extensions"] == {"code": "RECONNECT"}
        assert (await lines.event())["event"] == "complete"


async def test_one_connection_for_all_operations(server: Server) -> None:
    client, campaign = server.api.client, await create_campaign(server.api)
    cursor = await server.cursor()
    reserved = await client.put("/graphql", headers={"authorization": f"Bearer {server.credential}"})
    assert reserved.status_code == 201
    mine = {TOKEN: reserved.text}

    async def operate(name: str, query: str, **variables: object) -> int:
        body = {"query": query, "variables": variables, "extensions": {"operationId": name}}
        return (await client.post("/graphql", json=body, headers=mine)).status_code

    stream = {"accept": "text/event-stream"}
    async with client.stream("GET", "/graphql", params={"token": reserved.text}, headers=stream) as response:
        lines = Lines(response)
        assert await operate("q", "{ viewer { subject } }") == 202
        assert await lines.event() == {
            "event": "next",
            "data": '{"id":"q","payload":{"data":{"viewer":{"subject":"ada"}}}}',
        }
        assert await lines.event() == {"event": "complete", "data": '{"id":"q"}'}
        assert await operate("s", ENGAGEMENTS, ids=[campaign], after=cursor) == 202
        assert await operate("s", ENGAGEMENTS, ids=[campaign], after=cursor) == 409
        assert await operate("x", "{ nope }") == 400
        assert (await client.get("/graphql", headers=stream | mine)).status_code == 409
        await react(server.api, campaign, "ada")
        message = json.loads((await lines.event())["data"])
        assert (message["id"], message["payload"]["data"]["engagements"]["type"]) == ("s", "LIKE")
        assert (await client.delete("/graphql", params={"operationId": "s"}, headers=mine)).status_code == 200
        assert await operate("s", "{ viewer { subject } }") == 202
        assert json.loads((await lines.event())["data"])["payload"] == {"data": {"viewer": {"subject": "ada"}}}
    assert (await client.get("/graphql", headers=stream | {TOKEN: "nonsense"})).status_code == 404


async def test_a_client_connects_again_with_its_last_token_in_hand(server: Server) -> None:
    """As graphql-sse does: it sends the token of the connection before when it reserves the next."""
    client, credential = server.api.client, {"authorization": f"Bearer {server.credential}"}
    first = (await client.put("/graphql", headers=credential)).text
    stream = {"accept": "text/event-stream"}
    async with client.stream("GET", "/graphql", headers=stream | {TOKEN: first}):
        again = await client.put("/graphql", headers=credential | {TOKEN: first})
    assert (again.status_code, again.text != first) == (201, True)
    async with client.stream("GET", "/graphql", headers=stream | {TOKEN: again.text}) as response:
        assert response.status_code == 200
    assert (await client.put("/graphql", headers={TOKEN: first})).status_code == 401


async def test_a_reservation_needs_a_token(server: Server) -> None:
    assert (await server.api.client.put("/graphql")).status_code == 401


async def test_two_credentials_are_none(server: Server) -> None:
    header = ("authorization", f"Bearer {server.credential}")
    for accept in ("text/event-stream", "application/json"):
        answer = await server.api.client.post(
            "/graphql", json={"query": "{ __typename }"}, headers=[("accept", accept), header, header]
        )
        assert answer.status_code == 401


async def test_who_takes_a_stream_may_look_what_may_be_asked(server: Server) -> None:
    headers = {"accept": "text/event-stream", **server.api._headers}
    assert (await server.api.client.options("/graphql", headers=headers)).status_code == 204
    answer = await server.api.client.delete("/graphql", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_the_multipart_fallback(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    await react(server.api, campaign, "ada")
    accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
    async with server.sse(ENGAGEMENTS, accept=accept, ids=[campaign], after=cursor) as lines:
        assert lines.response.headers["content-type"].startswith('multipart/mixed; boundary="graphql"')
        found = [await lines.line() for _ in range(8)]
    assert found[:5] == ["--graphql", "Content-Type: application/json", "", "{}", "--graphql"]
    assert json.loads(found[7])["payload"]["data"]["engagements"]["type"] == "LIKE"


async def test_by_plain_http_one_is_told_how_to_subscribe(server: Server) -> None:
    answer = await server.api.ask("subscription { engagements(campaignIds: []) { kind } }")
    [error] = answer["errors"]
    assert "text/event-stream" in error["message"]


ANY = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


async def test_who_takes_both_gets_a_stream_where_there_is_one(server: Server) -> None:
    """As urql asks, whatever it asks for."""
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    await react(server.api, campaign, "ada")
    async with server.sse(ENGAGEMENTS, accept=ANY, ids=[campaign], after=cursor) as lines:
        assert lines.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (await lines.event())["event"] == "next"
    headers = {"accept": ANY, "authorization": f"Bearer {server.credential}"}
    for query, status in (("{ viewer { subject } }", 200), ("{", 400)):
        answer = await server.api.client.post("/graphql", json={"query": query}, headers=headers)
        assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert answer.status_code == status
    long = {"query": "{ viewer { subject } }", "variables": {"long": "x" * 500_000}}
    assert (await server.api.client.post("/graphql", json=long, headers=headers)).json()["data"] is not None
    headers["accept"] = "application/json;q=0.5, text/event-stream"
    answer = await server.api.client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)
    assert answer.text.startswith("event: next\n", answer.text.index("event"))


async def test_a_stream_has_a_key_that_is_one(server: Server) -> None:
    headers = {
        "accept": "text/event-stream",
        "authorization": f"Bearer {server.credential}",
        "idempotency-key": "x" * 256,
    }
    answer = await server.api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
