"""Cross-origin resource sharing: what scripts of other pages may send here, and read of the answers.

Only the origins that the settings name are told yes, each by its name. There is nothing for all (``*``), and no cookies, so
credentials are never allowed: a page sends a token of its own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from graph.transport.csrf import PREFLIGHTED
from graph.transport.negotiation import headers_of
from graph.transport.origins import header

Headers = tuple[tuple[bytes, bytes], ...]

_REMEMBERED = b"7200"
"""Seconds for which a browser need not ask again. No browser keeps an answer longer than that, or a day."""
_TRACED = ("x-request-id", "traceparent", "tracestate", "baggage")
_EXPOSED = (
    *("x-request-id", "retry-after", "idempotency-replayed", "ratelimit", "ratelimit-policy"),
    *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "etag"),
)
_UNKNOWN = b"This origin may not ask here. ALLOWED_ORIGINS names those that may."
_VARY: Headers = ((b"vary", b"Origin"),)


@dataclass(frozen=True)
class Policy:
    """What the allowed origins may do with some paths."""

    methods: tuple[str, ...]
    sent: tuple[str, ...]
    """Headers of requests that no page may send unasked."""
    exposed: tuple[str, ...] = _EXPOSED


GRAPHQL = Policy(
    ("GET", "POST", "PUT", "DELETE"),
    (
        *("accept", "content-type", "content-encoding", "cache-control", "last-event-id", "if-none-match"),
        *("idempotency-key", "x-request-timeout"),
        *("apollographql-client-name", "apollographql-client-version", "x-apollo-operation-name"),
        *PREFLIGHTED,
        *_TRACED,
    ),
)
EVENTS = Policy(("POST",), ("authorization", "content-type", "content-encoding", "idempotency-key", *_TRACED))
FILES = Policy(
    ("GET", "HEAD"),
    ("range", "if-range", "if-none-match", "if-modified-since", *_TRACED),
    ("content-disposition", "content-length", "content-range", "accept-ranges", "etag", "x-request-id"),
)
UPLOADS = Policy(("PUT",), ("content-type", "x-ms-blob-type", *_TRACED), ("retry-after", "x-request-id"))


class Cors:
    """Answers for a policy."""

    def __init__(self, policy: Policy, origins: Collection[str]) -> None:
        exposed = ", ".join(policy.exposed).encode()
        methods, sent = ", ".join(policy.methods).encode(), ", ".join(policy.sent).encode()
        self._granted: Mapping[str, Headers] = {
            origin: (
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-expose-headers", exposed),
                *_VARY,
            )
            for origin in origins
        }
        self._preflight: Headers = (
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", sent),
            (b"access-control-max-age", _REMEMBERED),
        )

    def granted(self, scope: Scope) -> Headers:
        """What the answer to a request says further. Caches are told of the difference whoever asks."""
        origin = headers_of(scope).get(b"origin")
        return _VARY if origin is None else self._granted.get(origin.decode("latin-1"), _VARY)

    async def preflight(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answers what a browser asks before it sends a request; 403 without a word of CORS to pages of unknown origins."""
        is_granted = header(scope, b"origin") in self._granted
        headers = [(b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers")]
        if is_granted:
            headers += self._preflight  # the origin itself is what every answer says, this one too
        else:
            headers += [(b"content-type", b"text/plain"), (b"content-length", str(len(_UNKNOWN)).encode())]
        await send({"type": "http.response.start", "status": 204 if is_granted else 403, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_granted else _UNKNOWN})


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what it may send."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers_of(scope)
