"""The manifest of trusted documents: what clients' builds write, read and checked when the server starts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema

from graph.documents import Documents
from graph.environment import SettingsError
from graph.http_settings import HttpSettings
from graph.operation_limits import OperationLimits
from graph.stored_documents import PREFIX, StoredDocuments, hash_of

APOLLO = "apollo-persisted-query-manifest"
_TOLD = 5
"""Problems of a manifest that are told at once."""


def stored_documents(settings: HttpSettings, schema: GraphQLSchema, limits: OperationLimits) -> StoredDocuments:
    """The documents that the settings name, and room for those that clients send. Raises SettingsError."""
    trusted = {} if settings.trusted_documents is None else load(settings.trusted_documents, Documents(schema, limits))
    return StoredDocuments(trusted, only_trusted=settings.trusted_only, most_bytes=settings.persisted_bytes)


def load(path: Path, known: Documents) -> dict[str, str]:
    """The documents of a manifest by their ids, each valid in the schema and within the limits. Raises SettingsError.

    A JSON object of texts by ids, as relay-compiler and graphql-codegen write it, or Apollo's manifest of operations.
    """
    try:
        given = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except OSError as error:
        raise _bad(path, f"cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"is not JSON: {error}.") from None
    try:
        documents = dict(_once(list(_entries(given))))
    except ValueError as error:
        raise _bad(path, f"{error}.") from None
    problems = [problem for name, text in documents.items() for problem in _problems(known, name, text)]
    if problems:
        more = f"\n  and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        listed = "".join(f"\n  {problem}" for problem in problems[:_TOLD])
        raise _bad(path, f"holds what cannot run here:{listed}{more}")
    return documents


def _entries(given: Any) -> Iterator[tuple[str, str]]:
    """The ids and texts of a manifest. Raises ValueError."""
    if not isinstance(given, dict):
        raise ValueError("must be a JSON object of documents by their ids")
    if given.get("format") == APOLLO or isinstance(given.get("operations"), list):
        if given.get("version") != 1 or not isinstance(given.get("operations"), list):
            raise ValueError("must have version 1 and a list of operations")
        for number, one in enumerate(given["operations"]):
            if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not isinstance(one.get("body"), str):
                raise ValueError(f"operations.{number} must have an id and a body, both texts")
            yield one["id"], one["body"]
        return
    for name, text in given.items():
        if not isinstance(text, str):
            raise ValueError(f"{name!r} must be the text of a document")
        yield name, text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises ValueError where a name has two meanings."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise ValueError(f"{name!r} stands there twice, with different values")
    return found


def _problems(known: Documents, name: str, text: str) -> Iterator[str]:
    """What is wrong with a document, the first of it."""
    if not name:
        yield f"a document without an id: {text[:60]!r}"
    elif name.startswith(PREFIX) and name != PREFIX + hash_of(text):
        yield f"{name}: this is not the hash of its text, which has {PREFIX}{hash_of(text)}"
    else:
        document = known.of(text)
        if document.errors:
            yield f"{name}: {document.errors[0].message}"
        elif not document.operations:
            yield f"{name}: there is no operation in it"


def _bad(path: Path, what: str) -> SettingsError:
    return SettingsError(f"TRUSTED_DOCUMENTS: {path} {what}")
