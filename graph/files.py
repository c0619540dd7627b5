"""Links to files: good for a while, and for whoever has them.

A store that can sign hands out links of its own. For a folder they lead to this server, which knows them by a signature of path
and time; its key is made of a secret of the database, so that all servers of a database take each other's links.
"""

import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from db.engine import Database, Reads
from db.queries.live import log

# The secret also encrypts cursors: the label makes another key of it.
_LABEL = b"groundswell: links to files, 1"
_DIGITS = 15
"""Of a time, at most: what is longer was not written here."""
_NOBODY = 0
"""A workspace that there is not: where the log stands belongs to none."""


class Store(Protocol):
    """What keeps the files."""

    def local_path(self, path: str) -> Path | None:
        """The file of a path; None where the store is no folder, or the path leads out of it. It need not exist."""

    async def sign(self, path: str, expires: timedelta) -> str | None:
        """A link that the store gives out itself; None where it cannot."""


class Links:
    """Makes links, and knows its own again."""

    def __init__(self, store: Store, database: Database, address: str, seconds: int) -> None:
        self._store = store
        self._database = database
        self._seconds = seconds
        self._key: bytes | None = None
        self.address = address
        """Of this server as its clients know it, without a slash at the end."""

    async def links(self, reads: Reads, paths: Sequence[str]) -> list[str]:
        """A link to each file, in order. Whether the files are there is not looked at."""
        lifetime = timedelta(seconds=self._seconds)
        return [await self._store.sign(path, lifetime) or await self._own(reads, path) for path in paths]

    async def _own(self, reads: Reads, path: str) -> str:
        expires = int(time.time()) + self._seconds
        query = urlencode({"expires": expires, "signature": _signature(await self._signing(reads), path, expires)})
        return f"{self.address}/files/{quote(path)}?{query}"

    async def is_own(self, path: str, expires: str, signature: str) -> bool:
        """Whether a link was made by a server of this database. It may have expired."""
        if not expires.isascii() or not expires.isdigit() or len(expires) > _DIGITS:
            return False
        reads = self._database.reads(_NOBODY)
        try:
            key = await self._signing(reads)
        finally:
            await reads.close()
        return hmac.compare_digest(_signature(key, path, int(expires)).encode(), signature.encode(errors="replace"))

    def file(self, path: str) -> Path | None:
        """The file of a path, if it is there."""
        found = self._store.local_path(path)
        return found if found is not None and found.is_file() else None

    async def _signing(self, reads: Reads) -> bytes:
        if self._key is None:
            secret = (await log.head_of(reads)).secret
            self._key = hmac.digest(secret, _LABEL, hashlib.sha256)
        return self._key


def _signature(key: bytes, path: str, expires: int) -> str:
    return hmac.new(key, f"{expires}\n{path}".encode(errors="replace"), hashlib.sha256).hexdigest()
