"""Files with an operation: they come to its variables, and what is not whole or not in order does nothing."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import strawberry
from starlette.datastructures import Headers, UploadFile
from starlette.types import Message
from strawberry.file_uploads import Upload
from strawberry.schema.config import StrawberryConfig

from db.engine import Database
from db.queries import workspaces
from graph import access
from graph.refusals import Refusal
from graph.scalars import SCALARS
from graph.settings import UploadLimits
from graph.transport import forms
from tests.api import Api, build, token
from tests.conftest import UrlOf, admin
from tests.uploads import FILES, MIB, a_full_disk, form, open_files, raw, send, zeros

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEASURE = "mutation ($file: Upload!) { measure(file: $file) { name kind size sha256 } }"
MEASURE_ALL = "mutation ($input: Given!) { measureAll(input: $input) { name size } }"
HELLO = hashlib.sha256(b"hello").hexdigest()
DONE: list[str | None] = []
"""The names of the files that came to a resolver."""


@strawberry.type
class Measured:
    """What came."""

    name: str | None
    kind: str | None
    size: int
    sha256: str


@strawberry.input
class Given:
    """Files at other places than a variable of their own."""

    file: Upload | None = None
    files: list[Upload | None] | None = None


async def measured(upload: Any) -> Measured:
    """What a resolver sees of a file."""
    assert isinstance(upload, UploadFile)
    found, size = hashlib.sha256(), 0
    await upload.seek(0)
    while block := await upload.read(MIB):
        found.update(block)
        size += len(block)
    DONE.append(upload.filename)
    return Measured(name=upload.filename, kind=upload.content_type, size=size, sha256=found.hexdigest())


@strawberry.type
class Query:
    """Nothing."""

    nothing: int | None = None


@strawberry.type
class Mutation:
    """Takes files in, and keeps nothing."""

    @strawberry.mutation
    async def measure(self, file: Upload) -> Measured:
        """One."""
        return await measured(file)

    @strawberry.mutation
    async def measure_all(self, input: Given) -> list[Measured]:  # noqa: A002
        """Several."""
        return [await measured(one) for one in (input.file, *(input.files or ())) if one is not None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(url_of: UrlOf, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """The whole application, but that what it is asked takes files and nothing else."""
    name = f"groundswell_uploads_{os.getpid()}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    database = Database(url_of(name))
    await workspaces.create(database, "test", "Test", "Europe/Berlin", "EUR")
    await database.close()
    schema = strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map=SCALARS))
    needs = {"Mutation.measure": access.WRITE, "Mutation.measureAll": access.INGEST, "Query.nothing": access.READ}
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("graph.app.schema", schema)
        patches.setattr("graph.access.REQUIRED", needs)
        limits = {"UPLOAD_BYTES": str(300 * MIB), "UPLOAD_FILES": "3"}
        async with build(url_of(name), tmp_path_factory.mktemp("uploads"), **limits) as found:
            yield found
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of a request of which nothing was done."""
    assert DONE == []
    [error] = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


def whole(file: bytes = b"hello", boundary: str = "cut") -> tuple[bytes, str]:
    """A body and its type."""
    given = form(MEASURE, {"file": None}, {"0": ["variables.file"]}, {"0": ("a.txt", file, "text/plain")})
    kind = f"multipart/form-data; boundary={boundary}"
    request = httpx.Request("POST", "http://test", headers={"content-type": kind}, **given)
    return request.read(), kind


async def test_a_file_comes_to_its_variable(api: Api) -> None:
    answer = await send(api, form(MEASURE, {"file": None}, {"0": ["variables.file"]}, FILES))
    found = {"name": "a.txt", "kind": "text/plain", "size": 5, "sha256": HELLO}
    assert (answer.status_code, answer.json()) == (200, {"data": {"measure": found}})


async def test_files_come_to_places_in_lists_and_objects(api: Api) -> None:
    files = {"a": ("ä b.txt", b"12", "text/plain"), "b": ("b", b"", "text/plain"), "c": ("c", b"3", "x/y")}
    places = {"b": ["variables.input.files.1"], "a": ["variables.input.file", "variables.input.files.0"]}
    places["c"] = ["variables.input.files.3"]
    variables = {"input": {"file": None, "files": [None] * 4}}
    answer = await send(api, form(MEASURE_ALL, variables, places, files))
    found = [(one["name"], one["size"]) for one in answer.json()["data"]["measureAll"]]
    assert found == [("ä b.txt", 2), ("ä b.txt", 2), ("b", 0), ("c", 1)]


