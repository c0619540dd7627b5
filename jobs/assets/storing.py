"""Taking files in: looked at, and put into the object store, once for equal bytes of a workspace.

An object is announced before it is put: whatever is interrupted, the sweeper finds it. See ``db.queries.assets.blobs``.
"""

import asyncio
import hashlib
import io
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar, cast

from db.engine import Database
from db.errors import Refused, invalid
from db.models.asset_items import StoredFile
from db.models.asset_kinds import AssetType
from db.queries.assets import blobs
from jobs.assets import kinds
from jobs.assets.probing import Probed, check_kind, check_size, probe
from jobs.objects import NoRoom, Objects, ObjectsError, TooManyBytes

T = TypeVar("T")
KEPT = timedelta(days=1)
"""How long an object stays that was stored and became nothing: longer than any request takes from storing it to its blob."""
_BLOCK = 1024 * 1024
_probing = ThreadPoolExecutor(2, "probing")
"""Of its own: what takes long to be looked at holds up no other threads, and there are not many that each need memory."""
_THUMBNAIL = "image/webp"
_UNREADABLE = "The file could not be read from the server's disk, or not be kept there."


class Storage:
    """Takes the files of assets in. ``folder``: where temporary files lie; None: where the system has them."""

    def __init__(self, database: Database, objects: Objects, folder: Path | None = None) -> None:
        self._database = database
        self._objects = objects
        self._folder = folder

    async def take_in(self, workspace_id: int, file: BinaryIO, kind: AssetType, file_name: str | None) -> StoredFile:
        """Stores a file of the disk from its beginning, unless its bytes are there. What is stored waits for a day to be a blob's.

        Raises Refused, at ("file",), where it is no file for an asset of the type, and ObjectsError.
        """
        check_size(await _aside(_size, file), kind)
        return await self._take_in(workspace_id, file, await _aside(_sha256, file), kind, file_name)

    async def take_in_staged(
        self,
        workspace_id: int,
        path: str,
        size_bytes: int,
        sha256: str | None,
        kind: AssetType,
        file_name: str | None,
    ) -> StoredFile:
        """The same of a file that was sent to a path of the store, and stays there.

        Raises Refused also at ("upload_id",), where it has not come, or has another size or hash than was said.
        """
        check_size(size_bytes, kind)
        async with self._staged(path, size_bytes) as file:
            found = await _aside(_sha256, file)
            if sha256 is not None and found != sha256:
                _refuse(f"Its SHA-256 is {found}, and was to be {sha256}. Send it again.")
            return await self._take_in(workspace_id, file, found, kind, file_name)

    async def _take_in(
        self, workspace_id: int, file: BinaryIO, sha256: str, kind: AssetType, file_name: str | None
    ) -> StoredFile:
        known = await self._known(workspace_id, sha256)
        if known is not None and _serves(known, kind):
            check_kind(kind, known.content_type)
            return known
        probed = await _aside(probe, file, kind, file_name, threads=_probing)
        return known or await self._store(workspace_id, file, sha256, probed)

    async def _known(self, workspace_id: int, sha256: str) -> StoredFile | None:
        reads = self._database.reads(workspace_id)
        try:
            return await blobs.find(reads, sha256)
        finally:
            await reads.close()

    async def _store(self, workspace_id: int, file: BinaryIO, sha256: str, probed: Probed) -> StoredFile:
        beginning = f"assets/{workspace_id}/{sha256}/{secrets.token_hex(16)}"
        stored = StoredFile(
            sha256,
            await _aside(_size, file),
            probed.content_type,
            f"{beginning}{probed.extension}",
            None if probed.thumbnail is None else f"{beginning}.thumb.webp",
            probed.width,
            probed.height,
            probed.duration_ms,
            probed.image_hash,
        )
        paths = [path for path in (stored.path, stored.thumbnail_path) if path is not None]
        async with self._database.write(workspace_id) as transaction:
            await blobs.hold(transaction, paths, datetime.now(UTC) + KEPT)
        await self._objects.put(stored.path, file, *kinds.served_as(stored.content_type))
        if probed.thumbnail is not None and stored.thumbnail_path is not None:
            thumbnail = io.BytesIO(probed.thumbnail)
            await self._objects.put(stored.thumbnail_path, thumbnail, *kinds.served_as(_THUMBNAIL))
        return stored

    @asynccontextmanager
    async def _staged(self, path: str, size_bytes: int) -> AsyncIterator[BinaryIO]:
        """What was sent to a path, as a file that stays as it is: what is sent later does not touch it."""
        try:
            async with self._whatever_came(path, size_bytes) as file:
                came = await _aside(_size, file)
                if came > size_bytes:
                    raise TooManyBytes
                if came < size_bytes:
                    _refuse(f"{came:,} bytes came, and {size_bytes:,} were said. Send it again.")
                yield file
        except TooManyBytes:
            _refuse(f"More came than the {size_bytes:,} bytes that were said. Send it again.")

    @asynccontextmanager
    async def _whatever_came(self, path: str, most: int) -> AsyncIterator[BinaryIO]:
        place = self._objects.local_path(path)
        try:
            if place is not None:  # a file that is sent later takes its place, and is another one
                opened: BinaryIO = await asyncio.to_thread(place.open, "rb")
            else:
                opened = await self._fetched(path, most)
        except FileNotFoundError:
            _refuse("Nothing has come yet. Send the bytes to the upload's address first.")
        except OSError as error:
            raise ObjectsError(_UNREADABLE) from error
        with opened:
            yield opened

    async def _fetched(self, path: str, most: int) -> BinaryIO:
        """A temporary file, gone when it is closed."""
        try:
            file = cast("BinaryIO", await asyncio.to_thread(tempfile.TemporaryFile, dir=self._folder))
        except OSError as error:
            raise NoRoom from error
        try:
            await self._objects.fetch(path, file, most)
        except BaseException:
            file.close()
            raise
        return file


async def _aside(work: Callable[..., T], *given: object, threads: Executor | None = None) -> T:
    """Reads a file in a thread."""
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *given)
    except OSError as error:
        raise ObjectsError(_UNREADABLE) from error


def _serves(known: StoredFile, kind: AssetType) -> bool:
    """Whether what is known of a blob decides about a type. Those of assets that may be anything may be broken."""
    if kind in {AssetType.IMAGE, AssetType.VIDEO} and known.content_type != kinds.SVG:
        return known.width is not None
    return known.content_type != kinds.OCTETS


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    hashed, block = hashlib.sha256(), bytearray(_BLOCK)
    view = memoryview(block)
    while length := file.readinto(view):  # type: ignore[attr-defined]
        hashed.update(view[:length])
    return hashed.hexdigest()


def _refuse(message: str) -> NoReturn:
    raise Refused([invalid(message, "upload_id")])
