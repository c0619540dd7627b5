"""The spool: opens, clicks and the like on disk, until the database has them.

A process writes its hits to a file of its own, which it holds by a lock; many hits share one write and one fsync. When a process
has died, others on the same folder find its files unlocked and take them over. What is recorded is cleared away; a hit that is
recorded again after a crash has the same key, and is one event.

A file is JSON lines. One that was set aside (``.rejected``) comes back by being renamed to ``.jsonl``.
"""

import asyncio
import errno
import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import structlog

from db.models.email_event_items import NewEmailEvent
from db.models.email_words import EmailEventType
from jobs.mailings.segments import Segment, make_segment, sync, take_over

log = structlog.get_logger("groundswell.spool")

ROTATE_BYTES = 8 * 1024 * 1024
"""A file that is longer is closed, and another begun: as much at most is recorded twice after a crash."""
MOST_BYTES = 2 * 1024**3
"""What may wait on disk. Opens and clicks beyond it are refused; the little that unsubscribes is not."""
_BROKEN_SECONDS = 1.0
"""How long nothing is tried after the disk has refused."""
_GROUP = 20_000
"""Hits of one write, at most."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that somebody did with a mail, as it came in."""

    key: str
    type: EmailEventType
    workspace_id: int
    recipient_id: int
    occurred_at: datetime
    link_id: int | None = None
    user_agent: str | None = None
    ip_address: str | None = None
    is_machine: bool = False

    def event(self) -> NewEmailEvent:
        """As it is recorded."""
        return NewEmailEvent(
            key=self.key,
            recipient_id=self.recipient_id,
            type=self.type,
            occurred_at=self.occurred_at,
            user_agent=self.user_agent,
            ip_address=self.ip_address,
            is_machine=self.is_machine,
            link_id=self.link_id,
        )

    def line(self) -> bytes:
        """As it lies in a file."""
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def of(cls, line: bytes) -> "Hit":
        """Reads a line. Raises ValueError where it is none, or only a part of one."""
        try:
            said = orjson.loads(line)
            said["type"], said["occurred_at"] = (
                EmailEventType(said["type"]),
                datetime.fromisoformat(said["occurred_at"]),
            )
            return cls(**said)
        except (TypeError, LookupError) as error:
            raise ValueError(str(error)) from None


