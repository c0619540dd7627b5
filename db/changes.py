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
        except Refused as refused:
            return Outcome(problems=list(refused.problems))
        except BadText as error:
            return Outcome(problems=[invalid(str(error))])
        except IntegrityError as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return Outcome(problems=[problem])
        except DBAPIError as error:
            if client_id is not None and _is_denied(error):
                return Outcome(problems=[Problem(ProblemCode.FORBIDDEN, _DENIED, ())])
            if not _lost_a_race(error) or attempt + 1 == _TRIES:
                raise
    raise AssertionError("unreachable")


_DENIED = "This API client sees only the campaigns that are granted to it, and may not change anything else."


def _is_denied(error: DBAPIError) -> bool:
    return isinstance(getattr(error.orig, "__cause__", None), asyncpg.InsufficientPrivilegeError)


def _lost_a_race(error: DBAPIError) -> bool:
    cause = getattr(error.orig, "__cause__", None)
    return isinstance(cause, asyncpg.DeadlockDetectedError | asyncpg.SerializationError)
