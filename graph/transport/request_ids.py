"""The outermost layer: each request has an id, which its answer, the log and PostgreSQL know it by."""

import random
import re
from collections.abc import Awaitable
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db import requests
from db.requests import Request
from graph import deadlines
from graph.refusals import Refusal
from graph.transport.negotiation import headers_of

LONGEST = 128
"""Characters of an id that a client may choose."""
REFUSAL = "groundswell.refusal"
"""Where a scope has why the request is refused whatever it is. It is answered further in, so that pages can read it."""
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")
_PROCESS, _count = f"{random.getrandbits(64):016x}", count(1)
"""The half of new ids that is this process's own, and what counts the other."""
_SECONDS = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,6})?\Z")


class Requests:
    """Names what comes in, and says what it is to be patient with."""

    def __init__(self, app: ASGIApp, patience: float) -> None:
        self._app, self._patience = app, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        name, parent = headers.get(b"x-request-id"), headers.get(b"traceparent")
        trace = None if parent is None else _trace(parent)
        request = Request((name and _id(name)) or _new_id(), trace, self._patience)
        # Always set: tasks of one connection may be made in the context of the request before.
        token, asked = requests.current.set(request), deadlines.asked.set(None)
        try:
            if scope["type"] == "http":
                send = _named(send, request.id.encode())
                seconds = headers.get(b"x-request-timeout")
                if seconds is not None:
                    if _SECONDS.match(seconds) and float(seconds):
                        deadlines.asked.set(float(seconds))
                    else:
                        scope[REFUSAL] = _BAD_SECONDS
            await self._app(scope, receive, send)
        finally:
            requests.current.reset(token)
            deadlines.asked.reset(asked)


_BAD_SECONDS = Refusal(400, "BAD_USER_INPUT", "X-Request-Timeout is a number of seconds, more than 0: 2.5")


def begin_operation() -> None:
    """From here on the running task answers an operation of its own, on a connection that stays open."""
    connection = requests.current.get()
    if connection is not None:
        requests.current.set(Request(_new_id(), connection.trace_id, connection.patience))


def _new_id() -> str:
    """An id that no other request has. It opens nothing, so that it need not be hard to guess."""
    return f"{_PROCESS}{next(_count):016x}"


def _trace(given: bytes) -> str | None:
    """The id of the trace that a traceparent names; None where it is none."""
    parent = _TRACEPARENT.match(given)
    return None if parent is None else parent[1].decode()


def _id(given: bytes) -> str | None:
    """The id that a client has chosen; None where it is none that can be written down."""
    text = given.decode("latin-1").strip()
    return text if 0 < len(text) <= LONGEST and text.isascii() and text.isprintable() else None


def _named(send: Send, name: bytes) -> Send:
    """What sends an answer with the request's id; and where there is no room, with when to come again."""

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"x-request-id", name)]
            if message["status"] == 503 and not any(key.lower() == b"retry-after" for key, _ in headers):
                headers.append((b"retry-after", deadlines.RETRY_AFTER.encode()))
            message["headers"] = headers
        return send(message)

    return sending
