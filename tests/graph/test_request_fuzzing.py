"""/graphql: whatever is sent is answered as GraphQL's errors are, and never is it our fault."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import orjson
from graphql import GraphQLField, get_named_type, is_composite_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from db.engine import Database
from db.queries import workspaces
from graph.schema import schema
from tests.api import Api, build, token
from tests.uploads import raw

TRUSTED = b"application/graphql-response+json"
DEEP = b'{"a":' * 500 + b"1" + b"}" * 500
"""What can be read, and not be written."""
TEXT = st.text(max_size=8) | st.sampled_from(["\0", "\x7f", "x" * 300, "🏃", "2026-03-01T12:00:00Z", "QnJhbmQ6MQ=="])
NUMBERS = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**31, 2**63, -(2**64), 1e308])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | st.just("deep"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PIECES = ["{", "}", "(", ")", "...", "@defer", "@include(if: $a)", "query Q", "mutation", "subscription", "fragment F on Query",
          "...F", "a:", "viewer", "subject", "campaigns(first: 1)", "nodes", "__schema", "__typename", "$a: Int", '"""', "#", "\\", "\0",
          "\ufeff", "-0", "1e5", "9" * 400, "[[" * 200, "{a" * 300]  # fmt: skip
QUERIES = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | TEXT | st.just("{ __typename }")
PERSISTED = st.fixed_dictionaries({"version": VALUES | st.just(1), "sha256Hash": VALUES | st.just("0" * 64)})
EXTENSIONS = VALUES | st.fixed_dictionaries(
    {}, optional={"persistedQuery": VALUES | PERSISTED, "idempotencyKey": VALUES}
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": QUERIES | VALUES,
        "operationName": VALUES,
        "variables": VALUES,
        "extensions": EXTENSIONS,
        "documentId": VALUES,
        "operations": VALUES,
    },
)
JSON = (REQUESTS | st.lists(REQUESTS, max_size=3) | VALUES).map(lambda one: json.dumps(one).encode())
CUT = st.builds(lambda body, at: body[: at % (len(body) + 1)], JSON, st.integers(0, 200))
PLAIN = st.builds(lambda body: body.replace(b'"deep"', DEEP), JSON) | CUT | st.binary(max_size=60)
PART = b'--cut\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
FORMS = st.builds(
    lambda operations, places: PART % (b"operations", operations) + PART % (b"map", places) + b"--cut--", PLAIN, PLAIN
)
BODIES = PLAIN | PLAIN.map(gzip.compress) | FORMS
KNOWN = {
    b"accept": [b"*/*", TRUSTED, b"application/json", b"text/xml", b"text/event-stream", b"", b"*/*;q=0", b",;=,",
                b'multipart/mixed;subscriptionSpec="1.0"'],
    b"accept-encoding": [b"gzip", b"br", b"*;q=0.1"],
    b"authorization": [b"Bearer x", b"Basic eDp5", b"Bearer ", b"gsk_x"],
    b"content-encoding": [b"gzip", b"br", b"identity"],
    b"content-length": [b"5", b"-1", b"9" * 30],
    b"content-type": [b"application/json", b"application/json; charset=utf-16", b"multipart/form-data; boundary=cut", b"text/plain"],
    b"graphql-preflight": [b"1"],
    b"idempotency-key": [b"a", b"x" * 300],
    b"last-event-id": [b"x"],
    b"origin": [b"null", b"http://[", b"https://elsewhere.example"],
    b"x-graphql-event-stream-token": [b"x"],
}  # fmt: skip
HEADERS = st.lists(
    st.sampled_from(sorted(KNOWN)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(KNOWN[name]) | st.binary(max_size=20))
    ),
    max_size=5,
)
ADDRESSES = st.binary(max_size=30).map(lambda raw: quote_from_bytes(raw).encode()) | REQUESTS.map(
    lambda one: urlencode({name: json.dumps(value) for name, value in one.items()}).encode()
) | QUERIES.map(lambda query: urlencode({"query": query}, errors="replace").encode())  # fmt: skip
METHODS = st.sampled_from(["POST"] * 6 + ["GET"] * 3 + ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "\xff"])


