"""How much may be executed at once in this process, by what it costs. What does not fit waits for its turn, but not for long.

The event loop executes all operations, and what they read is held until they are answered. Many large ones at once would only be
answered later, all of them, and take the memory of all of them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable

PATIENCE = 0.4
"""Seconds that an operation waits before it is refused."""
SMALL = 20
"""A small operation costs at most this part of what may run at once. It never waits for a large one."""

Place = asyncio.Future[None]


class Lane:
    """What runs at once of one size. Clients take turns; each one's operations come in the order in which they were sent."""

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._turns: OrderedDict[Hashable, OrderedDict[Place, int]] = OrderedDict()

    def try_enter(self, cost: int) -> bool:
        """Enters where there is room and nobody waits."""
        cost = min(cost, self._limit)
        if self._turns or cost > self._free:
            return False
        self._free -= cost
        return True

    async def enter(self, cost: int, client: Hashable, patience: float | None) -> bool:
        """Enters when it is its turn; False where that was not within so many seconds."""
        if self.try_enter(cost):
            return True
        cost = min(cost, self._limit)
        place: Place = asyncio.get_running_loop().create_future()
        self._turns.setdefault(client, OrderedDict())[place] = cost
        try:
            await asyncio.wait((place,), timeout=patience)
        except asyncio.CancelledError:
            if place.done():
                self.leave(cost)
            else:
                self._forget(client, place)
                self._admit()
            raise
        if place.done():
            return True
        self._forget(client, place)
        self._admit()
        return False

    def leave(self, cost: int) -> None:
        """Gives back what was entered with this cost."""
        self._free += min(cost, self._limit)
        if self._turns:
            self._admit()

    def _admit(self) -> None:
        while self._turns:
            client, places = next(iter(self._turns.items()))
            place, cost = next(iter(places.items()))
            if cost > self._free:
                return
            self._forget(client, place)
            if client in self._turns:
                self._turns.move_to_end(client)
            self._free -= cost
            place.set_result(None)

    def _forget(self, client: Hashable, place: Place) -> None:
        places = self._turns[client]
        del places[place]
        if not places:
            del self._turns[client]


class Capacity:
    """What may run at once. ``limit``: cost of large operations; small ones have half as much for themselves. 0: all that comes."""

    def __init__(self, limit: int, patience: float = PATIENCE) -> None:
        self._smallest = limit // SMALL
        self._patience = patience
        self._is_bounded = limit > 0
        self._small, self._large = Lane(limit // 2), Lane(limit)

    def try_enter(self, cost: int) -> bool:
        """Enters where nothing has to be waited for."""
        return not self._is_bounded or self._lane(cost).try_enter(cost)

    async def enter(self, cost: int, client: Hashable, *, patiently: bool = False) -> bool:
        """Enters, or is refused after a while. ``patiently``: waits as long as it takes."""
        patience = None if patiently else self._patience
        return not self._is_bounded or await self._lane(cost).enter(cost, client, patience)

    def leave(self, cost: int) -> None:
        """Gives back what was entered with this cost."""
        if self._is_bounded:
            self._lane(cost).leave(cost)

    def _lane(self, cost: int) -> Lane:
        return self._small if cost <= self._smallest else self._large
