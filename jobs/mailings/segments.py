"""Segments: the files of a spool. Who has a file open and locked owns it."""

import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger("groundswell.spool")

SUFFIX, UNBORN = ".jsonl", ".new"
BLOCK = 1024 * 1024
"""Bytes that are read at once. No line is longer."""
_STILLBORN = 60.0
"""Seconds after which a file that never got its name was left by a process that died."""


class Segment:
    """A file of lines. ``size``: bytes that were written well. ``done``: how many of them are not needed any more."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.size = size
        self.done = 0
        self._descriptor = descriptor
        self._life = 0

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands. Never the same again once something was done or cleared away."""
        return self._life, self.done

    def append(self, data: bytes) -> None:
        """Returns when it is on disk. Raises OSError: then nothing of it counts, whatever is at the file's end."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fsync(self._descriptor)
        self.size += len(data)

    def lines(self, limit: int) -> tuple[int, Sequence[bytes]]:
        """Where the next lines that are not done end, and those lines, as many at most. Something is always passed."""
        block = os.pread(self._descriptor, min(BLOCK, self.size - self.done), self.done)
        if not block:  # somebody has cut it off
            return self.size, []
        *lines, rest = block.split(b"\n")
        if not lines:  # a line that was torn off, or no line at all
            return self.done + len(block), [rest]
        lines = lines[:limit]
        return self.done + sum(map(len, lines)) + len(lines), lines

    def clear(self) -> None:
        """Forgets all that is in it."""
        os.ftruncate(self._descriptor, 0)
        self.size = self.done = 0
        self._life += 1

    def remove(self) -> None:
        """Deletes it."""
        self._life += 1
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def let_go(self) -> None:
        """Leaves it to others."""
        os.close(self._descriptor)


def make_segment(folder: Path) -> Segment:
    """A new and empty file. It has its name only once it is locked: nobody takes it for one that was left."""
    _make_folder(folder, 0o700)
    path = folder / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
    unborn = path.with_suffix(UNBORN)
    descriptor = os.open(unborn, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unborn.rename(path)
        sync(folder)
    except OSError:
        os.close(descriptor)
        raise
    return Segment(path, descriptor, 0)


def _make_folder(folder: Path, mode: int) -> None:
    """Makes a folder and those above it, each on disk under its name: else a file in it could be lost with it."""
    if not folder.is_dir():
        if folder.parent != folder:
            _make_folder(folder.parent, 0o777)
        folder.mkdir(mode, exist_ok=True)
        sync(folder.parent)


def take_over(folder: Path) -> list[Segment]:
    """The files of a folder that nobody owns, now ours. Never fails: what cannot be read stays, and is logged."""
    found: list[Segment] = []
    try:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                segment = _owned(path)
            except OSError as error:  # of somebody else, say: the others are not to wait for it
                log.warning("a file of hits cannot be taken over", file=path.name, reason=str(error))
                continue
            if segment is not None:
                found.append(segment)
        _sweep(folder)
    except OSError as error:
        log.warning("the folder of hits cannot be looked through", reason=str(error))
    return found


def _owned(path: Path) -> Segment | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    owned: Segment | None = None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who owned it until just now may have deleted it.
        if os.fstat(descriptor).st_nlink:
            owned = Segment(path, descriptor, os.fstat(descriptor).st_size)
    except BlockingIOError:
        pass
    finally:
        if owned is None:
            os.close(descriptor)
    return owned


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"*{UNBORN}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _STILLBORN:
                path.unlink()


def sync(folder: Path) -> None:
    """Returns when the names in a folder are on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
