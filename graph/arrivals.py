"""By which transport what runs just now has come. Known to whatever runs below, tasks included."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TRANSPORTS = ("http", "websocket", "sse", "multipart")
_transport: ContextVar[str] = ContextVar("transport", default="http")


transport = _transport.get
"""Answers one of TRANSPORTS. ``multipart`` is that of streams: a form with files is ``http``."""


@contextmanager
def by(transport: str) -> Iterator[None]:
    """What runs in the block has come by this transport."""
    token = _transport.set(transport)
    try:
        yield
    finally:
        _transport.reset(token)
