"""Whether the database can be reached: what its errors say about trying again."""

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.pool import PoolIsFull

# What BEGIN raises on a connection that the server has closed. InternalClientError: its farewell was read just before.
GONE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    OSError,
)


class Unavailable(Exception):
    """There was no connection to be had: nothing was done. The cause says why."""


NO_CONNECTION = (
    *(*GONE, PoolTimeoutError, PoolIsFull),
    *(asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError),
)
_UNAVAILABLE = (*NO_CONNECTION, Unavailable)
# Lost races, no room, told to stop, no lock in time, a standby that is not yet promoted.
_PASSING = (
    *_UNAVAILABLE,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether an error says that the database could not be reached just now, and may be reached again."""
    return _is_caused_by(error, _UNAVAILABLE)


def is_timeout(error: BaseException) -> bool:
    """Whether an error says that something was waited for in vain."""
    return isinstance(error, TimeoutError | PoolTimeoutError | PoolIsFull)


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that the database's disk is full: nothing was changed, and there may be room again."""
    return _is_caused_by(error, (asyncpg.DiskFullError,))


def is_passing(error: BaseException | None) -> bool:
    """Whether a transaction that failed so is nobody's mistake: run again, as often as it takes, it succeeds."""
    return _is_caused_by(error, _PASSING)


def _is_caused_by(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, kinds):
            return True
        cause = getattr(cause, "orig", None) or cause.__cause__
    return False
