"""What a sender has claimed and not yet sent, and what all messages of a mailing have in common."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from jobs.mailings.messages import Made, MessageMaker

MailingKey = tuple[int, int]
"""A mailing: its workspace, its id."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A recipient that is this sender's until its lease is over."""

    workspace_id: int
    mailing_id: int
    id: int
    attempts: int
    email: str
    name: str | None
    key: str | None
    attributes: str | None
    """JSON, or None."""
    maker: MessageMaker

    @classmethod
    def of(cls, mailing: MailingKey, row: Any, maker: MessageMaker) -> "Claimed":
        """From a row of ``db.queries.mailings.sending.claim``."""
        return cls(*mailing, row.id, row.attempts, row.email_address, row.name, row.key, row.attributes, maker)

    @property
    def mailing(self) -> MailingKey:
        """The mailing it belongs to."""
        return self.workspace_id, self.mailing_id

    def make(self) -> Made:
        """Its message. Raises what cannot be made."""
        attributes = orjson.loads(self.attributes) if self.attributes is not None else {}
        return self.maker.make(self.workspace_id, self.id, self.email, self.name, {**attributes, "key": self.key})


class Stock:
    """Claimed recipients that wait for a connection, and how many of each mailing are not settled.

    ``on_change`` is called when there is room for more, and when all of a mailing are settled.
    """

    def __init__(self, low: int, on_change: Callable[[], None]) -> None:
        self._low = low
        self._on_change = on_change
        self._waiting: asyncio.Queue[Claimed | None] = asyncio.Queue()
        self._held: Counter[MailingKey] = Counter()
        self.is_closed = False
        """Whether the sender stops."""

    @property
    def is_low(self) -> bool:
        """Whether there is room for more."""
        return self._waiting.qsize() < self._low

    def put(self, claimed: list[Claimed]) -> None:
        """Adds what was claimed."""
        for one in claimed:
            self._held[one.mailing] += 1
            self._waiting.put_nowait(one)

    async def take(self) -> Claimed | None:
        """The next one, once there is one; None once it is closed."""
        if self.is_closed:
            return None
        taken = await self._waiting.get()
        if self.is_low:
            self._on_change()
        return taken

    def settled(self, one: Claimed) -> None:
        """One is this sender's no more."""
        self._held[one.mailing] -= 1
        if self._held[one.mailing] <= 0:
            del self._held[one.mailing]
            self._on_change()

    def holds(self, mailing: MailingKey) -> bool:
        """Whether any of a mailing are not settled."""
        return mailing in self._held

    def withdraw(self, mailing: MailingKey | None = None) -> list[Claimed]:
        """Takes out all that wait, of one mailing or of all."""
        if self.is_closed:
            return []
        waiting = list(iter(self._next, None))
        kept = [one for one in waiting if mailing is not None and one.mailing != mailing]
        for one in kept:
            self._waiting.put_nowait(one)
        return [one for one in waiting if mailing is None or one.mailing == mailing]

    def close(self, takers: int) -> list[Claimed]:
        """Has so many who take go home, and answers what nobody took."""
        left = self.withdraw()
        self.is_closed = True
        for _ in range(takers):
            self._waiting.put_nowait(None)
        return left

    def _next(self) -> Claimed | None:
        return None if self._waiting.empty() else self._waiting.get_nowait()
