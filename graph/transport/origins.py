"""Which pages may open streams: those of this server's own origin, and those that the settings name."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope


def is_welcome(scope: Scope, allowed: Collection[str]) -> bool:
    """Whether a request comes from no page at all, from our own, or from one of ``allowed`` (as browsers spell origins)."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:  # no origin that a browser would name
        return False
