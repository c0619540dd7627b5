"""GraphQL over HTTP, rule by rule: media types, status codes, methods, bodies, batches, packing."""

import gzip
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import strawberry
from starlette.types import Message
from strawberry.schema.config import StrawberryConfig

from db.engine import Database
from db.queries import workspaces
from graph import access
from graph.context import Info
from graph.errors import limit_reached
from graph.scalars import SCALARS
from tests.api import Api, build, token
from tests.conftest import UrlOf, admin
from tests.uploads import raw

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON, RESPONSE = "application/json; charset=utf-8", "application/graphql-response+json; charset=utf-8"
TRUSTED = "application/graphql-response+json"
MIB = 1024 * 1024


@strawberry.type
class Query:
    """What shows how an answer is made."""

    @strawberry.field
    def key(self, info: Info) -> str | None:
        """The idempotency key."""
        return info.context.idempotency_key

    @strawberry.field
    def text(self, length: int) -> str:
        """So many letters."""
        return "x" * length

    @strawberry.field
    def broken(self) -> str:
        """Cannot be answered, and cannot be null."""
        raise limit_reached("No more.")

    @strawberry.field
    def perhaps(self) -> str | None:
        """Cannot be answered."""
        raise limit_reached("No more.")

    @strawberry.field
    def told(self, info: Info, status: int | None = None) -> str:
        """Says something by headers."""
        info.context.response_headers["x-told"] = "5"
        info.context.response_status = status
        return "told"


