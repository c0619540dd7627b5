"""Object stores for the tests: a real S3 endpoint over HTTP, and one that fails, or never answers, when it is told to."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
from moto.server import ThreadedMotoServer

BUCKET = "exports"
_KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}  # of nobody

Fault = Callable[[str, str], int | None]
"""From a request's method and path to the status with which it fails; 0: it is never answered; None: it does not fail."""


@contextmanager
def s3() -> Iterator[str]:
    """An endpoint with an empty bucket; answers its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        httpx.put(f"{address}/{BUCKET}").raise_for_status()
        yield address
    finally:
        httpx.post(f"{address}/moto-api/reset").raise_for_status()
        server.stop()


def environment(address: str) -> dict[str, str]:
    """The variables by which the store of an endpoint is reached."""
    return {**_KEYS, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}


class Proxy:
    """Stands before an endpoint. ``requests`` are those that came, as method and path with its query."""

    def __init__(self, upstream: str) -> None:
        self.address = ""
        self.fault: Fault = lambda _method, _path: None
        self.before: Callable[[str, str], Awaitable[None]] = _nothing
        """Awaited before a request is passed on."""
        self.requests: list[tuple[str, str]] = []
        self.stalled = asyncio.Event()
        """Set once a request is never to be answered."""
        self._upstream = upstream

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of a connection, one after another, until it is closed or one has no answer."""
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        length = next((int(value) for name, value in headers.items() if name.lower() == "content-length"), 0)
        body = await reader.readexactly(length)
        self.requests.append((method, path))
        await self.before(method, path)
        status = self.fault(method, path)
        if status == 0:
            self.stalled.set()
            await reader.read()  # until the other side gives up
            return False
        if status is not None:
            writer.write(f"HTTP/1.1 {status} Told To Fail\r\ncontent-length: 0\r\n\r\n".encode())
        else:
            async with httpx.AsyncClient(timeout=30) as client:
                got = await client.request(method, self._upstream + path, headers=headers, content=body)
            named = [(name, value) for name, value in got.headers.items() if name not in _OF_THE_WAY]
            named.append(
                ("content-length", got.headers["content-length"] if method == "HEAD" else str(len(got.content)))
            )
            lines = "".join(f"{name}: {value}\r\n" for name, value in named)
            writer.write(f"HTTP/1.1 {got.status_code} OK\r\n{lines}\r\n".encode("latin-1") + got.content)
        await writer.drain()
        return True


async def _nothing(_method: str, _path: str) -> None:
    pass


_OF_THE_WAY = {"content-length", "transfer-encoding", "connection", "content-encoding"}


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy on a port of its own."""
    proxy = Proxy(upstream)
    running: set[asyncio.Task[None]] = set()

    def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(proxy.answer(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(came, "127.0.0.1", 0)
    proxy.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
