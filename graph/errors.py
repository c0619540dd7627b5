"""Errors as the caller sees them.

What the caller can fix in a change is a ``userErrors`` entry. Everything else is a top-level error with
``extensions.code``; where it is our fault the message is masked, and an id leads to the whole story in the log.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from db.availability import Unavailable, is_full, is_unavailable
from db.errors import Problem, ProblemCode, camel
from db.keyset import BadPage
from db.queries.calendar import TooManyPoints
from db.statements import BadText

_BAD_VARIABLE = re.compile(r"Variable '\$\w+' (has|got) invalid value|Variable '\$\w+' of required type")

NO_CONNECTION = "The database cannot be reached just now. Try again."

log = structlog.get_logger("groundswell.graph")

strawberry.enum(ProblemCode, name="UserErrorCode", description="What kind of problem the caller can fix.")


@strawberry.type(description="A problem that the caller can fix. Everything else is a top-level error.")
class UserError:
    """One entry of ``userErrors``."""

    code: ProblemCode = strawberry.field(description="The kind of problem.")
    message: str = strawberry.field(description="What is wrong, for a person to read.")
    field: list[str] = strawberry.field(description="The path of the field within the input.")

    @classmethod
    def of(cls, problem: Problem) -> "UserError":
        """The entry for a problem, its path in the API's spelling."""
        return cls(code=problem.code, message=problem.message, field=[camel(name) for name in problem.field])


def user_errors(problems: Sequence[Problem]) -> list[UserError]:
    """The entries for all problems, in order."""
    return [UserError.of(problem) for problem in problems]


def bad_input(message: str) -> GraphQLError:
    """The error for an argument of a query that makes no sense."""
    return GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})


def unauthenticated(message: str) -> GraphQLError:
    """The error for a credential that is missing or not good."""
    return GraphQLError(message, extensions={"code": "UNAUTHENTICATED"})


def unavailable(message: str) -> GraphQLError:
    """The error for something that we need from elsewhere and cannot have just now."""
    return GraphQLError(message, extensions={"code": "UNAVAILABLE"})


def deadline_exceeded(seconds: float, commits: int | None = None, unknown: int = 0) -> GraphQLError:
    """The error for what took longer than it may. ``commits``: changes of a mutation that were made before.

    ``unknown``: those of which it is not known. The request's id finds them in PostgreSQL's log.
    """
    message = f"This took longer than {seconds:g} s, and was cancelled."
    extensions: dict[str, Any] = {"code": "DEADLINE_EXCEEDED"}
    if commits is not None:
        extensions["committed"] = commits
        message += " Nothing was changed." if not commits + unknown else f" Changes made before that: {commits}."
    if unknown:
        extensions["unknown"] = unknown
        message += f" Changes that may have been made: {unknown}."
    return GraphQLError(message, extensions=extensions)


def forbidden(message: str) -> GraphQLError:
    """The error for a credential without the scope that a field needs."""
    return GraphQLError(message, extensions={"code": "FORBIDDEN"})


def limit_reached(message: str) -> GraphQLError:
    """The error for what would be more than there may be."""
    return GraphQLError(message, extensions={"code": "LIMIT_REACHED"})


def rate_limited(message: str, **known: object) -> GraphQLError:
    """The error for what a client may ask for later. ``known``: ``retryAfter``, in seconds, and others."""
    return GraphQLError(message, extensions={"code": "RATE_LIMITED", **known})


def overloaded(message: str, seconds: int) -> GraphQLError:
    """The error for what the server has no room for just now. ``seconds``: after which to ask again."""
    return GraphQLError(message, extensions={"code": "OVERLOADED", "retryAfter": seconds})


def cursor_expired(message: str) -> GraphQLError:
    """The error for a cursor of the live stream from which nothing can be resumed."""
    return GraphQLError(message, extensions={"code": "CURSOR_EXPIRED"})


def lagged(missed: int, cursor: str | None) -> GraphQLError:
    """The error for a subscriber that took its events too slowly."""
    message = f"You fell behind and missed {missed:,} events. Go on from the cursor."
    if cursor is None:
        message = f"You fell behind and missed {missed:,} events. Go on from the last cursor that you have."
    return GraphQLError(message, extensions={"code": "LAGGED", "missed": missed, "cursor": cursor})


def not_found(message: str) -> GraphQLError:
    """The error for an argument that names what is not there, or not to be seen."""
    return GraphQLError(message, extensions={"code": "NOT_FOUND"})


def shown(error: GraphQLError, operation_name: str | None) -> GraphQLError:
    """An error as the caller sees it. What is our fault goes to the log."""
    cause = error.original_error
    if isinstance(cause, BadPage | BadText | TooManyPoints):
        return _with(error, str(cause), {"code": "BAD_USER_INPUT"})
    if isinstance(cause, ValueError) and "integer string conversion" in str(cause):
        return _with(error, "A number has more digits than any that can be meant.", {"code": "BAD_USER_INPUT"})
    if isinstance(cause, Unavailable):
        return _with(error, NO_CONNECTION, {"code": "UNAVAILABLE"})
    if cause is None or isinstance(cause, GraphQLError):
        return _with(error, error.message, {"code": _code(error), **(error.extensions or {})})
    away = _away(cause)
    if away is not None:
        log.warning(away, reason=str(cause), operation=operation_name, path=error.path)
        return _with(error, away, {"code": "UNAVAILABLE"})
    masked = internal(cause, operation=operation_name, path=error.path)
    return _with(error, masked.message, dict(masked.extensions or {}))


def internal(cause: Exception, **known: Any) -> GraphQLError:
    """The error for what is our own fault. The story goes to the log."""
    error_id = secrets.token_hex(8)
    log.error("operation failed", error_id=error_id, **known, exc_info=cause)
    message = f"Something went wrong on our side. Error id: {error_id}"
    return GraphQLError(message, extensions={"code": "INTERNAL", "errorId": error_id})


def _away(cause: Exception) -> str | None:
    """What a database that cannot be used just now is to the caller; None where that is not the cause."""
    if is_full(cause):
        return "The database has no room left on its disk. Nothing was changed: try again later."
    if is_unavailable(cause):
        return "The database cannot be reached just now. Try again; where a change was asked for, look first whether it was made."
    return None


def _code(error: GraphQLError) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    # What was refused before anything ran has no path; a value that does not fit its type has one or is a variable.
    about_a_value = error.path is not None or _BAD_VARIABLE.match(error.message) is not None
    return "BAD_USER_INPUT" if about_a_value else "GRAPHQL_VALIDATION_FAILED"


def _with(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
