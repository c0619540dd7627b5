"""The one loader class: everything that a level of the answer needs, in one statement.

Loaders live for one operation. A loader is found by what it fetches and by the arguments and columns that
all of its keys share, so two fields that ask for the same things share their statement.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiodataloader import DataLoader

from db.engine import Reads

Fetch = Callable[..., Awaitable[Sequence[Any]]]


class Loader(DataLoader[int, Any]):
    """A loader whose futures cannot be cancelled by one of those that wait for them.

    When a non-null field fails, graphql-core cancels its siblings. They share futures with fields elsewhere
    in the answer, which must not be dragged along.
    """

    def load(self, key: int) -> asyncio.Future[Any]:
        """A future of the value for this key."""
        return asyncio.shield(super().load(key))


class Loaders:
    """The loaders of one operation, over its snapshot."""

    def __init__(self, reads: Callable[[], Reads]) -> None:
        self._reads = reads
        self._loaders: dict[Any, Loader] = {}

    def one(self, fetch: Fetch, arguments: tuple[Any, ...], key: Any, by: str = "id") -> Any:
        """The row of ``fetch(reads, *arguments, keys)`` whose column ``by`` is the key, or None."""

        async def batch(keys: list[Any]) -> list[Any]:
            rows = {getattr(row, by): row for row in await fetch(self._reads(), *arguments, keys)}
            return [rows.get(key) for key in keys]

        return self._loader((fetch, arguments), batch).load(key)

    def many(self, fetch: Fetch, arguments: tuple[Any, ...], key: int) -> Any:
        """What ``fetch(reads, *arguments, keys)`` answers at the place of the key; an error there is raised."""

        async def batch(keys: list[int]) -> list[Any]:
            return list(await fetch(self._reads(), *arguments, keys))

        return self._loader((fetch, arguments), batch).load(key)

    def _loader(self, name: Any, batch: Any) -> Loader:
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = Loader(batch)
        return loader