@pytest.mark.parametrize("name", ["GraphQL-Preflight", "Apollo-Require-Preflight", "X-Requested-With"])
async def test_a_page_of_another_origin_cannot_send_files(api: Api, name: str) -> None:
    given = form(MEASURE, {"file": None}, {"0": ["variables.file"]}, FILES)
    status, code, message = refused(await send(api, given, graphql_preflight=""))
    assert (status, code) == (400, "BAD_USER_INPUT")
    assert message.startswith("Send a header GraphQL-Preflight: 1 with multipart/form-data.")
    answer = await send(api, given, graphql_preflight="", **{name: "yes"})
    assert answer.json()["data"]["measure"]["size"] == 5


PLACES = {"0": ["variables.file"]}


@pytest.mark.parametrize(
    ("operations", "places", "message"),
    [
        ("{", PLACES, "operations is not JSON."),
        ("1", PLACES, "operations must be a JSON object with a query."),
        ([{"query": MEASURE}], PLACES, "A batch of operations cannot have files: send them one by one."),
        (None, PLACES, "There is no field operations."),
        ({"query": MEASURE, "operationName": "other"}, {}, "The file '0' is not in map."),
        ({}, None, "There is no field map."),
        ({}, "]", "map is not JSON."),
        ({}, ["variables.file"], 'map must be a JSON object of lists of places, like {"0": ["variables.file"]}.'),
        ({}, {"0": "variables.file"}, 'map must be a JSON object of lists of places, like {"0": ["variables.file"]}.'),
        ({}, {"0": []}, 'map must be a JSON object of lists of places, like {"0": ["variables.file"]}.'),
        ({}, {**PLACES, "1": ["variables.file"]}, "map names '1', and there is no such file."),
        ({}, {"0": ["query"]}, "A file stands for a variable, like variables.file; map says 'query'."),
        ({}, {"0": ["variables"]}, "A file stands for a variable, like variables.file; map says 'variables'."),
        ({}, {"0": ["0.variables.file"]}, "A file stands for a variable, like variables.file; map says '0.variables.file'."),
        ({}, {"0": ["variables.other"]}, "map says 'variables.other', and there is no such place in operations."),
        ({}, {"0": ["variables.file.0"]}, "map says 'variables.file.0', and there is no such place in operations."),
        ({}, {"0": ["variables.list.2"]}, "map says 'variables.list.2', and there is no such place in operations."),
        ({}, {"0": ["variables.list.-1"]}, "map says 'variables.list.-1', and there is no such place in operations."),
        ({}, {"0": ["variables.list.1"]}, "Where a file stands, operations must be null; 'variables.list.1' is not."),
        ({}, {"0": ["variables.file"] * 2}, "Where a file stands, operations must be null; 'variables.file' is not."),
    ],
)  # fmt: skip
async def test_what_is_not_in_order_does_nothing(api: Api, operations: Any, places: Any, message: str) -> None:
    if isinstance(operations, dict):
        operations = {"query": MEASURE, "variables": {"file": None, "list": [None, 1]}, **operations}
    data = {"operations": operations, "map": places}
    texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in data.items() if one is not None}
    answer = await send(api, {"data": texts, "files": FILES})
    assert refused(answer) == (400, "BAD_USER_INPUT", f"{message} Nothing was done.")


async def test_an_operation_that_is_not_there_does_nothing(api: Api) -> None:
    operations = {"query": MEASURE, "operationName": "other", "variables": {"file": None}}
    data = {"operations": json.dumps(operations), "map": json.dumps(PLACES)}
    said = (200, "BAD_USER_INPUT", "There is no operation named 'other'.")
    assert refused(await send(api, {"data": data, "files": FILES})) == said
    data["operations"] = json.dumps({"variables": {"file": None}})
    said = (400, "BAD_USER_INPUT", "Send a JSON object with a query.")
    assert refused(await send(api, {"data": data, "files": FILES})) == said


