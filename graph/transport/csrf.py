"""Requests that a foreign page makes in somebody's browser, with what the browser adds of itself: none of them runs anything.

Nothing is added here that lets anybody in, neither cookies nor the like: who asks is said by a token in a header, which no page
can send to us without asking first. This keeps foreign pages from making the server work at all. By POST they cannot send JSON
unasked, and nothing else is taken (graph.transport.http, graph.transport.uploads); by GET they could.
"""

from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from graph.transport.negotiation import headers_of
from graph.transport.origins import header, is_welcome

PREFLIGHTED = (
    *("authorization", "graphql-preflight", "apollo-require-preflight", "x-requested-with"),
    "x-graphql-event-stream-token",
)
"""Headers that no page of another origin can send unless the browser asks us first."""
_PREFLIGHTED = frozenset(name.encode() for name in PREFLIGHTED)
_OPERATIONS = (b"query=", b"extensions=", b"documentId=")
_ANSWERS = ("json", "event-stream", "multipart/mixed")
_OF_SCRIPTS = ("cors", "same-origin")


def is_operation(scope: Scope, endpoint: str) -> bool:
    """Whether a request to the endpoint, or to a document below it, is an operation by GET."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    query: bytes = scope["query_string"]
    if b"%" in query:
        query = b"&".join(unquote_to_bytes(part) for part in query.split(b"&"))  # %71uery= is query=
    is_document = scope["path"] not in (endpoint, f"{endpoint}/")
    return is_document or any(part.startswith(_OPERATIONS) for part in query.split(b"&"))


def is_meant(scope: Scope, allowed: Collection[str]) -> bool:
    """Whether an operation by GET is no picture, script, form or link of a foreign page.

    It has a header that pages cannot send unasked, or the browser says that it is a script of our own or an allowed page, or the
    user's own doing; or it is no browser, and says that it takes what GraphQL answers, as all clients of GraphQL do.
    """
    if not _PREFLIGHTED.isdisjoint(headers_of(scope)):
        return True
    if not is_welcome(scope, allowed):
        return False
    site, mode = header(scope, b"sec-fetch-site"), header(scope, b"sec-fetch-mode")
    if site is not None or mode is not None:
        # A script of another site that reads the answer says its origin, which is looked at above.
        return site in ("same-origin", "none") or (mode in _OF_SCRIPTS and (site is None or _has_origin(scope)))
    accept = (header(scope, b"accept") or "").lower()
    return _has_origin(scope) or any(kind in accept for kind in _ANSWERS)


def _has_origin(scope: Scope) -> bool:
    return header(scope, b"origin") is not None
