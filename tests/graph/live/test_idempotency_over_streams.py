"""Idempotency keys over connections that stay open: a key is the same one by whatever way it comes."""

from typing import Any

from tests.keyed import BRAND, is_replay, send
from tests.live import Server, Socket


async def over_socket(socket: Socket, name: str, key: object) -> Any:
    """What an operation with a key in its extensions is answered."""
    payload = {"query": BRAND, "variables": {"n": "Acme"}, "extensions": {"idempotencyKey": key}}
    await socket.send(id=name, type="subscribe", payload=payload)
    answer = await socket.payload(name)
    assert await socket.next() == {"id": name, "type": "complete"}
    return answer


async def over_events(server: Server, key: str) -> Any:
    """What a mutation with a key in its header is answered as a stream of events."""
    headers = {"accept": "text/event-stream", "idempotency-key": key, "authorization": f"Bearer {server.credential}"}
    body = {"query": BRAND, "variables": {"n": "Acme"}}
    return (await server.api.client.post("/graphql", json=body, headers=headers)).text


async def test_a_key_is_one_by_whatever_way_it_comes(server: Server) -> None:
    async with server.socket() as socket:
        first, again = [await over_socket(socket, name, "k") for name in "ab"]
    by_http = await send(server.api, "k", BRAND, n="Acme")
    assert first["data"]["createBrand"]["brand"]["name"] == "Acme"
    assert again == first == by_http.json()
    assert is_replay(by_http)
    assert by_http.text in await over_events(server, "k")


async def test_what_it_is_told_in_the_extensions_is_looked_at(server: Server) -> None:
    async with server.socket() as socket:
        for name, key in (("a", 7), ("b", ""), ("c", "x" * 256)):
            payload = {"query": BRAND, "variables": {"n": "Acme"}, "extensions": {"idempotencyKey": key}}
            await socket.send(id=name, type="subscribe", payload=payload)
            refused = await socket.next()
            assert (refused["id"], refused["type"]) == (name, "error")
            assert refused["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_what_may_be_repeated_anyway_needs_no_key(server: Server) -> None:
    async with server.socket() as socket:
        payload = {"query": "{ viewer { subject } }", "extensions": {"idempotencyKey": "k"}}
        await socket.send(id="1", type="subscribe", payload=payload)
        assert await socket.payload() == {"data": {"viewer": {"subject": "ada"}}}
