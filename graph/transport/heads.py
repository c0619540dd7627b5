"""Heads of requests that do not come: uvicorn's protocol waits for them for ever, and takes them at any length."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers. Beyond them at most what came in the same piece as their end."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    seconds = 10.0
    """For a head to come: from the connection on, or from its first byte on one that was used before."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called with each new connection."""
        super().connection_made(transport)
        self._is_in_head, self._head_bytes = True, 0
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(self.seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when it is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with each piece. Nearly all heads come whole in one, and pay for nothing."""
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of a request has at most {LONGEST_HEAD:,} bytes.")
        elif self._patience is None:
            self._patience = self.loop.call_later(self.seconds, self._give_up)

    def on_message_begin(self) -> None:
        """Called with the first byte of a request."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Called when the head is whole."""
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        self.transport.close()


def patient(seconds: float) -> type[PatientProtocol]:
    """The protocol that waits for so long."""
    return type("PatientProtocol", (PatientProtocol,), {"seconds": seconds})
