"""Heads of requests that do not come: uvicorn's protocol waits for them for ever, and takes them at any length.

And two things of bodies: it forgets connections whose requests were answered before all of them had come, and loses the body
of a request that offers another protocol.
"""

import asyncio
import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = frozenset({b"upgrade", b"http2-settings"})
LONGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers. Beyond them at most what came in the same piece as their end."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    seconds = 10.0
    """For a head to come: from the connection on, or from its first byte on one that was used before. And for what is left of
    a body when its request has been answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called with each new connection."""
        super().connection_made(transport)
        self._is_in_head, self._head_bytes, self._is_in_body = True, 0, False
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(self.seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when it is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with each piece. Nearly all heads come whole in one, and pay for nothing."""
        self._piece = data
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
        self._is_in_head, self._is_in_body = False, True
        self._stop_waiting()
        if not self._offers_another():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called when the body is whole."""
        self._is_in_body = False
        if self._offers_another():
            return
        super().on_message_complete()
        if self._patience is not None:  # it was answered before, and is what the connection waited for
            self._stop_waiting()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Called when a request is answered."""
        super().on_response_complete()
        if self._is_in_body and self.cycle.response_complete and self._patience is None:
            self._patience = self.loop.call_later(self.seconds, self._give_up)

    def _offers_another(self) -> bool:
        """Whether a request would rather be spoken to by a protocol that is not spoken here."""
        parser = self.parser
        return parser.should_upgrade() and parser.get_method() != b"CONNECT" and not self._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Called instead of answering such a request: Java's client offers HTTP/2 with its first one.

        Nobody need take an offer up. As the parser takes what comes after the head for the other protocol, it reads the
        request again, without the offer.
        """
        found = sys.exception()
        rest = b"" if found is None else self._piece[found.args[0] :]
        parser = self.parser
        lines = [b"%b %b HTTP/%b" % (parser.get_method(), self.url, parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                value = b", ".join(word for word in value.split(b",") if word.strip().lower() not in _OFFER)
            if name not in _OFFER:
                lines.append(b"%b: %b" % (name, value))
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

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
