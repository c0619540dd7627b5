"""A load balancer, as small as one can be: TCP connections in turn to the servers that say they are ready."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx

LOOKS_EVERY = 0.1
_CHUNK = 64 * 1024


class Balancer:
    """Forwards what comes to ``address``. What is under way on a connection it does not know."""

    def __init__(self, servers: Sequence[str]) -> None:
        self.address = ""
        self.refused = 0
        """Connections that a server refused though it had just said that it is ready; another one got them."""
        self._servers = list(servers)
        self._ready: list[str] = []
        self._turn = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens and looks for as long as the block runs."""
        listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        looking = [asyncio.create_task(self._look(server)) for server in self._servers]
        try:
            yield
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
            listener.close()

    async def is_ready(self, server: str) -> None:
        """Returns once a server is used."""
        while server not in self._ready:  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(LOOKS_EVERY / 2)

    async def _look(self, server: str) -> None:
        async with httpx.AsyncClient(base_url=server, timeout=2) as client:
            while True:
                is_ready = False
                with suppress(httpx.TransportError):
                    is_ready = (await client.get("/health/ready")).status_code == 200
                if is_ready != (server in self._ready):
                    (self._ready.append if is_ready else self._ready.remove)(server)
                await asyncio.sleep(LOOKS_EVERY)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await self._connected()
        if behind is not None:
            there = [
                asyncio.create_task(_pump(reader, behind[1])),
                asyncio.create_task(_pump(behind[0], writer)),
            ]
            await asyncio.wait(there, return_when=asyncio.FIRST_COMPLETED)
            for task in there:
                task.cancel()
            await asyncio.gather(*there, return_exceptions=True)
            behind[1].close()
        writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self._servers)):
            ready = list(self._ready)
            if not ready:
                return None
            self._turn += 1
            parts = urlsplit(ready[self._turn % len(ready)])
            try:
                return await asyncio.open_connection(parts.hostname, parts.port)
            except OSError:
                self.refused += 1
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
