"""From what came of an operation to the status, headers and bytes of a response."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError
from starlette.types import Send

from graph.encoding import encoded
from graph.refusals import Refusal
from graph.transport.negotiation import JSON, Media

VARY = (b"vary", b"Accept, Accept-Encoding")
STATUS: Mapping[str, int] = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "INTERNAL": 500, "UNAVAILABLE": 503}
"""Of an operation of which nothing ran, by its first error, where clients trust the status. Others are 400."""
_RAISED: Mapping[str, int] = {"BAD_USER_INPUT": 400, "UNAUTHENTICATED": 401, "INTERNAL": 500, "UNAVAILABLE": 503}
"""Of what is no request, or was not looked at, whatever the type of the answer."""
_FURTHER: Mapping[int, Mapping[str, str]] = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "1"}}
_BROKEN_OFF = frozenset({"DEADLINE_EXCEEDED"})
"""Codes of errors that come when fields are being answered, though they are no field's."""
_NONE: Mapping[str, str] = {}
_OF_ALL = frozenset({"ratelimit", "ratelimit-policy"})
_GZIP, _LEVEL = 31, 1
"""zlib's way to say: with gzip's header; and the level that costs least. Answers are JSON, which it makes small enough."""
_EMPTY = 204
"""The status of a response that has no body, and says nothing of one."""
_LONG = 256 * 1024
"""Bytes of an answer that takes so long to pack that others are answered meanwhile."""


class Answer(NamedTuple):
    """A response, but for what is the same of all."""

    status: int
    body: bytes
    further: Mapping[str, str] = _NONE
    """Headers, names in lower case."""


def of_result(
    result: ExecutionResult, media: Media, status: int | None = None, further: Mapping[str, str] = _NONE
) -> Answer:
    """The answer to an operation. ``status``: where nothing of it was done and something else than usual is to be said."""
    if result.errors:
        return _with_errors(result, result.errors, media, status, further)
    answer: dict[str, Any] = {"data": result.data}
    if result.extensions:
        answer["extensions"] = result.extensions
    return Answer(status or 200, encoded(answer), further)


def of_error(error: GraphQLError, media: Media) -> Answer:
    """The answer to what is no request, or was not looked at further."""
    status = _RAISED.get(_code(error))
    return of_result(ExecutionResult(None, [error]), media, status)


def of_refusal(refusal: Refusal) -> Answer:
    """The answer to a request that was refused as a whole."""
    errors = [{"message": refusal.message, "extensions": {"code": refusal.code}}]
    return Answer(refusal.status, encoded({"errors": errors}), refusal.headers)


def together(answers: Sequence[Answer]) -> Answer:
    """The answer to a batch. Its statuses are nobody's; of its headers only what stands of the budget is all's, and the last's."""
    further = {name: value for answer in answers for name, value in answer.further.items() if name in _OF_ALL}
    return Answer(200, b"[%b]" % b",".join(answer.body for answer in answers), further)


async def deliver(
    send: Send, answer: Answer, media: Media | None, *, packed: bool = False, without_body: bool = False
) -> None:
    """Sends an answer."""
    body = answer.body
    headers = [(media or JSON).header, VARY] if answer.status != _EMPTY else []
    if packed:
        body = await asyncio.to_thread(_gzip, body) if len(body) > _LONG else _gzip(body)
        headers.append((b"content-encoding", b"gzip"))
    if answer.status != _EMPTY:
        headers.append((b"content-length", b"%d" % len(body)))
    if answer.further:
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.further.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if without_body else body})


def _with_errors(
    result: ExecutionResult,
    errors: Sequence[GraphQLError],
    media: Media,
    status: int | None,
    further: Mapping[str, str],
) -> Answer:
    answer: dict[str, Any] = {"errors": [error.formatted for error in errors]}
    # An error of a field has a path, and what failed before any field was answered has none; then there is no data.
    if result.data is not None or _code(errors[0]) in _BROKEN_OFF or any(error.path for error in errors):
        answer = {"data": result.data, **answer}
        status = status or 200
    if status is None:
        status = STATUS.get(_code(errors[0]), 400)
        if not media.tells and status != 401:
            status = 200
    if result.extensions:
        answer["extensions"] = result.extensions
    if status in _FURTHER:
        further = {**_FURTHER[status], **further}
    return Answer(status, encoded(answer), further)


def _code(error: GraphQLError) -> str:
    return str((error.extensions or {}).get("code"))


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()
