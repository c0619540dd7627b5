"""Objects: where files are kept, a local folder, S3, Google Cloud Storage or Azure, all through obstore.

How a cloud's store is reached (keys, region, endpoint, proxy, whether plain HTTP is allowed) obstore reads from the
variables that the cloud's own tools know: AWS_ENDPOINT_URL, AWS_ALLOW_HTTP, GOOGLE_SERVICE_ACCOUNT, AZURE_STORAGE_ACCOUNT_NAME.
"""

import asyncio
import itertools
import os
import random
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError, GenericError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

log = structlog.get_logger("groundswell.objects")

T = TypeVar("T")
SCHEMES = ("file", "s3", "gs", "az")
CHUNK = 8 * 1024 * 1024
"""Bytes of one part of a multipart upload. What is smaller is sent in one request."""
_FOLDER_CHUNK = 512 * 1024
"""Bytes that are copied into a folder at once."""
_FETCHED = 1024 * 1024
"""Bytes that are fetched before they are written."""
_AT_ONCE = 2
"""Parts of an upload that are under way together: each is held in memory."""
# Each request is repeated a few times by obstore, so that a hiccup costs one part of an upload and not the whole.
# Nothing is said here of the client: any option that is would drop those of the environment, plain HTTP among them.
_REQUESTS: Any = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_UPLOAD, _DOWNLOAD = "an upload failed", "a download failed"
_KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
}


class BadObjectUrl(ValueError):
    """An address that names no object store. The message is for the user."""


class ObjectsError(Exception):
    """The store could not be reached, or refused. The message names neither addresses nor secrets."""


class NoRoom(ObjectsError):
    """An object was there, and could not be written to this machine's disk."""

    def __init__(self) -> None:
        super().__init__("There is no room for the file on the server's disk.")


class TooManyBytes(Exception):
    """An object is larger than what was to be fetched of it."""


@dataclass(frozen=True)
class Patience:
    """How often an upload is tried, and the seconds between two tries: at most ``first``, doubled each time."""

    tries: int = 5
    first: float = 0.5
    longest: float = 15


