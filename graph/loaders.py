"""The one loader class: everything that a level of the answer needs, in one statement.

Loaders live for one operation. A loader is found by what it fetches and by the arguments and columns that
all of its keys share, so two fields that ask for the same things share their statement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from itertools import chain
from typing import Any, TypeVar

from aiodataloader import DataLoader

from db.engine import Reads
from db.observing import tell

T = TypeVar("T")

Fetch = Callable[..., Awaitable[Sequence[Any]]]
Batch = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]
"""From keys to their values, in order."""


class Loader(DataLoader[tuple[Any, ...], list[Any]]):
    """Loads the keys of a whole level under one future. What several levels ask for is fetched once."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(self._of_levels, cache=False)
        self._batch = batch
        self._known: dict[Any, Any] = {None: None}

    async def _of_levels(self, levels: list[tuple[Any, ...]]) -> list[list[Any]]:
        known = self._known
        wanted = [key for key in dict.fromkeys(chain.from_iterable(levels)) if key not in known]
        if wanted:
            known.update(zip(wanted, await self._batch(wanted), strict=True))
        return [[known[key] for key in level] for level in levels]

    def load(self, key: tuple[Any, ...]) -> asyncio.Future[list[Any]]:
        """A future of the values for these keys.

        It cannot be cancelled by one of those that wait for it. When a non-null field fails, graphql-core cancels its
        siblings. They share futures with fields elsewhere in the answer, which must not be dragged along.
        """
        return _shared(super().load(key))


class Level(DataLoader[Any, Any]):
    """Gathers the objects of a level for a field that answers them together, where they are asked one by one."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch, cache=False)

    def load(self, key: Any) -> asyncio.Future[Any]:
        """A future of the field's value for this object; the value itself may be an error. As in Loader."""
        return _shared(super().load(key))


class Loaders:
    """The loaders of one operation, over its snapshot. The key None stands for nothing."""

    def __init__(self, reads: Callable[[], Reads]) -> None:
        self._reads = reads
        self._loaders: dict[Hashable, Loader] = {}
        self._levels: dict[Hashable, Level] = {}

    def one_each(self, fetch: Fetch, arguments: tuple[Any, ...], keys: Sequence[Any], by: str = "id") -> Any:
        """For each key the row of ``fetch(reads, *arguments, keys)`` whose column ``by`` it is, or None."""

        async def batch(keys: list[Any]) -> list[Any]:
            rows = {getattr(row, by): row for row in await fetch(self._reading(fetch, keys), *arguments, keys)}
            return [rows.get(key) for key in keys]

        return self._loader((fetch, arguments), batch).load(tuple(keys))

    def many_each(self, fetch: Fetch, arguments: tuple[Any, ...], keys: Sequence[Any]) -> Any:
        """For each key what ``fetch(reads, *arguments, keys)`` answers at its place, which may be an error."""

        async def batch(keys: list[Any]) -> list[Any]:
            return list(await fetch(self._reading(fetch, keys), *arguments, keys))

        return self._loader((fetch, arguments), batch).load(tuple(keys))

    def one(self, fetch: Fetch, arguments: tuple[Any, ...], key: Any, by: str = "id") -> Any:
        """The row of one key, or None."""
        return _only(self.one_each(fetch, arguments, (key,), by))

    def many(self, fetch: Fetch, arguments: tuple[Any, ...], key: Any) -> Any:
        """What is answered at the place of one key."""
        return _only(self.many_each(fetch, arguments, (key,)))

    def level(self, name: Hashable, batch: Batch) -> Level:
        """What gathers the objects of a level for the field of this name."""
        found = self._levels.get(name)
        if found is None:
            found = self._levels[name] = Level(batch)
        return found

    def _reading(self, fetch: Fetch, keys: list[Any]) -> Reads:
        reads = self._reads()
        if reads.observer is not None:
            tell(reads.observer.batch, fetch, len(keys))
        return reads

    def _loader(self, name: Hashable, batch: Batch) -> Loader:
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = Loader(batch)
        return loader


def _shared(future: asyncio.Future[T]) -> asyncio.Future[T]:
    future.add_done_callback(_retrieved)  # whoever waited may be gone, and then an error is nobody's
    return asyncio.shield(future)


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


async def _only(values: Awaitable[list[Any]]) -> Any:
    [value] = await values
    return value
