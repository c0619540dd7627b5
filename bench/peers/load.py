"""Load: some connections that ask in turn, and cost next to nothing themselves."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson


@dataclass
class Load:
    """What came of asking one contestant for a while: a time for each answer, in seconds."""

    seconds: float = 0
    times: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """A connection that asks again as soon as it is answered."""

    def __init__(self, head: bytes, bodies: Callable[[], bytes], until: float, load: Load) -> None:
        self._head, self._bodies, self._until, self._load = head, bodies, until, load
        self._data = bytearray()
        self._need = 0
        self._began = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        body = self._bodies()
        self._data.clear()
        self._need = 0
        self._began = time.perf_counter()
        self._transport.write(b"%scontent-length: %d\r\n\r\n%s" % (self._head, len(body), body))

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._data += data
        try:
            if self._need or self._read_head():
                self._answered()
        except ValueError as error:
            self._fail(str(error))

    def _read_head(self) -> bool:
        """Whether it is there in full. Raises ValueError."""
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        top = bytes(self._data[:end]).lower()
        _, found, rest = top.partition(b"content-length:")
        if b" 200" not in top[:14] or not found:
            raise ValueError(self._data[:2000].decode(errors="replace"))
        self._need = end + 4 + int(rest.split(b"\r\n", 1)[0])
        return True

    def _answered(self) -> None:
        if len(self._data) < self._need:
            return
        now = time.perf_counter()
        # Where the errors stand, if there are any: looking through all of it would be dear.
        if b'"errors":[' in self._data[:400] or b'"errors":[' in self._data[-400:]:
            raise ValueError(self._data[-2000:].decode(errors="replace"))
        self._load.times.append(now - self._began)
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _fail(self, answer: str) -> None:
        self._transport.close()
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"an answer is wrong: {answer}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


def head(host: str, port: int, path: str, authorization: str | None) -> bytes:
    """The head of every request, but for its length."""
    credential = f"authorization: {authorization}\r\n" if authorization else ""
    return (
        f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        f"accept: application/json\r\n{credential}"
    ).encode()


async def run(
    host: str, port: int, head: bytes, body: Callable[[], bytes], *, seconds: float, connections: int
) -> Load:
    """Asks for some seconds; ``body`` makes the next request. Raises RuntimeError at the first answer that is no answer."""
    load, began = Load(), time.perf_counter()

    def connect() -> Connection:
        return Connection(head, body, began + seconds, load)

    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(connect, host, port) for _ in range(connections)]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.seconds = time.perf_counter() - began
    return load


async def ask(host: str, port: int, head: bytes, body: bytes) -> object:
    """One answer, read."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"%sconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (head, len(body), body))
    answer = await reader.read()
    writer.close()
    top, _, rest = answer.partition(b"\r\n\r\n")
    if b"chunked" in top.lower():
        raise RuntimeError(f"a chunked answer: {top.decode()}")
    return orjson.loads(rest)
