"""Transports: whatever takes messages. What is known of each afterwards is one of a few things, and nothing is guessed."""

from dataclasses import dataclass
from typing import Protocol

from jobs.mailings.messages import Made


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message was taken: from here on it is somebody else's."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not taken, and worth another try later. ``reply`` says why, like the rest of them."""

    reply: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Certainly not taken, and never will be."""

    reply: str


@dataclass(frozen=True, slots=True)
class Bounced:
    """There is no such address, says the server."""

    code: int
    reply: str


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Certainly not taken, and nothing else of this mailing will be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """Certainly not taken: the connection is lost, which says nothing about the message."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have been taken, or not: the connection was lost while the server had it."""

    reason: str


Result = Accepted | Deferred | Rejected | Bounced | Unsendable | Away | Uncertain


class TransportAway(Exception):
    """No connection can be made just now. The message says why."""


class TransportRefused(Exception):
    """No connection will be made before somebody mends the settings. The message says why."""


class Session(Protocol):
    """One connection, kept for many messages. Used by one task at a time."""

    async def open(self) -> None:
        """Connects, unless it is connected. Raises TransportAway and TransportRefused."""

    async def send(self, made: Made) -> Result:
        """Hands over one message. Never raises but when it is cancelled."""

    @property
    def may_have_sent(self) -> bool:
        """Whether ``send``, when it was cancelled, had begun to hand the message itself over."""

    async def close(self) -> None:
        """Takes leave. Never raises; opened again, it can be used again."""


class Transport(Protocol):
    """Where messages go."""

    def session(self) -> Session:
        """A connection, not yet open."""
