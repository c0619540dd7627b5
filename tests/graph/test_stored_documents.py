"""Documents that clients name: by hash once they were sent, and those of a manifest, over every transport."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLError

from graph.documents import Documents
from graph.environment import SettingsError
from graph.http_settings import HttpSettings
from graph.operation_limits import OperationLimits
from graph.schema import schema
from graph.stored_documents import StoredDocuments
from graph.trusted_documents import APOLLO, load
from tests.api import Api, build, token

SCHEMA = schema._schema
DOCUMENTS = Documents(SCHEMA, OperationLimits())
RESPONSE = "application/graphql-response+json"
WHO = "query Who { viewer { subject } }"
TYPE = "query Type { __typename }"
MAKE = 'mutation Make { createBrand(input: {name: "A"}) { brand { name } } }'


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


MANIFEST = {"who": WHO, sha256(TYPE): TYPE, f"sha256:{sha256(MAKE)}": MAKE}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A file as relay-compiler and graphql-codegen write it."""
    path = tmp_path / "persisted-documents.json"
    path.write_text(json.dumps(MANIFEST))
    return path


@pytest.fixture
async def trusting(database_url: str, workspace: int, manifest: Path, tmp_path: Path) -> AsyncIterator[Api]:
    """The application, which knows the documents of the manifest."""
    async with build(database_url, tmp_path, TRUSTED_DOCUMENTS=str(manifest)) as api:
        yield api


@pytest.fixture
async def strict(database_url: str, workspace: int, manifest: Path, tmp_path: Path) -> AsyncIterator[Api]:
    """The application, where nothing else runs."""
    async with build(database_url, tmp_path, TRUSTED_DOCUMENTS=str(manifest), TRUSTED_ONLY="on") as api:
        yield api


async def post(api: Api, body: Any, path: str = "/graphql", accept: str = "*/*") -> tuple[int, Any]:
    """Status and data of an answer, or code and message of its only error."""
    headers = {"authorization": f"Bearer {token()}", "accept": accept}
    return _told(await api.client.post(path, json=body, headers=headers))


async def get(api: Api, path: str = "/graphql", **parameters: str) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token()}"}
    return _told(await api.client.get(path, params=parameters, headers=headers))


def _told(response: Any) -> tuple[int, Any]:
    answer = response.json()
    if "errors" not in answer:
        return response.status_code, answer["data"]
    [error] = answer["errors"]
    return response.status_code, (error["extensions"]["code"], error["message"])


def persisted(text: str, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": sha256(text)}}


NOT_FOUND = ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
NO_SUCH = ("PERSISTED_QUERY_NOT_FOUND", "There is no document of this id.")
ONLY = ("FORBIDDEN", "Only documents of the server's own list run here: send the id of one.")
ADA = {"viewer": {"subject": "ada"}}


async def test_a_document_is_sent_once_and_then_by_its_hash(api: Api) -> None:
    """As Apollo's clients do it: the hash first, and with it the document where it is not known."""
    assert await post(api, {"extensions": persisted(WHO)}) == (200, NOT_FOUND)
    assert await post(api, {"extensions": persisted(WHO)}, accept=RESPONSE) == (400, NOT_FOUND)
    assert await post(api, {"query": WHO, "extensions": persisted(WHO)}) == (200, ADA)
    assert await post(api, {"query": None, "extensions": persisted(WHO)}) == (200, ADA)
    assert await get(api, extensions=json.dumps(persisted(WHO))) == (200, ADA)
    assert await get(api, documentId=f"sha256:{sha256(WHO)}") == (200, ADA)
    assert await get(api, f"/graphql/sha256:{sha256(WHO)}") == (200, ADA)
    assert await post(api, {"documentId": sha256(WHO)}) == (200, NO_SUCH)


async def test_only_valid_documents_of_known_clients_are_kept(api: Api) -> None:
    broken = "{ nope }"
    assert (await post(api, {"query": broken, "extensions": persisted(broken)}))[1][0] == "GRAPHQL_VALIDATION_FAILED"
    assert await post(api, {"extensions": persisted(broken)}) == (200, NOT_FOUND)
    anybody = await api.client.post("/graphql", json={"query": TYPE, "extensions": persisted(TYPE)})
    assert anybody.json() == {"data": {"__typename": "Query"}}
    assert await post(api, {"extensions": persisted(TYPE)}) == (200, NOT_FOUND)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": WHO, "extensions": persisted(TYPE)}, "provided sha does not match query"),
        ({"extensions": persisted(WHO, 2)}, "Unsupported persisted query version"),
        ({"extensions": persisted(WHO, True)}, "Unsupported persisted query version"),
        ({"extensions": {"persistedQuery": {"version": 1}}}, 'extensions.persistedQuery must be like {"version": 1, "sha256Hash": "..."}.'),
        ({"extensions": {"persistedQuery": 1}}, 'extensions.persistedQuery must be like {"version": 1, "sha256Hash": "..."}.'),
        ({"query": WHO, "documentId": "who"}, "Say in one way which document: by its query, its documentId or extensions.persistedQuery."),
        ({"documentId": "who", "extensions": persisted(WHO)}, "Say in one way which document: by its query, its documentId or extensions.persistedQuery."),
    ],
)  # fmt: skip
async def test_what_names_no_document_is_400(api: Api, body: Any, message: str) -> None:
    assert await post(api, body) == (400, ("BAD_USER_INPUT", message))