def checked(url: str) -> str:
    """The address, if it can be one of a store. Raises BadObjectUrl."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise BadObjectUrl(
            "must be like file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
        )
    if parts.query or parts.fragment or parts.username or parts.password:
        raise BadObjectUrl(
            "holds a place and nothing else: keys and options are variables of their own, e.g. AWS_REGION"
        )
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.strip("/")):
        raise BadObjectUrl("of a folder has three slashes and a path: file:///folder")
    if parts.scheme != "file" and not parts.netloc:
        raise BadObjectUrl(f"names no bucket: {parts.scheme}://bucket/prefix")
    return url


class Objects:
    """One store. Paths are relative to its folder or prefix, with slashes."""

    def __init__(self, store: ObjectStore, root: Path | None = None, patience: Patience | None = None) -> None:
        self._store = store
        self._root = root
        self._patience = patience or Patience()

    @classmethod
    def at(cls, url: str, patience: Patience | None = None) -> "Objects":
        """The store of an address; a folder is made where it is missing. Raises BadObjectUrl and ObjectsError."""
        if urlsplit(checked(url)).scheme == "file":
            root = Path(unquote(urlsplit(url).path))
            try:
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
                return cls(LocalStore(root), root.resolve(), patience)
            except (OSError, BaseError) as error:
                raise ObjectsError(f"The folder {root} cannot be used for objects.") from error
        try:
            return cls(from_url(url, retry_config=_REQUESTS), None, patience)
        except (BaseError, ValueError) as error:
            raise BadObjectUrl(f"cannot be used: {_headline(error)}") from None

    async def put(
        self, path: str, file: IO[bytes], content_type: str | None = None, disposition: str | None = None
    ) -> None:
        """Stores a file from its beginning, in place of what is there; it appears whole or not at all. Raises ObjectsError.

        A store that hands files out by itself says of it what is said here: ``content_type``, None: by the end of the path;
        ``disposition``: how it is to be shown. A folder keeps neither.
        """
        said = {
            "Content-Type": content_type or _KINDS.get(file_suffix(path), "application/octet-stream"),
            **({} if disposition is None else {"Content-Disposition": disposition}),
        }
        attributes: Any = None if self._root else said
        chunk = _FOLDER_CHUNK if self._root else CHUNK

        async def once() -> None:
            file.seek(0)
            await obstore.put_async(
                self._store, path, file, attributes=attributes, chunk_size=chunk, max_concurrency=_AT_ONCE
            )
            if self._root is not None:
                await asyncio.to_thread(_settle, self._root / path)

        await self._patiently(once, path, _UPLOAD)

    async def fetch(self, path: str, into: BinaryIO, most: int) -> int:
        """Writes an object to a file, from its beginning and in place of what is in it; answers its bytes.

        Raises FileNotFoundError, NoRoom, ObjectsError, and TooManyBytes beyond ``most``.
        """

        async def once() -> None:
            into.seek(0)
            into.truncate()
            found = await obstore.get_async(self._store, path)
            if found.meta["size"] > most:
                raise TooManyBytes
            async for chunk in found.stream(min_chunk_size=_FETCHED):
                await asyncio.to_thread(_write, into, chunk)

        await self._patiently(once, path, _DOWNLOAD)
        return into.tell()

    async def _patiently(self, work: Callable[[], Awaitable[None]], path: str, what: str) -> None:
        pause = self._patience.first
        for attempt in range(1, self._patience.tries + 1):
            try:
                return await _told(work())
            except ObjectsError as error:
                if isinstance(error, _Missing) and what == _DOWNLOAD:
                    raise  # who asks for it knows what that means
                passes = isinstance(error.__cause__, GenericError) and attempt < self._patience.tries
                log.warning(
                    what,
                    path=path,
                    attempt=attempt,
                    of=self._patience.tries,
                    error=_headline(error.__cause__),
                    tried_again=passes,
                )
                if not passes:
                    raise
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - so that many do not come back at once
            pause = min(pause * 2, self._patience.longest)
        raise AssertionError("unreachable")

    async def read(self, path: str) -> bytes:
        """All bytes of an object. Raises FileNotFoundError and ObjectsError."""

        async def whole() -> bytes:
            found = await obstore.get_async(self._store, path)
            return bytes(await found.bytes_async())

        return await _told(whole())

    async def listed(self, prefix: str) -> list[str]:
        """The paths below a prefix, in order; those that an upload left unfinished in the folder, too."""
        if self._root is not None:
            return await asyncio.to_thread(_files, self._root, prefix)
        return sorted([one["path"] for one in await _told(obstore.list(self._store, prefix).collect_async())])

    async def delete(self, paths: Sequence[str], *, and_folders: bool = False) -> None:
        """Removes objects, and what an upload left of them in a folder; those that are not there are left alone.

        ``and_folders``: the folder that each lay in, too, if it is empty then. Raises ObjectsError.
        """
        if self._root is not None:
            files = [self._root / path for path in paths]
            await _told(asyncio.to_thread(_remove, files, and_folders=and_folders))
            return
        for path in paths:
            # One by one: in bulk, some stores fail altogether for one that is not there.
            try:
                await _told(obstore.delete_async(self._store, path))
            except FileNotFoundError:
                continue

    async def delete_all(self, prefix: str) -> None:
        """Removes all objects below a prefix. Raises ObjectsError."""
        if self._root is not None:
            await _told(asyncio.to_thread(_remove_folder, self._root / prefix))
        else:
            await self.delete(await self.listed(prefix))

    def local_path(self, path: str) -> Path | None:
        """The file of an object; None where the store is no folder, or the path leads out of it. It need not exist."""
        if self._root is None or "\0" in path:
            return None
        found = (self._root / path).resolve()
        return found if found.is_relative_to(self._root) and found != self._root else None

    @property
    def can_sign(self) -> bool:
        """Whether the store hands out links itself."""
        return isinstance(self._store, S3Store | GCSStore | AzureStore)

    async def sign(self, path: str, expires: timedelta) -> str | None:
        """A link from which anybody may read an object for so long; None for a folder. Raises ObjectsError."""
        return await self._signed("GET", path, expires)

    async def sign_put(self, path: str, expires: timedelta) -> str | None:
        """The same to which anybody may send an object, of any size, in place of what is there."""
        return await self._signed("PUT", path, expires)

    async def _signed(self, method: Literal["GET", "PUT"], path: str, expires: timedelta) -> str | None:
        store = self._store
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            return None
        return await _told(obstore.sign_async(store, method, path, expires))


def file_suffix(path: str) -> str:
    """What a path's name ends with, the dot included."""
    return PurePosixPath(path).suffix


async def _told(work: Awaitable[T]) -> T:
    """Says in our words what fails, and keeps obstore's as the cause."""
    try:
        return await work
    except FileNotFoundError as error:
        # Also a bucket that is not there.
        raise _Missing("There is no such object, or no such bucket or folder.") from error
    except (BaseError, OSError) as error:
        raise ObjectsError("The object store could not be reached, or refused.") from error


class _Missing(ObjectsError, FileNotFoundError):
    """Both what callers of ``read`` look for, and an error of the store for all others."""


def _headline(error: BaseException | None) -> str:
    """The first line of an error, without what may be secret: the query of an address can be a signature."""
    line = str(error).partition("\n")[0].strip()
    return re.sub(r"\?\S*", "?...", line)


def _write(file: BinaryIO, chunk: Any) -> None:
    try:
        file.write(memoryview(chunk))
        file.flush()
    except OSError as error:
        raise NoRoom from error


def _settle(path: Path) -> None:
    """Waits until a file and its name are on the disk: what is finished is not to be lost with the power."""
    for one in (path, path.parent):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _files(root: Path, prefix: str) -> list[str]:
    return sorted(str(one.relative_to(root)) for one in (root / prefix).rglob("*") if one.is_file())


def _remove(paths: Sequence[Path], *, and_folders: bool) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # what obstore has not finished lies beside it, numbered
            for number in itertools.count(1):
                path.with_name(f"{path.name}#{number}").unlink()
        if and_folders:
            with suppress(OSError):
                path.parent.rmdir()  # unless something is in it


def _remove_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
