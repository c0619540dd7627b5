"""Who listens to what: entries of the log go to the feeds of their topics, in the order of their positions."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from db.models.live import Topic
from db.queries.live.log import Entry, Head
from graph.live.cursors import Cursors
from graph.settings import Limits

Subject: TypeAlias = tuple[int, Topic, int]
"""Workspace, topic and key: what an entry is about."""


class Feed:
    """What one listener has not taken yet. It holds at most ``limit`` entries; after that it has ``overflowed``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: list[Entry] = []
        self._filled = asyncio.Event()
        self.missed = 0
        self.restarted = False
        """Whether the log is another one now, and positions mean nothing any more."""

    def put(self, entry: Entry) -> None:
        """Adds an entry, or counts that it did not fit."""
        if len(self._entries) < self._limit:
            self._entries.append(entry)
        else:
            self.missed += 1
        self._filled.set()

    def restart(self) -> None:
        """Says that the log is another one."""
        self.restarted = True
        self._filled.set()

    async def take(self) -> Sequence[Entry]:
        """All that is there; waits until there is something, or something happened."""
        await self._filled.wait()
        self._filled.clear()
        entries, self._entries = self._entries, []
        return entries


class Hub:
    """The feeds of this process, by what they are about."""

    def __init__(self) -> None:
        self.position = 0
        """All up to here was handed out."""
        self.cursors: Cursors | None = None
        """Of the epoch that the log is in; None before it was first read."""
        self.epoch: int | None = None
        """The one that the log is in; None before it was first read."""
        self._feeds: dict[Subject, set[Feed]] = {}
        self._revocations: list[Callable[[int], None]] = []

    @property
    def is_listened_to(self) -> bool:
        """Whether anybody listens to anything that comes from the log."""
        return bool(self._feeds)

    def cursor(self, position: int) -> str:
        """The cursor of a position in the log as it is now."""
        if self.cursors is None:
            raise RuntimeError("the log has not been read yet")
        return self.cursors.encode(position)

    def on_revocation(self, call: Callable[[int], None]) -> None:
        """Calls with the id of each API client that is revoked."""
        self._revocations.append(call)

    def join(self, subjects: Iterable[Subject], feed: Feed) -> None:
        """From now on the feed gets what is about these subjects: all that stands after ``position``."""
        for subject in subjects:
            self._feeds.setdefault(subject, set()).add(feed)

    def leave(self, subjects: Iterable[Subject], feed: Feed) -> None:
        """The feed gets nothing more."""
        for subject in subjects:
            feeds = self._feeds.get(subject, set())
            feeds.discard(feed)
            if not feeds:
                self._feeds.pop(subject, None)

    def hand_out(self, entries: Sequence[Entry]) -> None:
        """Gives entries to whom they concern."""
        for entry in entries:
            if entry.topic == Topic.CLIENTS:
                for call in self._revocations:
                    call(entry.key)
            for feed in self._feeds.get((entry.workspace_id, Topic(entry.topic), entry.key), ()):
                feed.put(entry)
        if entries:
            self.position = entries[-1].position

    def restart(self, head: Head) -> None:
        """Begins anew with another log."""
        self.position, self.cursors, self.epoch = head.position, Cursors.of(head), head.epoch
        for feed in {feed for feeds in self._feeds.values() for feed in feeds}:
            feed.restart()


@dataclass
class Live:
    """The live stream as resolvers and transports know it."""

    hub: Hub = field(default_factory=Hub)
    limits: Limits = field(default_factory=Limits)
    subscriptions: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many each subject of a workspace has."""
