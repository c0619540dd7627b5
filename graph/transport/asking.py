"""From a request's bytes to the operations that it asks for."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import Message, Receive

from graph.errors import bad_input
from graph.gzip import BrokenGzip, Unpacker
from graph.refusals import ClientLeft, Refusal

_MEMBERS = ("query", "documentId", "operationName", "variables", "extensions")
_MOST_PARAMETERS = 100
"""Of an address."""
_PLAIN, _GZIP = frozenset({b"", b"identity"}), frozenset({b"gzip", b"x-gzip"})


async def body_of(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """A body, unpacked, counted while it comes. Raises Refusal and ClientLeft."""
    _check_length(headers, most)  # before anything is asked for: who expects 100 Continue need not send it
    packing = headers.get(b"content-encoding")
    if packing is not None and packing.strip().lower() not in _PLAIN:
        return await _unpacked(receive, packing.strip().lower(), headers, most)
    message = await receive()
    if not message.get("more_body"):
        part = _part(message)
        if len(part) > most:
            raise _too_long(most)
        return part
    return b"".join([part async for part in _parts(message, receive, most)])


def given_in(body: bytes) -> Any:
    """What a body holds: an object, or an array of them. Raises BAD_USER_INPUT."""
    try:
        given = orjson.loads(body)
    except ValueError:
        raise bad_input("The body is not JSON in UTF-8.") from None
    # A name that stands there twice may mean one thing to us and another to what looked at the request on its way.
    # Looked for by hand, one by one: most bodies are looked at no further.
    count = body.count
    if (
        count(b'"query"') > 1
        or count(b'"variables"') > 1
        or count(b'"operationName"') > 1
        or count(b'"extensions"') > 1
        or count(b'"documentId"') > 1
        or b"\\u00" in body
    ):
        _check_names(body)
    return given


def parameters_of(query_string: bytes, document_id: str | None) -> dict[str, Any]:
    """What an address holds, as a body would. Raises BAD_USER_INPUT. An empty parameter is as good as none."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise bad_input("The address is not made of parameters in UTF-8.") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in _MEMBERS:
            continue
        if name in given:
            raise bad_input(f"{name} stands in the address twice.")
        given[name] = value or None
    for name in ("variables", "extensions"):
        if given.get(name) is not None:
            given[name] = _json(given[name], name)
    found: dict[str, Any] = with_id(given, document_id)
    return found


def with_id(given: Any, document_id: str | None) -> Any:
    """A decoded request together with the document that its address names, if it does. Raises BAD_USER_INPUT."""
    if document_id is None or not isinstance(given, dict):
        return given
    if given.get("documentId") is not None:
        raise bad_input("The address names a document already: leave documentId out.")
    return {**given, "documentId": document_id}


def _json(given: str, what: str) -> Any:
    try:
        return orjson.loads(given)
    except ValueError:
        raise bad_input(f"{what} is not JSON.") from None


def _check_names(body: bytes) -> None:
    """Raises BAD_USER_INPUT where a request has a member twice. Deeper ones are for the last to mean, as everywhere."""
    pairs: list[tuple[str, Any]] = []

    def keep(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal pairs
        pairs = found  # the outermost comes last
        return dict(found)

    try:
        json.loads(body, object_pairs_hook=keep)
    except (ValueError, RecursionError):  # what orjson takes and this does not: digits without end
        raise bad_input("The body is not JSON in UTF-8.") from None
    names = [name for name, _ in pairs]
    for name in _MEMBERS:
        if names.count(name) > 1:
            raise bad_input(f"The body has {name} twice.")


def _check_length(headers: Mapping[bytes, bytes], most: int) -> None:
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length[:20]) > most:
        raise _too_long(most)


async def _parts(message: Message, receive: Receive, most: int) -> AsyncIterator[bytes]:
    length = 0
    while True:
        part = _part(message)
        length += len(part)
        if length > most:
            raise _too_long(most)
        yield part
        if not message.get("more_body"):
            return
        message = await receive()


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    part: bytes = message.get("body", b"")
    return part


async def _unpacked(receive: Receive, packing: bytes, headers: Mapping[bytes, bytes], most: int) -> bytes:
    if packing not in _GZIP:
        message = "A body may be packed with gzip, and in no other way."
        raise Refusal(415, "UNSUPPORTED_TYPE", message, {"accept-encoding": "gzip"})
    unpacker, found = Unpacker(), bytearray()
    try:
        async for part in _parts(await receive(), receive, most):
            for piece in unpacker.feed(part):
                found += piece
                if len(found) > most:
                    raise _too_long(most)
                await asyncio.sleep(0)  # others are answered meanwhile
        unpacker.finish()
    except BrokenGzip:
        raise bad_input("The body is not gzip, or not all of it.") from None
    return bytes(found)


def _too_long(most: int) -> Refusal:
    # What is still to come of it is not waited for.
    return Refusal(413, "TOO_LARGE", f"A body has at most {most:,} bytes.", {"connection": "close"})
