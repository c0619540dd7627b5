"""What a subscription field answers: not the events themselves, but what they are events of.

Whoever runs the subscription decides how: ``graph.live.streams`` answers all that ask the same at once. Iterated over, a
source yields its events one by one, as any executor of GraphQL expects it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.engine import Database, Reads
from db.models.live import Topic
from db.queries.live import log
from db.queries.live.log import Entry, Head
from graph.errors import lagged
from graph.live import cursors
from graph.live.hub import Feed, Hub, Subject

PAGE = 200
"""Entries of history that are read, and whose answers are worked out, together."""
BEHIND = 20_000
"""Entries that what listens to the hub may be behind."""


@dataclass(frozen=True)
class Visibility:
    """Whose eyes the entries are read with."""

    workspace_id: int
    client_id: int | None


@dataclass(frozen=True)
class Events:
    """Entries of a topic: first those after a position, then those that come."""

    database: Database
    hub: Hub
    seen_by: Visibility
    topic: Topic
    keys: tuple[int, ...]
    types: frozenset[str] | None
    """Only of these types of subject; None for all."""
    after: int | None
    """The position after which it begins; None for now."""
    epoch: int | None
    """The epoch of that position."""

    @property
    def subjects(self) -> list[Subject]:
        """What it listens to."""
        return [(self.seen_by.workspace_id, self.topic, key) for key in self.keys]

    def wanted(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the types that it is about."""
        return [entry for entry in entries if self.types is None or entry.subject_type in self.types]

    async def history(self, after: int, upto: int | None) -> tuple[list[Entry], int, bool]:
        """A page of what stands after a position: the entries, the position that they reach, and whether that is the end.

        Raises CURSOR_EXPIRED where not all of it is kept.
        """
        reads = self.database.reads(self.seen_by.workspace_id, self.seen_by.client_id)
        try:
            head: Head = await log.head_of(reads)
            if after < head.trimmed or head.epoch != self.epoch:
                raise cursors.expired()
            end = head.position if upto is None else min(upto, head.position)
            entries = await log.history(reads, self.topic, self.keys, after, end, PAGE)
        finally:
            await reads.close()
        is_full = len(entries) == PAGE
        return entries, entries[-1].position if is_full else max(end, after), not is_full

    async def __aiter__(self) -> AsyncIterator[Entry]:
        """The events one by one."""
        position = self.after
        while position is not None:
            entries, position, is_last = await self.history(position, None)
            for entry in self.wanted(entries):
                yield entry
            if is_last:
                break
        async with listening(self.hub, self.subjects) as feed:
            begun = self.hub.position
            position = begun if position is None else position
            while position < begun:
                entries, position, _ = await self.history(position, begun)
                for entry in self.wanted(entries):
                    yield entry
            while True:
                for entry in self.wanted(await taken(feed)):
                    if entry.position > position:
                        yield entry


@dataclass(frozen=True)
class Shown:
    """A value at a moment."""

    value: Any
    """What the field answers."""
    at: datetime | None = None
    """The moment, where the value tells it: another moment alone is no news."""
    is_last: bool = False
    """Whether it will never change again: with it the stream ends."""


Show = Callable[[Reads], Awaitable[Shown]]
"""Looks at a value, in the snapshot that its answer is read from, too."""


@dataclass(frozen=True)
class Gauge:
    """A value that is looked at anew when entries of its subjects come, at most once in an interval."""

    database: Database
    hub: Hub
    seen_by: Visibility
    subjects: tuple[Subject, ...]
    interval: float
    """Seconds."""
    show: Show

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The value at once, and whenever something came that may have changed it."""
        async with listening(self.hub, self.subjects) as feed:
            while True:
                looked_at, shown = time.monotonic(), await self._shown()
                yield shown.value
                if shown.is_last:
                    return
                await feed.take()
                await asyncio.sleep(looked_at + self.interval - time.monotonic())

    async def _shown(self) -> Shown:
        reads = self.database.reads(self.seen_by.workspace_id, self.seen_by.client_id)
        try:
            return await self.show(reads)
        finally:
            await reads.close()


@asynccontextmanager
async def listening(hub: Hub, subjects: Sequence[Subject]) -> AsyncIterator[Feed]:
    """A feed of these subjects, for as long as the block runs."""
    feed = Feed(BEHIND)
    hub.join(subjects, feed)
    try:
        yield feed
    finally:
        hub.leave(subjects, feed)


async def taken(feed: Feed) -> Sequence[Entry]:
    """What has come. Raises CURSOR_EXPIRED where the log is another one, and LAGGED where something did not fit."""
    entries = await feed.take()
    if feed.restarted:
        raise cursors.expired()
    if feed.missed:
        raise lagged(feed.missed, None)
    return entries


Source = Events | Gauge
