"""A server that kills itself, by SIGKILL, at a point of the first keyed request that reaches it: python -m tests.killed POINT.

It is the real server, on the database and with the settings of its environment.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from db import together
from db.queries import idempotency
from graph.cli import main

POINTS = ("claimed", "changed", "answered", "kept", "committed")
"""Nothing is done; the change is made; so is the answer; so is the row that keeps it; all of it is committed, and nobody told."""


def die() -> None:
    """Ends this process as the machine's end would."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, and then the end."""

    async def done(*args: Any, **kwargs: Any) -> Any:
        await work(*args, **kwargs)
        die()

    return done


def before(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The end, instead."""

    async def never(*_: Any, **__: Any) -> Any:
        die()

    return never


PLACES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "claimed": (idempotency, "claim", after),
    "changed": (together, "change_within", after),
    "answered": (idempotency, "keep", before),
    "kept": (idempotency, "keep", after),
    "committed": (together.Together, "commit", after),
}

if __name__ == "__main__":
    place, name, how = PLACES[sys.argv.pop(1)]
    setattr(place, name, how(getattr(place, name)))
    main()