async def test_hashes_may_be_switched_off(database_url: str, workspace: int, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, PERSISTED_QUERY_BYTES="0") as api:
        assert await post(api, {"query": WHO, "extensions": persisted(WHO)}) == (200, ADA)
        no = ("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        assert await post(api, {"extensions": persisted(WHO)}) == (200, no)


def test_the_documents_used_least_lately_are_forgotten() -> None:
    stored, texts = StoredDocuments(most_bytes=20), ["{ aaaaa }", "{ bbbbb }", "{ ö }", "{ ddddd }"]

    def has(text: str) -> bool:
        try:
            return stored.text(None, None, persisted(text)) == text
        except GraphQLError:
            return False

    for text in texts[:2]:
        stored.keep(text, persisted(text))
    assert has(texts[0])  # and is used
    stored.keep(texts[2], persisted(texts[2]))
    assert [has(text) for text in texts] == [True, False, True, False]
    stored.keep("x" * 21, persisted("x" * 21))
    stored.keep(texts[3], None)
    assert [has(text) for text in texts] == [True, False, True, False]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ({"documentId": "who"}, ADA),
        ({"documentId": sha256(TYPE)}, {"__typename": "Query"}),
        ({"documentId": f"sha256:{sha256(WHO)}"}, ADA),
        ({"documentId": f"sha256:{sha256(MAKE)}"}, {"createBrand": {"brand": {"name": "A"}}}),
        ({"documentId": "who", "query": ""}, ADA),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "who"}}}, ADA),
        ({"extensions": persisted(WHO)}, ADA),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(TYPE).upper()}}}, {"__typename": "Query"}),
        ({"query": WHO, "extensions": persisted(WHO)}, ADA),
        ({"query": WHO}, ADA),
    ],
)  # fmt: skip
async def test_documents_of_the_manifest_run_however_they_are_named(strict: Api, body: Any, data: Any) -> None:
    assert await post(strict, body) == (200, data)


async def test_a_document_may_be_named_by_the_address(trusting: Api) -> None:
    assert await get(trusting, "/graphql/who") == (200, ADA)
    assert await post(trusting, {}, "/graphql/who") == (200, ADA)
    assert await post(trusting, {"variables": {}}, f"/graphql/{sha256(TYPE)}") == (200, {"__typename": "Query"})
    assert await get(trusting, "/graphql/nobody") == (404, NO_SUCH)
    assert await post(trusting, {}, "/graphql/who/else", RESPONSE) == (404, NO_SUCH)
    message = "The address names a document already: leave documentId out."
    assert await post(trusting, {"documentId": "who"}, "/graphql/who") == (400, ("BAD_USER_INPUT", message))
    message = "Say in one way which document: by its query, its documentId or extensions.persistedQuery."
    assert await get(trusting, "/graphql/who", query=WHO) == (400, ("BAD_USER_INPUT", message))
    message = "A mutation is not for GET: send it by POST."
    assert await get(trusting, f"/graphql/sha256:{sha256(MAKE)}") == (405, ("METHOD_NOT_ALLOWED", message))


async def test_where_all_are_trusted_no_other_runs(strict: Api) -> None:
    other = "{ viewer { subject } }"
    assert await post(strict, {"query": other}) == (200, ONLY)
    assert await post(strict, {"query": other}, accept=RESPONSE) == (403, ONLY)
    assert await post(strict, {"query": other, "extensions": persisted(other)}) == (200, ONLY)
    assert await post(strict, {"extensions": persisted(other)}) == (200, NOT_FOUND)
    assert await post(strict, {"documentId": "other"}) == (200, NO_SUCH)
    assert await get(strict, query="{ __schema { queryType { name } } }") == (200, ONLY)


async def test_beside_trusted_documents_others_may_run(trusting: Api) -> None:
    other = "{ viewer { subject } }"
    assert await post(trusting, {"query": other, "extensions": persisted(other)}) == (200, ADA)
    assert await post(trusting, {"extensions": persisted(other)}) == (200, ADA)


