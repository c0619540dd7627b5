"""What one subscriber has still to be sent: bounded, so that a slow one costs no more than a fast one."""

import asyncio
from collections import deque
from typing import NamedTuple

from graphql import GraphQLError

from graph.errors import lagged


class Message(NamedTuple):
    """An answer, encoded once for all that get it."""

    body: str
    """The JSON of an execution result."""
    position: int | None = None
    """Where it stands in the stream; None for what has no place there."""
    cursor: str | None = None
    """Resumes the stream after it."""


class Over(Exception):
    """A stream has come to its end: there is nothing more to tell."""


class Mailbox:
    """Messages in order. Past ``limit`` nothing more goes in: who empties it is told how much it missed."""

    def __init__(self, limit: int, begins_after: str | None) -> None:
        self._limit = limit
        self._messages: deque[Message] = deque()
        self._missed = 0
        self._end: GraphQLError | Over | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._last = begins_after
        """The cursor of the last message that was taken out, or of where the stream begins."""

    def __len__(self) -> int:
        """Messages that wait to be taken out."""
        return len(self._messages)

    def put(self, message: Message) -> None:
        """Adds a message, or counts that it did not fit."""
        if self._missed or len(self._messages) >= self._limit:
            self._missed += 1
        else:
            self._messages.append(message)
            self._wake()

    def replace(self, message: Message) -> None:
        """Puts a message in the place of all that waits."""
        self._messages.clear()
        self._messages.append(message)
        self._wake()

    def begin_after(self, cursor: str) -> None:
        """Says that all up to there was sent in another way."""
        self._last = cursor

    def miss(self, messages: int) -> None:
        """Counts messages that will never come."""
        self._missed += messages
        self._wake()

    def end(self, reason: GraphQLError | Over) -> None:
        """Ends the stream after what is there."""
        self._end = reason
        self._wake()

    async def get(self) -> Message:
        """The next message. Raises LAGGED, or what it was ended with, once there is none left."""
        while not self._messages:
            if self._missed:
                raise lagged(self._missed, self._last)
            if self._end is not None:
                raise self._end
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        message = self._messages.popleft()
        self._last = message.cursor or self._last
        return message

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
