"""Look-ups that many need at once: one of them asks the database, and the others get what it finds."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lookups(Generic[K, V]):
    """The look-ups that run just now. A crowd that comes when what was remembered has expired takes one connection."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    async def of(self, key: K, look_up: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """What is found for a key: by ``look_up``, or by whoever looks for the same already. Raises what that raises.

        Who leaves meanwhile takes nothing from the others.
        """
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(look_up())
            running.add_done_callback(lambda task: self._over(key, task))
        return await asyncio.shield(running)

    def _over(self, key: K, task: asyncio.Task[V]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # if nobody waits for it any more, nobody is to hear of it