async def test_streams_know_the_same_documents(strict: Api) -> None:
    headers = {"authorization": f"Bearer {token()}", "accept": "text/event-stream"}

    async def stream(body: Any, path: str = "/graphql") -> str:
        return (await strict.client.post(path, json=body, headers=headers)).text

    assert '{"data":{"viewer":{"subject":"ada"}}}' in await stream({"documentId": "who"})
    assert '{"data":{"viewer":{"subject":"ada"}}}' in await stream({"extensions": persisted(WHO)})
    assert '{"data":{"viewer":{"subject":"ada"}}}' in await stream({}, "/graphql/who")
    assert ONLY[1] in await stream({"query": "{ viewer { subject } }"})
    assert NO_SUCH[1] in await stream({"documentId": "nobody"})
    by_address = await strict.client.get("/graphql", params={"documentId": "who"}, headers=headers)
    assert '{"data":{"viewer":{"subject":"ada"}}}' in by_address.text


def written(path: Path, given: Any) -> Path:
    path.write_text(given if isinstance(given, str) else json.dumps(given))
    return path


def test_manifests_are_read_as_the_builds_of_clients_write_them(tmp_path: Path) -> None:
    assert load(written(tmp_path / "relay.json", MANIFEST), DOCUMENTS) == MANIFEST
    operations = [{"id": name, "body": text, "name": "x", "type": "query"} for name, text in MANIFEST.items()]
    apollo = {"format": APOLLO, "version": 1, "operations": operations}
    assert load(written(tmp_path / "apollo.json", apollo), DOCUMENTS) == MANIFEST
    assert load(written(tmp_path / "none.json", {}), DOCUMENTS) == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        ("[" * 100_000, "is not JSON: maximum recursion depth exceeded"),
        ([WHO], "must be a JSON object of documents by their ids."),
        ({"who": 1}, "'who' must be the text of a document."),
        ('{"who": "{ __typename }", "who": "{ a: __typename }"}', "is not JSON: 'who' stands there twice, with different values."),
        ({"format": APOLLO, "version": 2, "operations": []}, "must have version 1 and a list of operations."),
        ({"format": APOLLO, "version": 1}, "must have version 1 and a list of operations."),
        ({"format": APOLLO, "version": 1, "operations": [{"id": "a"}]}, "operations.0 must have an id and a body, both texts."),
        ({"format": APOLLO, "version": 1, "operations": [{"id": "a", "body": WHO}, {"id": "a", "body": TYPE}]}, "'a' stands there twice, with different values."),
        ({"": WHO}, "holds what cannot run here:\n  a document without an id: 'query Who { viewer { subject } }'"),
        ({"a": "{ nope }"}, "holds what cannot run here:\n  a: Cannot query field 'nope' on type 'Query'."),
        ({"a": "{"}, "holds what cannot run here:\n  a: Syntax Error: Expected Name, found <EOF>."),
        ({"a": "type A { b: Int }"}, "holds what cannot run here:\n  a: The 'A' definition is not executable."),
        ({"sha256:" + "0" * 64: TYPE}, f"this is not the hash of its text, which has sha256:{sha256(TYPE)}"),
        ({f"a{n}": "{ nope }" for n in range(7)}, "  and 2 more"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_manifest_is_said_when_it_starts(tmp_path: Path, given: Any, problem: str) -> None:
    path = written(tmp_path / "documents.json", given)
    with pytest.raises(SettingsError) as caught:
        load(path, DOCUMENTS)
    assert str(caught.value).startswith(f"TRUSTED_DOCUMENTS: {path} ")
    assert problem in str(caught.value)


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"TRUSTED_DOCUMENTS: .*nothing.json cannot be read: no such file"):
        load(tmp_path / "nothing.json", DOCUMENTS)
    with pytest.raises(SettingsError, match="cannot be read: is a directory"):
        load(tmp_path, DOCUMENTS)


def test_settings_are_checked() -> None:
    assert HttpSettings.from_env({}) == HttpSettings()
    assert HttpSettings.from_env({"TRUSTED_DOCUMENTS": "a.json", "TRUSTED_ONLY": "on"}).trusted_only
    for environ, message in (
        ({"TRUSTED_ONLY": "on"}, "TRUSTED_ONLY=on needs TRUSTED_DOCUMENTS"),
        ({"TRUSTED_ONLY": "yes"}, "TRUSTED_ONLY must be on or off"),
        ({"BATCH_LIMIT": "-1"}, "BATCH_LIMIT must be a whole number"),
        ({"GRAPHQL_BODY_BYTES": "0"}, "GRAPHQL_BODY_BYTES must be a whole number, 1024 or more"),
        ({"COMPRESS_FROM_BYTES": "x"}, "COMPRESS_FROM_BYTES must be"),
        ({"PERSISTED_QUERY_BYTES": "1.5"}, "PERSISTED_QUERY_BYTES must be"),
    ):
        with pytest.raises(SettingsError, match=message):
            HttpSettings.from_env(environ)
