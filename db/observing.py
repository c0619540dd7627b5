"""Who is told of what the database is asked for. Nobody is, unless somebody wants to: then nothing is measured either."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger("groundswell.observing")


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


def tell(told: Callable[..., None], *what: Any) -> None:
    """Tells an observer. What goes wrong with that is no business of who is observed: a COMMIT stays one."""
    try:
        told(*what)
    except Exception as error:
        log.warning("what was observed could not be told", reason=f"{type(error).__name__}: {error}")


async def observed(observer: Observer, name: str | None, sql: str, work: Awaitable[T]) -> T:
    """What a statement on the driver answers. Its observer is told whatever comes of it."""
    began = perf_counter()
    try:
        found = await work
    except BaseException as error:
        tell(observer.statement, name, sql, perf_counter() - began, 0, error)
        raise
    rows = len(found) if isinstance(found, list) else 0
    tell(observer.statement, name, sql, perf_counter() - began, rows, None)
    return found


async def observed_result(observer: Observer, statement: Any, work: Awaitable[T]) -> T:
    """What a statement of SQLAlchemy answers, which knows its text only when it is over."""
    began = perf_counter()
    try:
        found: Any = await work
    except BaseException as error:
        tell(_of_failed, observer, statement, perf_counter() - began, error)
        raise
    tell(observer.statement, None, found.context.statement, perf_counter() - began, max(found.rowcount, 0), None)
    return found  # type: ignore[no-any-return]


async def observed_wait(observer: Observer, work: Awaitable[T]) -> T:
    """A connection, once there is one."""
    tell(observer.waits)
    began = perf_counter()
    try:
        found = await work
    except BaseException as error:
        tell(observer.waited, perf_counter() - began, error)
        raise
    tell(observer.waited, perf_counter() - began, None)
    return found


def _of_failed(observer: Observer, statement: Any, seconds: float, error: BaseException) -> None:
    sql = getattr(error, "statement", None) or str(statement)
    observer.statement(None, sql, seconds, 0, error)
