"""Links to files, and to where files are to be sent: good for a while, and for whoever has them.

A store that can sign hands out links of its own. For a folder they lead to this server, which knows them by a signature of all
that they say; its key is made of a secret of the database, so that all servers of a database take each other's links.
"""

import hashlib
import hmac
import json
import time
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, urlencode

from db.engine import Database, Reads
from db.models.asset_items import StoredFile
from db.models.asset_kinds import AssetType
from db.queries.live import log

# The secret also encrypts cursors: the label makes another key of it.
_LABEL = b"groundswell: links to files, 1"
_DIGITS = 15
"""Of a time, at most: what is longer was not written here."""
_NOBODY = 0
"""A workspace that there is not: where the log stands belongs to none."""
UPLOADS = "uploads/"
"""Below it lies what was sent by links, and nothing else can be sent anywhere."""
UNFINISHED = f"{UPLOADS}.unfinished/"
"""Below it lies in a folder what is still on its way."""
_FILE, _UPLOAD = "file", "upload"
_LONGEST_NAME = 200
# What turns the direction of writing makes gnp.exe of exe.png; what joins letters and pictures belongs to names.
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_LETTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Store(Protocol):
    """What keeps the files."""

    def local_path(self, path: str) -> Path | None:
        """The file of a path; None where the store is no folder, or the path leads out of it. It need not exist."""

    async def sign(self, path: str, expires: timedelta) -> str | None:
        """A link that the store gives out itself; None where it cannot."""

    async def sign_put(self, path: str, expires: timedelta) -> str | None:
        """A link to send an object to, which the store gives out itself; None where it cannot."""


class Storage(Protocol):
    """What takes the files of assets in."""

    async def take_in(self, workspace_id: int, file: BinaryIO, kind: AssetType, file_name: str | None) -> StoredFile:
        """Stores a file from its beginning, once. Raises Refused, and ObjectsError where the store does not take it."""

    async def take_in_staged(
        self,
        workspace_id: int,
        path: str,
        size_bytes: int,
        sha256: str | None,
        kind: AssetType,
        file_name: str | None,
    ) -> StoredFile:
        """The same of a file that was sent to a path of the store. Size and hash are checked."""


class Links:
    """Makes links, and knows its own again."""

    def __init__(
        self,
        store: Store,
        database: Database,
        address: str,
        seconds: int,
        storage: Storage | None = None,
        public_url: str | None = None,
    ) -> None:
        self._store = store
        self._public_url = public_url
        self.storage = storage
        """What takes the files of assets in; None where nothing does."""
        self._database = database
        self._seconds = seconds
        self._key: bytes | None = None
        self.address = address
        """Of this server as its clients know it, without a slash at the end."""

    async def links(self, reads: Reads, paths: Sequence[str]) -> list[str]:
        """A link to each file, in order. Whether the files are there is not looked at."""
        lifetime = timedelta(seconds=self._seconds)
        return [await self._store.sign(path, lifetime) or await self._own(reads, path, None) for path in paths]

    async def file_links(self, reads: Reads, files: Sequence[tuple[str, str | None]]) -> list[str]:
        """The same for paths with the names under which they are to be saved; None: the path's own.

        A store that signs its links itself says of an object what was said when it was put, and knows nothing of names.
        """
        lifetime = timedelta(seconds=self._seconds)
        return [
            await self._store.sign(path, lifetime)
            or await self._own(reads, path, None if name is None else safe_name(name))
            for path, name in files
        ]

    def public(self, path: str) -> str | None:
        """A link to a file that is good for ever; None unless the store is said to be open to everybody."""
        return None if self._public_url is None else f"{self._public_url}/{quote(path)}"

    async def upload_link(self, reads: Reads, path: str, size_bytes: int, seconds: int) -> str:
        """A link to send a file to by PUT, again and again until the time is over. Raises ValueError for a path not below UPLOADS.

        In a folder it takes just so many bytes. A store that signs its links takes any: look at what came. Azure's wants a
        header ``x-ms-blob-type: BlockBlob``.
        """
        if not _is_for_uploads(path):
            raise ValueError(f"nothing is sent to {path}")
        signed = await self._store.sign_put(path, timedelta(seconds=seconds))
        if signed is not None:
            return signed
        expires = int(time.time()) + seconds
        signature = _signature(await self._signing(reads), _UPLOAD, path, expires, size_bytes)
        query = urlencode({"size": size_bytes, "expires": expires, "signature": signature})
        return f"{self.address}/{quote(path)}?{query}"

    async def is_own(self, path: str, expires: str, signature: str, name: str | None = None) -> bool:
        """Whether a link to a file was made by a server of this database. It may have expired."""
        return _is_number(expires) and await self._is_signed(signature, _FILE, path, int(expires), name)

    async def is_upload(self, path: str, size: str, expires: str, signature: str) -> bool:
        """The same of a link to send a file to."""
        if not _is_number(size) or not _is_number(expires):
            return False
        return await self._is_signed(signature, _UPLOAD, path, int(expires), int(size))

    def file(self, path: str) -> Path | None:
        """The file of a path, if it is there."""
        found = self._store.local_path(path)
        return found if found is not None and found.is_file() else None

    def place(self, path: str) -> Path | None:
        """Where the file of a path below UPLOADS is to be; None where the store is no folder."""
        return self._store.local_path(path)

    async def _own(self, reads: Reads, path: str, name: str | None) -> str:
        expires = int(time.time()) + self._seconds
        signature = _signature(await self._signing(reads), _FILE, path, expires, name)
        named = {} if name is None else {"name": name}
        query = urlencode({**named, "expires": expires, "signature": signature})
        return f"{self.address}/files/{quote(path)}?{query}"

    async def _is_signed(self, signature: str, *what: str | int | None) -> bool:
        reads = self._database.reads(_NOBODY)
        try:
            key = await self._signing(reads)
        finally:
            await reads.close()
        return hmac.compare_digest(_signature(key, *what).encode(), signature.encode(errors="replace"))

    async def _signing(self, reads: Reads) -> bytes:
        if self._key is None:
            secret = (await log.head_of(reads)).secret
            self._key = hmac.digest(secret, _LABEL, hashlib.sha256)
        return self._key


def plain_name(given: str) -> str:
    """A file's name as somebody says it, without folders, control characters and what turns the writing. May be empty."""
    last = given.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one not in _TURNS and unicodedata.category(one) not in _NO_LETTERS)


def safe_name(given: str) -> str:
    """A name under which a file can be saved anywhere: without folders, control characters and what turns the writing."""
    kept = plain_name(given).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > _LONGEST_NAME and 0 < len(suffix) < _LONGEST_NAME // 2:
        kept = stem[: _LONGEST_NAME - len(suffix) - 1] + dot + suffix
    return kept[:_LONGEST_NAME] or "file"


def _is_for_uploads(path: str) -> bool:
    inside = path.startswith(UPLOADS) and not path.startswith(UNFINISHED)
    return inside and all(part not in {"", ".", ".."} for part in path.split("/"))


def _is_number(given: str) -> bool:
    return given.isascii() and given.isdigit() and len(given) <= _DIGITS


def _signature(key: bytes, *what: str | int | None) -> str:
    # JSON tells apart what only looks alike when it is strung together.
    return hmac.new(key, json.dumps(what).encode(), hashlib.sha256).hexdigest()
