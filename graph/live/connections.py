"""The connections that stay open, and why they end: the server stops, or the credential is no longer good."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graph.access import Viewer
from graph.arrivals import transport
from graph.errors import limit_reached


@dataclass(frozen=True)
class Ending:
    """Why a connection ends. ``close_code`` is what a WebSocket is closed with, ``code`` what an error says."""

    code: str
    message: str
    close_code: int

    def error(self) -> dict[str, Any]:
        """As an error of an answer."""
        return {"message": self.message, "extensions": {"code": self.code}}


STOPPING = Ending("RECONNECT", "The server is stopping. Connect again, and go on from your last cursor.", 1012)
EXPIRED = Ending("UNAUTHENTICATED", "The token has expired.", 4401)
REVOKED = Ending("UNAUTHENTICATED", "The API client was revoked.", 4401)

End = Callable[[Ending], None]


class Connections:
    """All that are open in this process."""

    def __init__(self, per_client: int) -> None:
        self._per_client = per_client
        self._open: dict[End, Viewer] = {}
        self._counts: Counter[tuple[int, str]] = Counter()
        self.by_transport: Counter[str] = Counter()
        """How many are open, by ``graph.arrivals``."""
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def opened(self, viewer: Viewer, end: End) -> Iterator[None]:
        """A connection, for as long as the block runs. ``end`` is called when it is to end. Raises LIMIT_REACHED."""
        subject = (viewer.workspace_id, viewer.subject)
        if self._counts[subject] >= self._per_client:
            raise limit_reached(f"At most {self._per_client:,} connections at a time.")
        timer, came_by = self._expiry(viewer, end), transport()
        self._open[end] = viewer
        self._counts[subject] += 1
        self.by_transport[came_by] += 1
        self._empty.clear()
        if self._stopping:
            end(STOPPING)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            del self._open[end]
            self.by_transport[came_by] -= 1
            self._counts[subject] -= 1
            if not self._counts[subject]:
                del self._counts[subject]
            if not self._open:
                self._empty.set()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def revoke(self, client_id: int) -> None:
        """Ends those of an API client."""
        for end, viewer in list(self._open.items()):
            if viewer.client_id == client_id:
                end(REVOKED)

    async def stop(self) -> None:
        """Tells all to connect elsewhere, lets no new one stay, and waits until they have gone."""
        self._stopping = True
        for end in list(self._open):
            end(STOPPING)
        await self._empty.wait()

    @staticmethod
    def _expiry(viewer: Viewer, end: End) -> asyncio.TimerHandle | None:
        if viewer.expires_at is None:
            return None
        left = max(viewer.expires_at - time.time(), 0)
        # A timer that is too far away is none: call_later counts in what the system's clock can hold.
        return asyncio.get_running_loop().call_later(left, end, EXPIRED) if left < 10**7 else None
