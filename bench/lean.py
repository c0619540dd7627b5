"""An HTTP client that costs next to nothing: it counts what comes and keeps none of it, so that the server is what is measured."""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

_PIECE = 256 * 1024


class Lean(asyncio.BufferedProtocol):
    """One connection that is kept, for one request after the other. Answers must say their length."""

    def __init__(self) -> None:
        self._piece = bytearray(_PIECE)
        self._head = b""
        self._status = self._left = 0
        self._answer: asyncio.Future[int] | None = None
        self._transport: Any = None
        self.length = 0
        """Bytes of the body that was answered last."""

    @classmethod
    async def connect(cls, address: str) -> "Lean":
        """A connection to a server."""
        place = urlsplit(address)
        _, lean = await asyncio.get_running_loop().create_connection(cls, str(place.hostname), place.port or 80)
        return lean

    async def ask(self, request: bytes) -> int:
        """Sends a request as it is, and waits for all of the answer. Answers its status. Raises ConnectionError."""
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._head, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Leaves."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Called by asyncio."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the connection ended without an answer"))

    def get_buffer(self, _size: int) -> bytearray:
        """Called by asyncio."""
        return self._piece

    def buffer_updated(self, size: int) -> None:
        """Called by asyncio."""
        if self._left:
            self._take(size)
            return
        self._head += self._piece[:size]
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found:
            first, *lines = head.split(b"\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in lines)
            self._status = int(first.split(b" ", 2)[1])
            self._left = self.length = int(headers[b"content-length"])
            self._take(len(rest))

    def _take(self, size: int) -> None:
        self._left -= size
        if not self._left and self._answer is not None and not self._answer.done():
            self._answer.set_result(self._status)


def request(address: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST to /graphql, head and body."""
    lines = {"Host": urlsplit(address).netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | headers).items())
    return f"POST /graphql HTTP/1.1\r\n{head}\r\n".encode() + body
