"""The file of a backup: a ZIP, which appears under its name when it is whole, and is not believed before it was read once."""

import asyncio
import fcntl
import hashlib
import os
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from jobs.backups.manifest import NAME, BadBackup, Manifest

_CHUNK = 1024 * 1024
_LONGEST_MANIFEST = 1 << 30
_BROKEN = "It is damaged or was cut off"


class CannotWrite(Exception):
    """The file cannot be written. The message is for the user."""


class Entry:
    """One entry that is being written: how much came, and its checksum."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into = into
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Appends. Raises CannotWrite."""
        with _room():
            self._into.write(chunk)
        self._sha256.update(chunk)
        self.size_bytes += len(chunk)

    @property
    def sha256(self) -> str:
        """Of what came."""
        return self._sha256.hexdigest()


class Archive:
    """A backup that is being written: into FILE.part, which becomes FILE by ``finish``."""

    def __init__(self, file: BinaryIO, part: Path, final: Path) -> None:
        self._file, self._part, self._final = file, part, final
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    @contextmanager
    def entry(self, name: str, *, packed: bool = True) -> Iterator[Entry]:
        """The next entry, one at a time."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        with _room():
            into = self._zip.open(info, "w", force_zip64=True)
        try:
            yield Entry(into)
        finally:
            with _room():
                into.close()

    def finish(self, manifest: Manifest) -> int:
        """Writes the list of contents, and gives the file its name once all of it is on the disk; answers its size.

        Raises CannotWrite.
        """
        with self.entry(NAME) as into:
            into.write(manifest.written())
        with _room():
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        try:
            os.link(self._part, self._final)  # unlike a rename it replaces nothing that came meanwhile
        except FileExistsError:
            raise _is_there(self._final) from None
        except OSError:  # a file system that knows no links
            self._part.rename(self._final)
        folder = os.open(self._final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self._final.stat().st_size

    def give_up(self) -> None:
        """Lets go of the file, whole or not."""
        with suppress(OSError, ValueError):
            self._zip.close()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"The backup cannot be written: {_reason(error)}.") from error


@contextmanager
def writing(final: Path) -> Iterator[Archive]:
    """A new backup. Whatever goes wrong, nothing is left of it. Raises CannotWrite."""
    part = final.with_name(f"{final.name}.part")
    if final.exists():
        raise _is_there(final)
    try:
        # Only for its owner: it holds addresses, and the hashes of credentials.
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotWrite(f"{part} cannot be written: {_reason(error)}.") from None
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotWrite(f"Another backup is being written to {final}.") from None
        file.truncate(0)  # one that was killed left it
        archive = Archive(file, part, final)
        try:
            yield archive
        finally:
            archive.give_up()
            with suppress(OSError):
                part.unlink()
            with suppress(OSError):  # of a full disk, which has been said by then
                file.close()


def _is_there(final: Path) -> CannotWrite:
    return CannotWrite(f"{final} exists already, and is not replaced. Choose another name.")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


class Source:
    """A backup to be restored."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        try:
            info = file.getinfo(NAME)
        except KeyError:
            raise BadBackup("It is not a backup of Groundswell.") from None
        if info.file_size > _LONGEST_MANIFEST:
            raise BadBackup("Its list of contents cannot be read.")
        with _whole():
            self.manifest = Manifest.read(file.read(NAME))

    @property
    def size_bytes(self) -> int:
        """Of all that is in it, unpacked."""
        return sum(table.size_bytes for table in self.manifest.tables) + sum(
            one.size_bytes or 0 for one in self.manifest.objects if self.manifest.are_files_included
        )

    async def check(self, told: Callable[[int], None]) -> None:
        """Reads everything once and compares it with the list; ``told``: how many bytes more. Raises BadBackup."""
        expected = [(table.entry, table.size_bytes, table.sha256) for table in self.manifest.tables]
        if self.manifest.are_files_included:
            expected += [(one.entry, one.size_bytes or 0, one.sha256 or "") for one in self.manifest.objects]
        for name, size, sha256 in expected:
            found, came = hashlib.sha256(), 0
            for chunk in self.chunks(name):
                found.update(chunk)
                came += len(chunk)
                if came > size:
                    break
                told(len(chunk))
                await asyncio.sleep(0)  # whoever waits may call it off
            if (came, found.hexdigest()) != (size, sha256):
                raise BadBackup(f"{_BROKEN}: {name} is not what was backed up.")

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of an entry. Raises BadBackup."""
        with _whole():
            try:
                entry = self._file.open(name)
            except KeyError:
                raise BadBackup(f"{_BROKEN}: {name} is missing.") from None
            with entry:
                while chunk := entry.read(_CHUNK):
                    yield chunk

    async def rows(self, name: str, told: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The same, for who awaits them."""
        for chunk in self.chunks(name):
            yield chunk
            told(len(chunk))


@contextmanager
def reading(path: Path) -> Iterator[Source]:
    """A backup's file. Raises BadBackup."""
    try:
        with _whole(), path.open("rb") as file, zipfile.ZipFile(file) as opened:
            yield Source(opened)
    except BadBackup as error:
        raise BadBackup(f"{path} cannot be restored. {error}") from None
    except FileNotFoundError:
        raise BadBackup(f"There is no file {path}.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise BadBackup(f"{path} cannot be read: {_reason(error)}.") from None


@contextmanager
def _whole() -> Iterator[None]:
    """Says in our words what a ZIP that is none, or was changed, makes of itself."""
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, zlib.error, NotImplementedError):
        raise BadBackup(f"{_BROKEN}, or is no backup of Groundswell.") from None
