"""Requests over plain HTTP that are not looked at further, and bodies as they come."""

import asyncio
import errno
from collections.abc import AsyncGenerator

import orjson
from starlette.responses import Response
from starlette.types import Receive

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Refusal(Exception):
    """Why a request was refused as a whole. It is answered as GraphQL's errors are."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer."""
        errors = [{"message": self.message, "extensions": {"code": self.code}}]
        return Response(orjson.dumps({"errors": errors}), self.status, self.headers, media_type="application/json")


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


class TooQuiet(Exception):
    """Nothing of a body came for too long."""


async def pieces(receive: Receive, quiet: float | None = None) -> AsyncGenerator[bytes]:
    """A body's bytes as they come, none of them empty. Raises ClientLeft, and TooQuiet after so many seconds without any."""
    more = True
    while more:
        try:
            async with asyncio.timeout(quiet):
                message = await receive()
        except TimeoutError:
            raise TooQuiet from None
        if message["type"] == "http.disconnect":
            raise ClientLeft
        more = message.get("more_body", False)
        piece = message.get("body", b"")
        if piece:
            yield piece


def is_full(error: OSError) -> bool:
    """Whether there is no room on the disk."""
    return error.errno in _FULL
