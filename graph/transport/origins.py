"""Which pages may ask: those of this server's own origin, and those that the settings name."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from graph.transport.negotiation import headers_of

_SECURE = ("https", "wss")


def is_welcome(scope: Scope, allowed: Collection[str]) -> bool:
    """Whether a request comes from no page at all, from our own, or from one of ``allowed`` (as browsers spell origins).

    A page without an origin of its own (a file, a frame in a sandbox) says ``null``, and is never welcome.
    """
    origin = header(scope, b"origin")
    return origin is None or origin in allowed or _is_own(scope, origin)


def header(scope: Scope, name: bytes) -> str | None:
    """The header of a name, which is in lower case."""
    value = headers_of(scope).get(name)
    return None if value is None else value.decode("latin-1")


def _is_own(scope: Scope, origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    # Whoever is between can write a page of our name that came without encryption. The other way round is a proxy that decrypts.
    if scope.get("scheme") in _SECURE and parts.scheme != "https":
        return False
    return parts.netloc.lower() == (header(scope, b"host") or "").lower()