@strawberry.type
class Mutation:
    """Something that changes."""

    @strawberry.mutation
    def touch(self, info: Info) -> str | None:
        """The idempotency key."""
        return info.context.idempotency_key


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(url_of: UrlOf, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """The whole application over a schema of its own, which takes arrays of three operations."""
    name = f"groundswell_http_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    database = Database(url_of(name))
    await workspaces.create(database, "test", "Test", "Europe/Berlin", "EUR")
    await database.close()
    schema = strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
    fields = ("Query.key", "Query.text", "Query.broken", "Query.perhaps", "Query.told", "Mutation.touch")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("graph.app.schema", schema)
        patches.setattr("graph.access.REQUIRED", dict.fromkeys(fields, access.READ))
        async with build(url_of(name), tmp_path_factory.mktemp("http"), BATCH_LIMIT="3") as found:
            yield found
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


async def post(api: Api, body: Any, credential: str | None = None, **headers: str) -> httpx.Response:
    """What a body is answered. Headers are named with underscores; an empty one is not sent."""
    usual = {"content_type": "application/json", "accept": "*/*", "authorization": f"Bearer {credential or token()}"}
    sent = {name.replace("_", "-"): value for name, value in {**usual, **headers}.items() if value}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await api.client.post("/graphql", content=content, headers=sent)


async def get(api: Api, method: str = "GET", accept: str = "*/*", **parameters: Any) -> httpx.Response:
    """What an address is answered."""
    headers = {"accept": accept, "authorization": f"Bearer {token()}"}
    return await api.client.request(method, "/graphql", params=parameters, headers=headers)


def said(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an answer that holds one error and nothing else."""
    assert answer.headers["content-type"] in (JSON, RESPONSE)
    assert [*answer.json()] == ["errors"]
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", JSON),
        (" , ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json; charset=utf-8", JSON),
        ('application/json;charset="UTF-8"', JSON),
        (TRUSTED, RESPONSE),
        (f"{TRUSTED}; charset=utf-8, application/json; charset=utf-8", RESPONSE),
        (f"application/json, {TRUSTED}", RESPONSE),
        (f"{TRUSTED}, application/json;q=0.9", RESPONSE),
        (f"{TRUSTED};q=0.8, application/json", JSON),
        (f"{TRUSTED};q=0.5, */*", JSON),
        (f"{TRUSTED}, */*", RESPONSE),
        (f"*/*, {TRUSTED};q=0", JSON),
        ("application/json;q=0, */*", RESPONSE),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("multipart/mixed;deferSpec=20220824, application/json", JSON),
        ("application/json; profile=x", JSON),
    ],
)
async def test_the_answer_has_the_type_that_the_client_likes_best(api: Api, accept: str, kind: str) -> None:
    answer = await post(api, {"query": "{ __typename }"}, accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["vary"] == "Accept, Accept-Encoding, Origin"
    assert answer.content == b'{"data":{"__typename":"Query"}}'


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/json;q=0",
        "application/json;q=x",
        "*/*;q=0.0",
        "application/json; charset=utf-16",
        "application/graphql+json",
        "multipart/mixed;deferSpec=20220824",
    ],
)
async def test_where_no_type_would_be_taken_nothing_is_done(api: Api, accept: str) -> None:
    message = "Answers are application/graphql-response+json or application/json, in UTF-8: Accept takes neither."
    answer = await post(api, {"query": "{ __typename }"}, accept=accept)
    assert said(answer) == (406, "NOT_ACCEPTABLE", message)
    assert answer.headers["content-type"] == JSON


async def test_several_accept_headers_are_one_list(api: Api) -> None:
    headers = [("accept", "text/html"), ("accept", TRUSTED), ("content-type", "application/json")]
    answer = await api.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers=headers)
    assert answer.headers["content-type"] == RESPONSE


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED", 400),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED", 400),
        ({"query": "{ nope }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": "query A { key } query B { key }"}, "BAD_USER_INPUT", 400),
        ({"query": "query A { key }", "operationName": "B"}, "BAD_USER_INPUT", 400),
        ({"query": "fragment F on Query { key }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": "query ($n: Int!) { text(length: $n) }"}, "BAD_USER_INPUT", 400),
        ({"query": "query ($n: Int!) { text(length: $n) }", "variables": {"n": "x"}}, "BAD_USER_INPUT", 400),
        ({"query": "query ($n: Int!) { text(length: $n) }", "variables": {"n": 1e30}}, "BAD_USER_INPUT", 400),
        ({"query": "{ key @defer }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": "{ ... @defer { key } }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": "{ key @stream(initialCount: 1) }"}, "GRAPHQL_VALIDATION_FAILED", 400),
        ({"query": "{ a: key b: key }" + "#" * 1000 + "\n}"}, "GRAPHQL_PARSE_FAILED", 400),
        ({"query": "{ text(length: " + "[" * 2000 + "]" * 2000 + ") }"}, "LIMIT_REACHED", 400),
    ],
)
async def test_a_request_that_cannot_run_is_answered_by_the_rules_of_its_type(
    api: Api, body: Any, code: str, status: int
) -> None:
    """With application/json it is well-formed: 200. There is never data."""
    for accept, expected in (("application/json", 200), (TRUSTED, status)):
        answer = await post(api, body, accept=accept)
        assert (answer.status_code, [*answer.json()]) == (expected, ["errors"])
        assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {code}


@pytest.mark.parametrize("accept", ["application/json", TRUSTED])
async def test_what_has_run_is_200_whatever_came_of_it(api: Api, accept: str) -> None:
    answer = await post(api, {"query": "{ key perhaps }"}, accept=accept)
    assert (answer.status_code, [*answer.json()]) == (200, ["data", "errors"])
    assert answer.json()["data"] == {"key": None, "perhaps": None}
    answer = await post(api, {"query": "{ key broken }"}, accept=accept)
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert answer.json()["errors"][0]["path"] == ["broken"]


@pytest.mark.parametrize("accept", ["application/json", TRUSTED])
async def test_without_a_good_credential_it_is_401(api: Api, accept: str) -> None:
    headers = {"accept": accept, "content-type": "application/json"}
    anybody = await api.client.post("/graphql", json={"query": "{ key }"}, headers=headers)
    bad = await post(api, b"{", accept=accept, authorization="Bearer nobody")
    for answer in (anybody, bad):
        assert said(answer)[:2] == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
    answer = await post(api, {"query": "{ key }"}, token(scopes=["write"]), accept=accept)
    assert said(answer)[:2] == (200 if accept == "application/json" else 403, "FORBIDDEN")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF8"', "application/json;x=y"],
)  # fmt: skip
async def test_json_is_taken(api: Api, kind: str) -> None:
    answer = await post(api, {"query": '{ __type(name: "Run🏃Swim🏊") { name } }'}, content_type=kind)
    assert answer.json() == {"data": {"__type": None}}


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/graphql", "application/json; charset=latin-1",
     "application/jsonp", "text/plain; application/json", TRUSTED, "application/json, text/plain"],
)  # fmt: skip
async def test_no_other_type_is_taken(api: Api, kind: str) -> None:
    """Among them the three that a page of another origin can send without being asked."""
    answer = await post(api, {"query": "mutation { touch }"}, content_type=kind)
    message = "Send the operation as application/json in UTF-8, or with files as multipart/form-data."
    assert said(answer) == (415, "UNSUPPORTED_TYPE", message)
    assert answer.headers["accept-post"] == "application/json, multipart/form-data"


NO_JSON = "The body is not JSON in UTF-8."
NO_QUERY = "Send a JSON object with a query."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", NO_JSON),
        (b"{", NO_JSON),
        (b"\xef\xbb\xbf{}", NO_JSON),
        ('{"query": "{ key }"}'.encode("utf-16"), NO_JSON),
        (b'{"query": "\xff"}', NO_JSON),
        (b'{"query": "\\ud800"}', NO_JSON),
        (b'{"query": "\x00"}', NO_JSON),
        (b'{"query": "{ key }", "variables": {"n": 1e999}}', NO_JSON),
        (b'{"query": "{ key }", "variables": {"n": NaN}}', NO_JSON),
        (b'{"query": "{ key }"} {}', NO_JSON),
        (b"[" * 100_000, NO_JSON),
        (b'{"query": "{ key }", "variables": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001, NO_JSON),
        (b"5", NO_QUERY),
        (b"null", NO_QUERY),
        (b'"{ key }"', NO_QUERY),
        (b"{}", NO_QUERY),
        (b'{"qeury": "{ key }"}', NO_QUERY),
        (b'{"query": null}', NO_QUERY),
        (b'{"query": ["{ key }"]}', "query must be a text."),
        (b'{"query": "{ key }", "operationName": 0}', "operationName must be a text."),
        (b'{"query": "{ key }", "variables": "{}"}', "variables must be an object."),
        (b'{"query": "{ key }", "extensions": []}', "extensions must be an object."),
        (b'{"documentId": 1}', "documentId must be a text."),
        (b'{"query": "{ key }", "query": "{ key }"}', "The body has query twice."),
        (b'{"query": "{ key }", "qu\\u0065ry": "{ key }"}', "The body has query twice."),
        (b'{"variables": {}, "query": "{ key }", "variables": null}', "The body has variables twice."),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", TRUSTED])
async def test_a_body_that_is_no_request_is_400(api: Api, body: bytes, message: str, accept: str) -> None:
    assert said(await post(api, body, accept=accept)) == (400, "BAD_USER_INPUT", message)


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ key }", "variables": null, "operationName": null, "extensions": null}',
        b'{"query": "{ key }", "operationName": "", "variables": {"query": 1, "x": {"a": 1, "a": 2}}, "other": 1}',
        b' {"query": "\\u007b key }"} ',
    ],
)
async def test_what_means_nothing_here_is_not_looked_at(api: Api, body: bytes) -> None:
    assert (await post(api, body)).json() == {"data": {"key": None}}


async def test_a_nul_in_a_text_is_the_clients_mistake(api: Api) -> None:
    assert said(await post(api, {"query": "{ key \x00 }"}, accept=TRUSTED))[:2] == (400, "GRAPHQL_PARSE_FAILED")


async def test_a_body_is_only_so_long(api: Api) -> None:
    """As it says before it comes, as it comes, and as it is when it is unpacked."""
    message = "A body has at most 1,048,576 bytes."
    fits = b'{"query": "{ key }"' + b" " * (MIB - 20) + b"}"
    assert (await post(api, fits)).json() == {"data": {"key": None}}
    for body, packing in ((fits + b" ", ""), (gzip.compress(fits + b" "), "gzip")):
        answer = await post(api, body, content_encoding=packing)
        assert said(answer) == (413, "TOO_LARGE", message)
        assert answer.headers["connection"] == "close"


async def test_a_body_that_is_too_long_is_not_waited_for(api: Api) -> None:
    headers = [(b"content-type", b"application/json"), (b"accept", TRUSTED.encode())]
    part: Message = {"type": "http.request", "body": b" " * 300_000, "more_body": True}
    scope = {"method": "POST", "path": "/graphql", "headers": headers}
    for more, read in (([], 4), ([(b"content-length", b"1048577")], 0)):
        sent, seen = await raw(api, {**scope, "headers": headers + more}, [part] * 9)
        assert (sent[0]["status"], seen) == (413, read)
        assert (b"content-type", RESPONSE.encode()) in sent[0]["headers"]
    sent, _ = await raw(api, scope, [part, {"type": "http.disconnect"}])
    assert sent == []


async def test_a_body_may_be_packed(api: Api) -> None:
    body = gzip.compress(b'{"query": ') + gzip.compress(b'"{ key }"}')
    for packing in ("gzip", "x-gzip", " GZIP "):
        assert (await post(api, body, content_encoding=packing)).json() == {"data": {"key": None}}
    assert (await post(api, {"query": "{ key }"}, content_encoding="identity")).json() == {"data": {"key": None}}
    refused = (400, "BAD_USER_INPUT", "The body is not gzip, or not all of it.")
    for broken in (body[:-1], body[:20], b"", b"{}"):
        assert said(await post(api, broken, content_encoding="gzip")) == refused
    bomb = gzip.compress(bytes(64 * MIB))
    assert said(await post(api, bomb, content_encoding="gzip"))[:2] == (413, "TOO_LARGE")
    for packing in ("br", "deflate", "gzip, gzip", "zstd"):
        answer = await post(api, body, content_encoding=packing)
        message = "A body may be packed with gzip, and in no other way."
        assert said(answer) == (415, "UNSUPPORTED_TYPE", message)
        assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "TRACE", "QUERY", "X" * 50])
async def test_other_methods_are_405(api: Api, method: str) -> None:
    answer = await get(api, method, query="{ key }")
    assert said(answer) == (405, "METHOD_NOT_ALLOWED", f"Ask by POST or GET, not by {method[:20]}.")
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"


async def test_options_say_what_there_is(api: Api) -> None:
    answer = await api.client.options("/graphql")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert answer.headers["accept-post"] == "application/json, multipart/form-data"
    assert (answer.content, "content-type" in answer.headers) == (b"", False)


async def test_queries_may_be_asked_by_get(api: Api) -> None:
    query = "query A($n: Int!) { text(length: $n) } query B { key }"
    answer = await get(api, query=query, variables='{"n": 2}', operationName="A")
    assert (answer.status_code, answer.json()) == (200, {"data": {"text": "xx"}})
    assert answer.headers["cache-control"] == "private, no-store"
    answer = await get(api, accept=TRUSTED, query="{ key }", variables="", operationName="", extensions="", other="1")
    assert (answer.headers["content-type"], answer.json()) == (RESPONSE, {"data": {"key": None}})
    assert (await get(api, query="query null { key }", operationName="null")).json() == {"data": {"key": None}}
    assert said(await get(api, accept=TRUSTED, query="{"))[:2] == (400, "GRAPHQL_PARSE_FAILED")


async def test_head_is_get_without_its_body(api: Api) -> None:
    asked, answer = await get(api, "HEAD", query="{ key }"), await get(api, query="{ key }")
    assert asked.headers.pop("x-request-id") != answer.headers.pop("x-request-id")
    assert (asked.status_code, asked.content, asked.headers) == (200, b"", answer.headers)


async def test_get_changes_nothing(api: Api) -> None:
    for accept in ("*/*", TRUSTED):
        answer = await get(api, accept=accept, query="mutation M { touch } query Q { key }", operationName="M")
        assert said(answer) == (405, "METHOD_NOT_ALLOWED", "A mutation is not for GET: send it by POST.")
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", NO_QUERY),
        ("query=", NO_QUERY),
        ("query={key}&query={key}", "query stands in the address twice."),
        ("query=%ff", "The address is not made of parameters in UTF-8."),
        ("&".join(["a=b"] * 101), "The address is not made of parameters in UTF-8."),
        ("query={key}&variables={", "variables is not JSON."),
        ("query={key}&variables=[]", "variables must be an object."),
        ("query={key}&extensions=1", "extensions must be an object."),
        ("query={key}&variables=%ff", "The address is not made of parameters in UTF-8."),
    ],
)
async def test_an_address_that_is_no_request_is_400(api: Api, address: str, message: str) -> None:
    headers = {"authorization": f"Bearer {token()}"}
    answer = await api.client.get(f"/graphql?{address}", headers=headers)
    assert said(answer) == (400, "BAD_USER_INPUT", message)


async def test_operations_may_come_in_an_array(api: Api) -> None:
    """Each answered as if it had come alone, in order, whatever the status of each would have been."""
    body = [{"query": "{ key }", "extensions": {"idempotencyKey": "a"}}, {"query": "{ nope }"}, {"qeury": "{ key }"}]
    answer = await post(api, body, accept=TRUSTED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, RESPONSE)
    first, second, third = answer.json()
    assert first == {"data": {"key": "a"}}
    assert [one["errors"][0]["extensions"]["code"] for one in (second, third)] == [
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT",
    ]
    answer = await post(api, [{"query": "{ told(status: 429) }"}])
    assert (answer.status_code, "x-told" in answer.headers, "ratelimit" in answer.headers) == (200, False, True)
    anybody = await api.client.post("/graphql", json=[{"query": "{ key }"}])
    assert (anybody.status_code, anybody.json()[0]["errors"][0]["extensions"]["code"]) == (200, "UNAUTHENTICATED")


ONE = {"query": "{ key }"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "An array holds 1 to 3 operations; this one 0."),
        ([ONE] * 4, "An array holds 1 to 3 operations; this one 4."),
        ([ONE, 1], "An array holds operations: JSON objects with a query."),
        ([[ONE]], "An array holds operations: JSON objects with a query."),
    ],
)
async def test_an_array_that_is_none_is_400(api: Api, body: Any, message: str) -> None:
    assert said(await post(api, body)) == (400, "BAD_USER_INPUT", message)


async def test_arrays_are_for_those_who_switch_them_on(
    database_url: str, workspace: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with build(database_url, tmp_path_factory.mktemp("off")) as api:
        message = "Send one operation at a time: arrays of them are not taken here."
        assert said(await post(api, [{"query": "{ __typename }"}])) == (400, "BAD_USER_INPUT", message)


async def test_a_key_comes_to_the_context(api: Api) -> None:
    touch: dict[str, Any] = {"query": "mutation { touch }"}
    for key in ("8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted" text', "x" * 255):
        assert (await post(api, touch, idempotency_key=key)).json() == {"data": {"touch": key}}
        asked = {**touch, "extensions": {"idempotencyKey": key}}
        assert (await post(api, asked)).json() == {"data": {"touch": key}}
        assert (await post(api, asked, idempotency_key=key)).json() == {"data": {"touch": key}}


async def test_a_key_that_is_none_is_400(api: Api) -> None:
    refused = (400, "BAD_USER_INPUT", "An idempotency key has 1 to 255 printable ASCII characters.")
    for key in (b" ", b"x" * 256, "ä".encode(), b"a\tb"):
        headers = {b"idempotency-key": key, b"content-type": b"application/json"}
        answer = await api.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers=headers)
        assert said(answer) == refused
    for given in ("", "x" * 256, "ä", "a\n", 5, {"a": 1}):
        assert said(await post(api, {**ONE, "extensions": {"idempotencyKey": given}})) == refused
    both = await post(api, {**ONE, "extensions": {"idempotencyKey": "a"}}, idempotency_key="b")
    message = "The header Idempotency-Key and extensions.idempotencyKey differ: send one of them."
    assert said(both) == (400, "BAD_USER_INPUT", message)
    message = "An Idempotency-Key is one operation's: in an array, each has its extensions.idempotencyKey."
    assert said(await post(api, [ONE], idempotency_key="a")) == (400, "BAD_USER_INPUT", message)


async def test_an_operation_may_say_more_by_status_and_headers(api: Api) -> None:
    answer = await post(api, {"query": "{ told }"})
    assert (answer.status_code, answer.headers["x-told"]) == (200, "5")
    answer = await post(api, {"query": "{ told(status: 429) }"})
    assert (answer.status_code, answer.headers["x-told"]) == (429, "5")


TEXT = "query ($n: Int!) { text(length: $n) }"


@pytest.mark.parametrize(
    ("takes", "length", "packing"),
    [
        ("gzip", 2027, None),
        ("gzip", 2028, "gzip"),
        ("gzip, deflate, br, zstd", 10_000, "gzip"),
        ("*", 10_000, "gzip"),
        ("x-gzip;q=0.5", 10_000, "gzip"),
        ("gzip;q=0, *", 10_000, None),
        ("br", 10_000, None),
        ("", 10_000, None),
        ("identity", 10_000, None),
        ("gzip", 1_000_000, "gzip"),
    ],
)
async def test_long_answers_are_packed_for_those_who_take_it(
    api: Api, takes: str, length: int, packing: str | None
) -> None:
    headers = {"accept-encoding": takes, "authorization": f"Bearer {token()}"}
    body = {"query": TEXT, "variables": {"n": length}}
    async with api.client.stream("POST", "/graphql", json=body, headers=headers) as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])
    assert (answer.headers.get("content-encoding"), answer.headers["vary"]) == (
        packing,
        "Accept, Accept-Encoding, Origin",
    )
    assert int(answer.headers["content-length"]) == len(sent)
    plain = gzip.decompress(sent) if packing else sent
    assert plain == b'{"data":{"text":"%b"}}' % (b"x" * length)
