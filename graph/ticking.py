"""One timer for all that may take too long. A timer of its own would be a tenth of what a small operation costs."""

import asyncio
from typing import Protocol

TICK = 0.025
"""Seconds by which what is looked after may be late."""


class Ticking(Protocol):
    """Something that is looked after."""

    def look(self, now: float) -> None:
        """Called with the loop's time at each tick."""


class Ticker:
    """Looks after things for as long as they are here; it rests when there are none."""

    def __init__(self) -> None:
        self._here: dict[Ticking, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop on which the next tick is due; None: on none."""

    def add(self, one: Ticking) -> None:
        """Looks after something, on the running loop."""
        self._here[one] = None
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(TICK, self._tick, self._loop)

    def remove(self, one: Ticking) -> None:
        """Does so no more."""
        self._here.pop(one, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in tuple(self._here):
            one.look(now)
        if self._here:
            loop.call_later(TICK, self._tick, loop)
        else:
            self._loop = None
