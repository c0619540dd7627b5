"""Limits and budgets over real connections: HTTP, WebSocket, SSE and multipart."""

import json
from typing import Any

import pytest

from tests.live import Server

DEAR = "{ viewer { workspace { brands(first: 100) { nodes { id } } } } }"
WIDE = "{ " + " ".join(f"a{n}: __typename" for n in range(101)) + " }"
WIDE_REFUSED: dict[str, Any] = {
    "message": "The document has 101 root fields; at most 100.",
    "extensions": {"code": "LIMIT_REACHED"},
}
BRANDS: dict[str, Any] = {"data": {"viewer": {"workspace": {"brands": {"nodes": []}}}}}


@pytest.fixture
def environment() -> dict[str, str]:
    """A budget for one dear operation. What it answers is not counted, so nothing is given back."""
    return {"COST_BUDGET": "104", "LIMIT_COST": "104", "EXECUTOR": "stock"}


async def test_over_http_headers_tell_it(server: Server) -> None:
    credential = {"authorization": f"Bearer {server.credential}"}
    response = await server.api.client.post("/graphql", json={"query": DEAR}, headers=credential)
    assert (response.json(), response.status_code) == (BRANDS, 200)
    assert response.headers["ratelimit-policy"] == '"cost";q=104;w=60'
    assert response.headers["ratelimit"] == '"cost";r=0;t=60'
    refused = await server.api.client.post("/graphql", json={"query": DEAR}, headers=credential)
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["retry-after"] == str(error["extensions"]["retryAfter"])
    assert 1 <= error["extensions"]["retryAfter"] <= 60


async def test_over_a_websocket_the_error_tells_it(server: Server) -> None:
    async with server.socket() as socket:
        await socket.send(id="1", type="subscribe", payload={"query": DEAR, "extensions": {"cost": True}})
        found = await socket.payload()
        assert (found["data"], found["extensions"]["cost"]["requested"]) == (BRANDS["data"], 104)
        assert (await socket.next())["type"] == "complete"
        await socket.subscribe(DEAR, "2")
        [error] = (await socket.payload("2"))["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["retryAfter"] >= 1
        assert (await socket.next())["type"] == "complete"
        await socket.subscribe(WIDE, "3")
        assert await socket.errors() == [WIDE_REFUSED]


async def test_over_sse_too(server: Server) -> None:
    async with server.sse(DEAR) as lines:
        assert json.loads((await lines.event())["data"]) == BRANDS
    async with server.sse(DEAR) as lines:
        [error] = json.loads((await lines.event())["data"])["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
    async with server.sse(WIDE) as lines:
        assert json.loads((await lines.event())["data"]) == {"errors": [WIDE_REFUSED]}


async def test_a_multipart_stream_is_refused_too(server: Server) -> None:
    accept = "multipart/mixed;subscriptionSpec=1.0, application/json"
    async with server.sse(WIDE, accept=accept) as lines:
        assert WIDE_REFUSED["message"] in (await lines.response.aread()).decode()