def new_key() -> str:
    """A key that no other hit has."""
    return f"t:{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Hits of one file, and from where to where in it they reach. There may be none in between: torn lines.

    ``strange`` are whole lines that say what is not known here: those of a newer release, after an older one was put back.
    """

    segment: Segment
    begin: tuple[int, int]
    end: int
    hits: Sequence[Hit]
    strange: Sequence[bytes] = ()


class _Group:
    """Hits that are written together."""

    __slots__ = ("error", "lines", "written")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.written = asyncio.Event()
        self.error: OSError | None = None


class Spool:
    """The files of one folder, as one process sees them. Nothing is touched on disk before it is needed."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()  # between what writes and what clears away
        self._writer = ThreadPoolExecutor(1, "spool")
        self._group: _Group | None = None
        self._writing: asyncio.Task[None] | None = None
        self._current: Segment | None = None
        self._others: list[Segment] = []
        self._turn = False
        self._refusing: tuple[float, OSError] | None = None
        self.appended = asyncio.Event()
        """Set whenever there is something new. Who waits for it clears it first."""

    @property
    def waiting(self) -> int:
        """Bytes on disk that are not recorded."""
        segments = list(self._others) + ([self._current] if self._current else [])
        return sum(segment.size - segment.done for segment in segments)

    async def append(self, hit: Hit) -> None:
        """Returns when the hit is on disk. Raises OSError where it could not be written: then it may not be there.

        Who is cancelled while waiting has written it all the same.
        """
        group = self._joined(hit)
        await group.written.wait()
        if group.error is not None:
            raise _same(group.error)

    def _joined(self, hit: Hit) -> _Group:
        if self._refusing is not None:
            until, error = self._refusing
            if time.monotonic() < until:
                raise _same(error)
            self._refusing = None
        if self._group is None or len(self._group.lines) >= _GROUP:
            if hit.type is not EmailEventType.UNSUBSCRIBE and self.waiting >= self._most_bytes:
                raise OSError(errno.ENOSPC, "more waits in the spool than may")
            self._group = _Group()
            self._writing = asyncio.create_task(self._write(self._group, self._writing))
        self._group.lines.append(hit.line())
        return self._group

    async def _write(self, group: _Group, before: "asyncio.Task[None] | None") -> None:
        """Writes a group, which gathers hits for as long as the one before it takes."""
        if before is not None:
            await asyncio.wait({before})
        if self._group is group:
            self._group = None
        try:
            data = b"".join(group.lines)
            await asyncio.get_running_loop().run_in_executor(self._writer, self._put, data)
        except Exception as error:  # whatever it is, who waits must not believe that it was written
            group.error = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
            self._refusing = (time.monotonic() + _BROKEN_SECONDS, group.error)
        finally:
            group.written.set()
            self.appended.set()

    def _put(self, data: bytes) -> None:
        with self._lock:
            if self._current is not None and self._current.size >= ROTATE_BYTES:
                self._seal()
            if self._current is None:
                self._current = make_segment(self._folder)
            try:
                self._current.append(data)
            except OSError:
                self._seal()  # what is at its end is not known
                raise

    def _seal(self) -> None:
        segment, self._current = self._current, None
        if segment is None:
            return
        if segment.done < segment.size:
            self._others.append(segment)
        else:
            segment.remove()

    async def read(self, limit: int) -> Batch | None:
        """The next hits that are not done, from one file; None where there are none.

        New ones and those that were left take turns: an unsubscribe does not wait for a long backlog.
        """
        return await asyncio.to_thread(self._read, limit)

    def _read(self, limit: int) -> Batch | None:
        with self._lock:
            segments = [*self._others[:1], *([self._current] if self._current else [])]
            found = [segment for segment in segments if segment.done < segment.size]
            if not found:
                return None
            self._turn = not self._turn
            segment = found[-1] if self._turn else found[0]
            begin = segment.place
            # With the lock: whoever was cancelled may still be clearing away, and the next file would get its descriptor.
            end, lines = segment.lines(limit)
        hits, strange = _hits(segment, lines)
        return Batch(segment, begin, end, hits, strange)

    async def done(self, batch: Batch) -> None:
        """Says that a batch is recorded: it does not come again, and what is wholly done is removed. Twice does nothing more."""
        await asyncio.to_thread(self._done, batch)

    def _done(self, batch: Batch) -> None:
        with self._lock:
            segment = batch.segment
            if segment.place != batch.begin:  # who was cancelled while saying so has said it
                return
            segment.done = batch.end
            if segment.done < segment.size:
                return
            if segment is self._current:
                segment.clear()
            else:
                segment.remove()
                self._others.remove(segment)

    def set_aside(self, batch: Batch, hits: Sequence[Hit]) -> None:
        """Keeps hits that cannot be recorded, and strange lines, beside the file that they were in. Raises OSError."""
        with batch.segment.path.with_suffix(".rejected").open("ab") as file:
            file.write(b"".join([*(hit.line() for hit in hits), *(line + b"\n" for line in batch.strange)]))
            file.flush()
            os.fsync(file.fileno())
        sync(self._folder)

    async def take_over(self) -> int:
        """Takes over the files of processes that have died; answers how many. Never fails."""
        return await asyncio.to_thread(self._take_over)

    def _take_over(self) -> int:
        found = take_over(self._folder)
        with self._lock:
            self._others += [segment for segment in found if segment.size]
        for segment in found:
            if not segment.size:
                with suppress(OSError):  # where it cannot be removed it stays ours, and empty
                    segment.remove()
        if found:
            log.info("files of hits that another process left were taken over", files=len(found))
        return len(found)

    async def close(self) -> None:
        """Lets go of all files, for others or the next start. What is being written is finished."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        with self._lock, suppress(OSError):
            self._seal()
        for segment in self._others:
            segment.let_go()
        self._others.clear()


def _same(error: OSError) -> OSError:
    """For whoever waits an error of its own: one that is raised again and again grows."""
    return OSError(error.errno, error.strerror)


def _hits(segment: Segment, lines: Sequence[bytes]) -> tuple[list[Hit], list[bytes]]:
    hits, strange = list[Hit](), list[bytes]()
    for line in lines:
        try:
            hits.append(Hit.of(line))
        except ValueError:
            if _is_whole(line):
                strange.append(line)
            else:
                log.warning("a torn line of hits was skipped", file=segment.path.name, bytes=len(line))
    return hits, strange


def _is_whole(line: bytes) -> bool:
    """Whether a line that is no hit was written as it is: nothing of a JSON object can be torn off."""
    try:
        return bool(isinstance(said := orjson.loads(line), dict) and said)
    except ValueError:
        return False