async def asked(api: Api, scope: dict[str, Any], body: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and bytes of an answer. Whoever asks leaves once it is there."""
    came: Sequence[Message] = [
        {"type": "http.request", "body": body[: len(body) // 2], "more_body": True},
        {"type": "http.request", "body": body[len(body) // 2 :], "more_body": False},
        {"type": "http.disconnect"},
    ]
    sent, _ = await raw(api, {"path": "/graphql", "headers": [], **scope}, came, leaves_early=False)
    bodies = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), bodies


def check(method: str, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
    """Says what every answer must be."""
    assert status < 500, body
    kind = headers.get(b"content-type", b"").partition(b";")[0]
    if kind in (b"text/event-stream", b"multipart/mixed", b"text/plain"):  # of streams, by the protocols of streams
        return
    if method in ("HEAD", "OPTIONS"):
        return
    assert kind in (b"application/json", TRUSTED)
    answers = orjson.loads(gzip.decompress(body) if b"content-encoding" in headers else body)
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer.keys() <= {"data", "errors", "extensions"}
        assert answer.get("errors") or status == 200
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        assert "INTERNAL" not in codes, answer


async def start(database_url: str, folder: Path) -> Any:
    database = Database(database_url)
    await workspaces.create(database, "test", "Test", "UTC", "EUR")
    await database.close()
    application = build(database_url, folder, BATCH_LIMIT="3")
    return application, await application.__aenter__()


def test_whatever_is_sent_is_no_fault_of_ours(database_url: str, tmp_path: Path) -> None:
    credential = (b"authorization", f"Bearer {token()}".encode())

    async def one(api: Api, scope: dict[str, Any], body: bytes) -> None:
        check(scope["method"], *await asked(api, scope, body))

    with asyncio.Runner() as runner:
        application, api = runner.run(start(database_url, tmp_path))

        @settings(max_examples=400, suppress_health_check=list(HealthCheck))
        @given(METHODS, HEADERS, ADDRESSES, BODIES, st.booleans(), st.text(max_size=5))
        def requests(
            method: str, headers: list[tuple[bytes, bytes]], address: bytes, body: bytes, plain: bool, name: str
        ) -> None:
            usual = (
                [(b"content-type", b"application/json"), (b"accept", TRUSTED), credential] if plain else [credential]
            )
            path = f"/graphql/{name}" if name and not plain else "/graphql"
            given_ = [*usual, *headers[: 1 if plain else None]]
            scope = {"method": method, "headers": given_, "query_string": address, "path": path}
            runner.run(one(api, scope, body))

        try:
            requests()
        finally:
            runner.run(application.__aexit__(None, None, None))


def written(kind: str, name: str, field: GraphQLField) -> str:
    """An operation of one field, whose arguments are all variables of its own."""
    names = [*field.args]
    declared = ", ".join(f"${one}: {field.args[one].type}" for one in names)
    passed = ", ".join(f"{one}: ${one}" for one in names)
    inner = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    return f"{kind}{f'({declared})' if names else ''} {{ {name}{f'({passed})' if names else ''}{inner} }}"


ROOTS = [
    (written(kind, name, field), [*field.args])
    for kind in ("query", "mutation")
    for name, field in getattr(schema._schema, f"{kind}_type").fields.items()
]
INPUTS = sorted({name for kind in schema._schema.type_map.values() for name in getattr(kind, "fields", ())})
GIVEN = st.recursive(VALUES, lambda inner: st.dictionaries(st.sampled_from(INPUTS), inner, max_size=3), max_leaves=6)


def test_whatever_stands_in_variables_is_no_fault_of_ours(database_url: str, tmp_path: Path) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"accept", TRUSTED),
        (b"authorization", f"Bearer {token()}".encode()),
    ]

    async def one(api: Api, body: bytes) -> None:
        check("POST", *await asked(api, {"method": "POST", "headers": headers}, body))

    with asyncio.Runner() as runner:
        application, api = runner.run(start(database_url, tmp_path))

        @settings(max_examples=400, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(ROOTS), st.data())
        def variables(root: tuple[str, list[str]], data: st.DataObject) -> None:
            query, names = root
            found = {name: data.draw(GIVEN) for name in names}
            body = json.dumps({"query": query, "variables": found}).encode().replace(b'"deep"', DEEP)
            runner.run(one(api, body))

        try:
            variables()
        finally:
            runner.run(application.__aexit__(None, None, None))
