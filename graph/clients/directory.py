"""API clients by secret, remembered for a few seconds; and when each was last used, written down now and then."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import structlog

from db.engine import Database
from db.queries import clients
from graph.lookups import Lookups

log = structlog.get_logger("groundswell.clients")

_LIFETIME = 10.0
"""Seconds for which a client is remembered. A revocation is heard of at once, through the live log."""
_WRITE_EVERY = 60.0


class Clients:
    """The API clients that this process knows of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, tuple[Any, float]] = {}
        self._used: dict[tuple[int, int], datetime] = {}
        self._lookups = Lookups[bytes, Any]()

    async def of(self, secret: str) -> Any:
        """The client of a secret, which is herewith used; None where there is none or it was revoked."""
        key = clients.hashed(secret)
        row, until = self._known.get(key, (None, 0.0))
        if row is None or until < time.monotonic():
            lookups = self._lookups
            row = await lookups.of(key, lambda: clients.of_secret(self._database, key))
            if row is None:
                self._known.pop(key, None)
                return None
            if lookups is self._lookups:  # no revocation was heard of meanwhile
                self._known[key] = (row, time.monotonic() + _LIFETIME)
        self._used[row.workspace_id, row.id] = datetime.now(UTC)
        return row

    def forget(self, client_id: int) -> None:
        """Looks a client up again before it is let in."""
        self._known = {key: known for key, known in self._known.items() if known[0].id != client_id}
        self._lookups = Lookups()  # what is being found now may be what it was before

    async def write_down(self) -> None:
        """Writes down the last uses, if there were any."""
        used, self._used = self._used, {}
        if used:
            try:
                await clients.note_use(self._database, used)
            except Exception:
                self._used = used | self._used
                raise

    async def keep_writing_down(self) -> None:
        """Writes the last uses down every minute, until it is cancelled: not a write per request."""
        while True:
            await asyncio.sleep(_WRITE_EVERY)
            self._known = {key: known for key, known in self._known.items() if known[1] > time.monotonic()}
            try:
                await self.write_down()
            except Exception as error:
                log.warning("the last uses of API clients could not be written down", reason=str(error))
