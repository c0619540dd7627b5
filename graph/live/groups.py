"""All that ask the same are one group: each event is answered and encoded once, whatever the number of listeners."""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime
from typing import Any

import structlog
from graphql import GraphQLError

from graph.encoding import encoded
from graph.errors import shown
from graph.live.hub import Feed, Hub
from graph.live.mailbox import Mailbox, Message, Over
from graph.live.operation import Answerer, message_of
from graph.live.sources import BEHIND, Events, Gauge, Source, taken

log = structlog.get_logger("groundswell.live")


class Group:
    """The listeners of one subscription, and what answers them. Runs while there are any."""

    def __init__(self, hub: Hub, answerer: Answerer, source: Source) -> None:
        self._hub = hub
        self._answerer = answerer
        self._source = source
        self._feed = Feed(BEHIND)
        self._mailboxes: set[Mailbox] = set()
        self._newest: Message | None = None
        # At once, and not when the task begins: nothing that is handed out from here on is lost.
        hub.join(source.subjects, self._feed)
        self.position = hub.position
        """All events up to here were sent to who listened then."""
        self.is_open = True
        """Whether one can join."""
        # It answers for all who ask, and is nothing of the request that came first.
        self._task = asyncio.create_task(self._run(), context=Context())

    @contextmanager
    def joined(self, mailbox: Mailbox) -> Iterator[None]:
        """For as long as the block runs the mailbox gets all that stands after ``position``; a gauge's value at once.

        With the last mailbox the group ends.
        """
        if self._newest is not None:
            mailbox.put(self._newest)
        self._mailboxes.add(mailbox)
        try:
            yield
        finally:
            self._mailboxes.discard(mailbox)
            if not self._mailboxes:
                self._close()
                self._task.cancel()

    def fills(self) -> list[int]:
        """How many messages wait in each of its mailboxes."""
        return [len(mailbox) for mailbox in self._mailboxes]

    async def _run(self) -> None:
        try:
            if isinstance(self._source, Events):
                await self._follow(self._source)
            else:
                await self._watch(self._source)
        except GraphQLError as error:
            missed = (error.extensions or {}).get("missed")
            for mailbox in self._mailboxes:
                mailbox.end(error) if missed is None else mailbox.miss(missed)
        except Exception as error:
            log.exception("a live subscription failed", operation=self._answerer.operation.name)
            for mailbox in self._mailboxes:
                mailbox.end(shown(GraphQLError(str(error), original_error=error), self._answerer.operation.name))
        finally:
            self._close()

    def _close(self) -> None:
        # By whoever leaves last, too: a task that is cancelled before it began runs none of its code.
        self.is_open = False
        self._hub.leave(self._source.subjects, self._feed)

    async def _follow(self, source: Events) -> None:
        while True:
            entries = await taken(self._feed)
            wanted = source.wanted(entries)
            messages = await self._answerer.messages(wanted) if wanted else []
            # From here on nothing is awaited: who joins gets all of them from history, or all of them here.
            for mailbox in self._mailboxes:
                for message in messages:
                    mailbox.put(message)
            if entries:
                self.position = entries[-1].position

    async def _watch(self, source: Gauge) -> None:
        before = b""
        while True:
            looked_at = time.monotonic()
            seen, result = await self._answerer.look(source.show)
            compared = encoded(_without(result.formatted, seen.at))
            if compared != before:
                before, self._newest = compared, Message(message_of(result))
                for mailbox in self._mailboxes:
                    mailbox.replace(self._newest)
            if seen.is_last:
                for mailbox in self._mailboxes:
                    mailbox.end(Over())
                return  # nothing was awaited: who comes now finds the group closed, and makes another
            await self._feed.take()
            await asyncio.sleep(looked_at + source.interval - time.monotonic())


def _without(answer: Any, moment: datetime | None) -> Any:
    """An answer without the moment at which it was given, which is no change."""
    if moment is None:
        return answer
    data = answer.get("data") or {}
    roots = {key: {k: v for k, v in root.items() if v != moment} for key, root in data.items() if root is not None}
    return {**answer, "data": roots}


class Groups:
    """The groups of this process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, Group] = {}

    def of(self, identity: Hashable, make: Callable[[], Group]) -> Group:
        """The group of an identity; made if there is none that is open. Join it before anything is awaited."""
        group = self._groups.get(identity)
        if group is None or not group.is_open:
            self._groups = {key: one for key, one in self._groups.items() if one.is_open}
            group = self._groups[identity] = make()
        return group

    def fills(self) -> list[int]:
        """How many messages wait in each mailbox."""
        return [fill for group in self._groups.values() for fill in group.fills()]

    def __len__(self) -> int:
        """How many are open."""
        return sum(group.is_open for group in self._groups.values())
