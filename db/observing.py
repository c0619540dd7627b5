"""Who is told of what the database is asked for. Nobody is, unless somebody wants to: then nothing is measured either."""

from collections.abc import Awaitable
from time import perf_counter
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Observer(Protocol):
    """Is told when something is over. It must not fail, nor take long. Times are seconds."""

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """A statement. ``name``: the function that built it, None for one of which only its text is known.

        ``rows``: that it answered or changed; 0 where that is not known.
        """

    def waits(self) -> None:
        """Somebody begins to wait for a connection of the pool."""

    def waited(self, seconds: float, error: BaseException | None) -> None:
        """The wait is over; with an error where there was none to be had."""

    def batch(self, fetch: Any, keys: int) -> None:
        """A loader is about to read so many keys by a function."""


async def observed(observer: Observer, name: str | None, sql: str, work: Awaitable[T]) -> T:
    """What a statement on the driver answers. Its observer is told whatever comes of it."""
    began = perf_counter()
    try:
        found = await work
    except BaseException as error:
        observer.statement(name, sql, perf_counter() - began, 0, error)
        raise
    observer.statement(name, sql, perf_counter() - began, len(found) if isinstance(found, list) else 0, None)
    return found


async def observed_result(observer: Observer, statement: Any, work: Awaitable[T]) -> T:
    """What a statement of SQLAlchemy answers, which knows its text only when it is over."""
    began = perf_counter()
    try:
        found: Any = await work
    except BaseException as error:
        sql = getattr(error, "statement", None) or str(statement)
        observer.statement(None, sql, perf_counter() - began, 0, error)
        raise
    observer.statement(None, found.context.statement, perf_counter() - began, max(found.rowcount, 0), None)
    return found  # type: ignore[no-any-return]


async def observed_wait(observer: Observer, work: Awaitable[T]) -> T:
    """A connection, once there is one."""
    observer.waits()
    began = perf_counter()
    try:
        found = await work
    except BaseException as error:
        observer.waited(perf_counter() - began, error)
        raise
    observer.waited(perf_counter() - began, None)
    return found