async def test_the_answer_has_the_type_that_is_asked_for(api: Api) -> None:
    accept = "application/graphql-response+json"
    answer = await send(api, form(MEASURE, {"file": None}, PLACES, FILES), accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{accept}; charset=utf-8")
    DONE.clear()
    answer = await send(api, form("{", {"file": None}, PLACES, FILES), accept=accept)
    assert refused(answer)[:2] == (400, "GRAPHQL_PARSE_FAILED")
    answer = await send(api, form(MEASURE, {"file": None}, PLACES, FILES), accept="text/plain")
    assert refused(answer)[:2] == (406, "NOT_ACCEPTABLE")


async def _part(api: Api, part: bytes, kind: str = "multipart/form-data; boundary=cut") -> tuple[int, str, str]:
    body, _ = whole()
    return refused(await send(api, {"content": part + body}, content_type=kind))


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ('form-data; name="operations"', "Two parts have the same name."),
        ("form-data", "A part has no name."),
        ('form-data; name="x"', "The part 'x' is no file: it has no filename."),
        ('form-data; name="x"; filename="x"', "The file 'x' is not in map."),
        ('form-data; name="x"; filename="x"\r\nContent-Transfer-Encoding: base64', "Parts are sent as they are, without a Content-Transfer-Encoding."),
        ('form-data; name="\udcff"', "The name of a part is not UTF-8."),
        ('form-data; name="x"; filename="\udcff"', "The name of a file is not UTF-8."),
        ('form-data; name="x"\r\nno header', "The body is not multipart/form-data."),
    ],
)  # fmt: skip
async def test_a_part_that_is_not_in_order_does_nothing(api: Api, headers: str, message: str) -> None:
    part = f"--cut\r\nContent-Disposition: {headers}\r\n\r\n1\r\n".encode(errors="surrogateescape")
    assert await _part(api, part) == (400, "BAD_USER_INPUT", f"{message} Nothing was done.")


async def test_without_a_boundary_there_is_nothing(api: Api) -> None:
    message = "The Content-Type names no boundary. Nothing was done."
    assert await _part(api, b"", "multipart/form-data") == (400, "BAD_USER_INPUT", message)
    assert (await _part(api, b"", f"multipart/form-data; boundary={'x' * 300}"))[0] == 400
    assert (await _part(api, b"", "multipart/form-data; boundary=other"))[0] == 400


async def test_a_body_that_ends_early_does_nothing(api: Api) -> None:
    body, kind = whole(b"\r\n--cu" * 20)
    end = body.rindex(b"--cut--") + len(b"--cut--")
    before = open_files()
    for length in [*range(0, end, 17), end - 1]:
        status, code, message = refused(await send(api, {"content": body[:length]}, content_type=kind))
        assert (status, code, message) == (
            400,
            "BAD_USER_INPUT",
            "The body ends before its last boundary. Nothing was done.",
        )
    assert open_files() == before
    assert (await send(api, {"content": body[:end]}, content_type=kind)).json()["data"]["measure"]["size"] == 120


async def test_a_body_may_come_in_any_pieces(api: Api) -> None:
    body, kind = whole(b"\r\n--cu\r\n--cut" + b"x" * 9 + b"\r\n--cut-")
    for size in (1, 2, 7):
        pieces = _pieces(body, size)
        assert (await send(api, {"content": pieces}, content_type=kind)).json()["data"]["measure"]["size"] == 30


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_who_leaves_is_told_nothing(api: Api) -> None:
    """And of what had come nothing is left."""
    body, kind = whole(bytes(3 * MIB))
    named = {"authorization": f"Bearer {token()}", "graphql-preflight": "1", "content-type": kind}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    before = open_files()
    came: list[Message] = [
        {"type": "http.request", "body": body[: 2 * MIB], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent, seen = await raw(api, {"method": "POST", "path": "/graphql", "headers": headers}, came)
    assert (sent, seen, DONE, open_files()) == ([], 2, [], before)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "UNAUTHENTICATED"),
        ({"authorization": "Bearer bad"}, 401, "UNAUTHENTICATED"),
        ({"authorization": f"Bearer {token(scopes=('read', 'live'))}"}, 403, "FORBIDDEN"),
        ({"graphql-preflight": " "}, 400, "BAD_USER_INPUT"),
        ({"content-encoding": "gzip"}, 415, "UNSUPPORTED_TYPE"),
        ({"content-length": str(300 * MIB + 1)}, 413, "TOO_LARGE"),
    ],
)
async def test_who_may_not_send_is_told_before_anything_is_read(
    api: Api, headers: dict[str, str], status: int, code: str
) -> None:
    usual = {"authorization": f"Bearer {token()}", "graphql-preflight": "1", "content-type": "multipart/form-data"}
    named = {name: value for name, value in {**usual, **headers}.items() if value}
    given = [(name.encode(), value.encode()) for name, value in named.items()]
    sent, seen = await raw(api, {"method": "POST", "path": "/graphql", "headers": given}, [])
    [error] = json.loads(sent[1]["body"])["errors"]
    assert (seen, sent[0]["status"], error["extensions"]["code"]) == (0, status, code)


