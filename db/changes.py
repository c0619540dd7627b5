"""One change: a transaction whose refusals are answers, and which is run again when it lost a race."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.engine import Database, Transaction
from db.errors import Problem, ProblemCode, Refused, invalid, problem_of
from db.statements import BadText

T = TypeVar("T")

_TRIES = 3


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a change: its value, or the problems for which nothing was changed."""

    value: T | None = None
    problems: list[Problem] = field(default_factory=list)


async def change(
    database: Database, workspace_id: int, work: Callable[[Transaction], Awaitable[T]], client_id: int | None = None
) -> Outcome[T]:
    """Runs one transaction. What the work refuses, or a constraint finds, changes nothing and is answered.

    The work may run more than once (a deadlock is broken by running it again), so beside SQL it does only what may be done twice.
    """
    for attempt in range(_TRIES):
        try:
            async with database.write(workspace_id, client_id) as transaction:
                return Outcome(await work(transaction))
        except _REFUSALS as error:
            problems = _problems_of(error, client_id)
            if problems is not None:
                return Outcome(problems=problems)
            if not _lost_a_race(error) or attempt + 1 == _TRIES:
                raise
    raise AssertionError("unreachable")


class LostRace(Exception):
    """A change inside of a running transaction lost a race, perhaps for what that holds already: all of it is to be run again."""


async def change_within(transaction: Transaction, work: Callable[[Transaction], Awaitable[T]]) -> Outcome[T]:
    """The same as a part of a running transaction, which is as it was before where the work is refused or fails.

    Raises LostRace where ``change`` would run the work again.
    """
    await transaction.driver.execute("SAVEPOINT change")
    try:
        return Outcome(await work(transaction))
    except Exception as error:
        await transaction.driver.execute("ROLLBACK TO SAVEPOINT change")
        problems = _problems_of(error, transaction.client_id)
        if problems is not None:
            return Outcome(problems=problems)
        if _lost_a_race(error):
            raise LostRace from error
        raise


_REFUSALS = (Refused, BadText, DBAPIError)


def _problems_of(error: Exception, client_id: int | None) -> list[Problem] | None:
    """What a change was refused for, as the caller can see it; None where it failed for another reason."""
    if isinstance(error, Refused):
        return list(error.problems)
    if isinstance(error, BadText):
        return [invalid(str(error))]
    if isinstance(error, IntegrityError):
        problem = problem_of(error)
        return None if problem is None else [problem]
    if client_id is not None and _is_denied(error):
        return [Problem(ProblemCode.FORBIDDEN, _DENIED, ())]
    return None


_DENIED = "This API client sees only the campaigns that are granted to it, and may not change anything else."


def _is_denied(error: Exception) -> bool:
    return isinstance(_cause(error), asyncpg.InsufficientPrivilegeError)


def _lost_a_race(error: Exception) -> bool:
    return isinstance(_cause(error), asyncpg.DeadlockDetectedError | asyncpg.SerializationError)


def _cause(error: Exception) -> BaseException | None:
    """The driver's error, where SQLAlchemy has one."""
    return getattr(getattr(error, "orig", None), "__cause__", None)
