"""What a client asks for, once it is decoded: the same members over every transport."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from graph.errors import bad_input

LONGEST_KEY = 255
"""Characters of an idempotency key."""
_TEXT, _OBJECT = (str, NoneType), (dict, NoneType)


class Asked(NamedTuple):
    """One operation, as a request has it. None: not said."""

    query: str | None
    """The text of the document."""
    name: str | None
    """Of the operation, where the document has several."""
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None
    document_id: str | None
    """Of a document that the server has."""


def asked_of(given: object) -> Asked:
    """The operation that a decoded body means. Raises BAD_USER_INPUT. Members that mean nothing here are not looked at."""
    if not isinstance(given, dict):
        raise bad_input("Send a JSON object with a query.")
    get = given.get
    query, name, variables = get("query"), get("operationName"), get("variables")
    extensions, document_id = get("extensions"), get("documentId")
    if (
        type(query) is str
        and (name is None or type(name) is str)
        and (variables is None or type(variables) is dict)
        and (extensions is None or type(extensions) is dict)
        and document_id is None
    ):
        return Asked(query, name or None, variables, extensions, None)  # as nearly all are
    for key in ("query", "operationName", "documentId"):
        if not isinstance(get(key), _TEXT):
            raise bad_input(f"{key} must be a text.")
    for key in ("variables", "extensions"):
        if not isinstance(get(key), _OBJECT):
            raise bad_input(f"{key} must be an object.")
    if query is None and document_id is None and (extensions is None or extensions.get("persistedQuery") is None):
        raise bad_input("Send a JSON object with a query.")
    return Asked(query, name or None, variables, extensions, document_id)


def key_of(header: str | None, extensions: Mapping[str, Any] | None) -> str | None:
    """The idempotency key of a request: of its header, or its extensions. Raises BAD_USER_INPUT where it is none."""
    key = extensions.get("idempotencyKey") if extensions else None
    if key is None:
        if header is None:
            return None
        key = header.strip()
    elif header is not None and header.strip() != key:
        raise bad_input("The header Idempotency-Key and extensions.idempotencyKey differ: send one of them.")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise bad_input(f"An idempotency key has 1 to {LONGEST_KEY} printable ASCII characters.")
    return key