async def test_there_are_only_so_many_files(api: Api) -> None:
    files = {str(number): ("a", b"", "x/y") for number in range(4)}
    message = "A body has at most 3 files beside operations and map. Nothing was done."
    assert refused(await send(api, form(MEASURE, {}, {}, files))) == (413, "TOO_LARGE", message)


async def test_what_is_no_file_is_short(api: Api) -> None:
    message = "What is no file has at most 1,048,576 bytes. Nothing was done."
    assert refused(await send(api, form("#" * MIB, {}, {}, FILES))) == (413, "TOO_LARGE", message)


async def test_a_body_is_only_so_long(api: Api) -> None:
    """However it comes: here nobody says how long it will be."""
    body, kind = whole()
    head, _, tail = body.partition(b"hello")
    answer = await send(api, {"content": zeros(300 * MIB, head, tail)}, content_type=kind)
    assert refused(answer) == (413, "TOO_LARGE", "A body has at most 314,572,800 bytes. Nothing was done.")


async def test_a_large_file_needs_little_memory(api: Api) -> None:
    body, kind = whole()
    head, _, tail = body.partition(b"hello")
    seen: list[int] = []
    before = open_files()
    answer = await send(api, {"content": zeros(200 * MIB, head, tail, seen)}, content_type=kind)
    assert answer.json()["data"]["measure"]["size"] == 200 * MIB
    assert max(seen) - seen[0] < 32 * MIB
    assert open_files() == before


async def test_a_full_disk_is_told(api: Api) -> None:
    body, kind = whole(bytes(3 * MIB))
    with a_full_disk(2 * MIB):
        answer = await send(api, {"content": body}, content_type=kind)
    message = "The server's disk is full. Nothing was done: try again later."
    assert refused(answer) == (507, "UNAVAILABLE", message)


async def test_a_body_of_which_nothing_comes_is_given_up() -> None:
    headers = Headers({"content-type": "multipart/form-data; boundary=cut"})
    with pytest.raises(Refusal) as caught:
        await forms.read(asyncio.Future, headers, UploadLimits(quiet_seconds=0.01))
    assert (caught.value.status, str(caught.value)) == (408, "Nothing came for 0.01 s. Nothing was done.")


NO_FILE = "Not a file: send one by POST as multipart/form-data, by the GraphQL multipart request specification."


@pytest.mark.parametrize("value", ["a.txt", 1, {}, ["a"]])
async def test_json_is_no_file(api: Api, value: Any) -> None:
    code, message = await api.error(MEASURE, file=value)
    assert (code, message.partition(": ")[2]) == ("BAD_USER_INPUT", NO_FILE)
    answer = await send(api, form(MEASURE, {"file": value, "other": None}, {"0": ["variables.other"]}, FILES))
    assert answer.json()["errors"][0]["message"] == message
    assert DONE == []


async def test_null_and_literals_are_no_files(api: Api) -> None:
    assert (await api.error(MEASURE, file=None))[0] == "BAD_USER_INPUT"
    [error] = (await api.ask('mutation { measure(file: "a") { size } }'))["errors"]
    assert NO_FILE in error["message"]
    assert await api.data(MEASURE_ALL, input={"file": None, "files": [None]}) == {"measureAll": []}


async def test_a_stream_takes_no_files(api: Api) -> None:
    answer = await send(api, form(MEASURE, {"file": None}, PLACES, FILES), accept="text/event-stream")
    assert refused(answer) == (415, "UNSUPPORTED_TYPE", "Send the operation as application/json.")
