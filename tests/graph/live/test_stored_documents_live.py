"""Documents that clients name instead of sending them, over WebSocket."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.facts import create_campaign, react
from tests.live import ENGAGEMENTS, Server

WHO = "query Who { viewer { subject } }"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing runs but two documents."""
    path = tmp_path / "documents.json"
    path.write_text(json.dumps({"follow": ENGAGEMENTS, sha256(WHO): WHO}))
    return {"TRUSTED_DOCUMENTS": str(path), "TRUSTED_ONLY": "on"}


async def test_a_socket_knows_trusted_documents_and_no_others(server: Server) -> None:
    async with server.socket() as socket:

        async def ask(name: str, **payload: Any) -> Any:
            await socket.send(id=name, type="subscribe", payload=payload)
            message = await socket.next()
            if message["type"] == "next":
                assert await socket.next() == {"id": name, "type": "complete"}
                return message["payload"]
            return message["payload"][0]["extensions"]["code"]

        who = {"data": {"viewer": {"subject": "ada"}}}
        assert await ask("1", documentId=f"sha256:{sha256(WHO)}") == who
        assert await ask("2", extensions={"persistedQuery": {"version": 1, "sha256Hash": sha256(WHO)}}) == who
        assert await ask("3", query=WHO) == who
        assert await ask("4", query="{ viewer { subject } }") == "FORBIDDEN"
        assert await ask("5", documentId="nobody") == "PERSISTED_QUERY_NOT_FOUND"
        assert await ask("6", documentId="follow", query=WHO) == "BAD_USER_INPUT"
        assert await ask("7", query=WHO, extensions={"idempotencyKey": ""}) == "BAD_USER_INPUT"


@pytest.mark.parametrize("environment", [{}])
async def test_a_socket_follows_what_was_sent_once(server: Server) -> None:
    campaign = await create_campaign(server.api)
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256(ENGAGEMENTS)}}
    asked = {"variables": {"ids": [campaign], "after": await server.cursor()}, "extensions": extensions}
    await react(server.api, campaign, "ada")
    async with server.socket() as socket:
        await socket.send(id="1", type="subscribe", payload=asked)
        assert (await socket.errors())[0]["message"] == "PersistedQueryNotFound"
        await socket.send(id="2", type="subscribe", payload={**asked, "query": ENGAGEMENTS})
        assert (await socket.payload("2"))["data"]["engagements"]["type"] == "LIKE"
        await socket.send(id="3", type="subscribe", payload=asked)
        assert (await socket.payload("3"))["data"]["engagements"]["type"] == "LIKE"
