"""Leaving a load balancer without a failed request: what uvicorn's server does here beside serving."""

import asyncio
import signal
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from graph.settings import Settings

GRACE_SECONDS = 10
_TICK = 0.1
_HASTE = 2.0
"""Seconds for the application to end in order once somebody insisted."""
_CLOSE = (b"connection", b"close")
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

log = structlog.get_logger("groundswell.serve")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but that a handshake is not answered with what ends other connections: clients need Connection: Upgrade.

    And one that is none, such as a POST or one with too long a header, is answered at all: uvicorn's waits for ever.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.default_headers = [header for header in self.default_headers if header != _CLOSE]

    def data_received(self, data: bytes) -> None:
        """Called with each piece."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()) or _NO_HANDSHAKE)
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """Stops in steps, none of which a client notices that can connect again.

    First /health/ready answers 503, all else goes on for the settings' time, and each answer closes its connection. Then
    nobody is let in any more, the streams are told to connect elsewhere, and what runs is finished. A second signal ends
    it all at once.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self._leaves_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer. Links lead to the port that was really taken."""
        app: Any = self.config.app
        if sockets:
            app.state.links.address = self._settings.address(sockets[0].getsockname()[1])
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; True ends serving."""
        if not await super().on_tick(counter):
            return False
        if self._leaves_at is None:
            self._leave()
        return self.force_exit or time.monotonic() >= (self._leaves_at or 0)

    def _leave(self) -> None:
        app: Any = self.config.app
        app.state.readiness.is_draining = True
        seconds = self._settings.restarts.drain
        self._leaves_at = time.monotonic() + seconds
        # A list of its own: what is being answered just now has the one before.
        self.config.encoded_headers = [*self.config.encoded_headers, _CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        if seconds:
            log.info("stopping: balancers are told, and requests are answered meanwhile", seconds=seconds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops within the grace period."""
        for server in self.servers:
            server.close()  # whoever is told to connect again is not to come back here
        app: Any = self.config.app
        insisting = asyncio.create_task(self._insisted())
        telling = asyncio.create_task(app.state.connections.stop())
        await asyncio.wait((telling, insisting), timeout=GRACE_SECONDS / 2, return_when=asyncio.FIRST_COMPLETED)
        await super().shutdown(sockets)
        if self.force_exit:
            self._break_off()
            with suppress(TimeoutError):  # uvicorn leaves it out then
                await asyncio.wait_for(self._ended(), _HASTE)
        for task in (telling, insisting):
            task.cancel()
        await asyncio.gather(telling, insisting, return_exceptions=True)

    async def _insisted(self) -> None:
        """Waits for a second signal, and breaks off what is still being answered."""
        while not self.force_exit:  # noqa: ASYNC110 - a signal sets it, from wherever the program is
            await asyncio.sleep(_TICK)
        self._break_off()

    def _break_off(self) -> None:
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            transport: Any = connection.transport
            transport.abort()

    async def _ended(self) -> None:
        """What was cut off has given its connections back, and the application has ended in order."""
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first one asks, the second one insists, whichever they are."""
        if self.should_exit:
            self.force_exit = True
        super().handle_exit(signal.Signals(sig), frame)
