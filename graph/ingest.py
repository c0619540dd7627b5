"""Batches: each item is kept, known already, or rejected with its reason."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import strawberry

from db.changes import Outcome
from db.errors import Problem, ProblemCode, Refused, camel
from graph.errors import UserError, user_errors

LARGEST_BATCH = 1000


@strawberry.type(description="An item of a batch that was not taken. All the others were.")
class RejectedItem:
    """Names the item by its position, and the field in it."""

    index: int = strawberry.field(description="The item's position in the input, from 0.")
    key: str | None = strawberry.field(description="The item's key, if it has one.")
    code: ProblemCode = strawberry.field(description="The kind of problem.")
    message: str = strawberry.field(description="What is wrong, for a person to read.")
    field: list[str] = strawberry.field(description="The path of the field within the item.")

    @classmethod
    def of(cls, index: int, key: str | None, problem: Problem) -> "RejectedItem":
        """The entry for a problem, its path in the API's spelling."""
        path = [camel(name) for name in problem.field]
        return cls(index=index, key=key, code=problem.code, message=problem.message, field=path)


@strawberry.type(description="What came of a batch.")
class IngestPayload:
    """Every item is accepted, a duplicate, or rejected."""

    accepted: int = strawberry.field(description="Items that were new, or changed something.")
    duplicates: int = strawberry.field(description="Items that were known already and changed nothing.")
    rejected: list[RejectedItem] = strawberry.field(description="Items that were not taken, and why.")
    user_errors: list[UserError] = strawberry.field(
        description="What is wrong with the batch as a whole: then nothing of it was taken."
    )


class Counts(Protocol):
    """What the database did with the items that it was given."""

    @property
    def accepted(self) -> int:
        """How many were new, or changed something."""

    @property
    def duplicates(self) -> int:
        """How many changed nothing."""


def answered(
    outcome: Outcome[Any], problems: Mapping[int, Sequence[Problem]], keys: Sequence[str | None]
) -> IngestPayload:
    """The payload for a batch: its counts and the problems of its items by position, or why nothing was taken."""
    counts: Counts | None = outcome.value
    if counts is None:
        return IngestPayload(accepted=0, duplicates=0, rejected=[], user_errors=user_errors(outcome.problems))
    return IngestPayload(
        accepted=counts.accepted, duplicates=counts.duplicates, rejected=rejected(problems, keys), user_errors=[]
    )


def rejected(problems: Mapping[int, Sequence[Problem]], keys: Sequence[str | None]) -> list[RejectedItem]:
    """The entries for items that were not taken, in the order of the input. An item with several problems has an entry for each."""
    return [RejectedItem.of(index, keys[index], problem) for index in sorted(problems) for problem in problems[index]]


def check_size(items: Sequence[object], field: str) -> None:
    """Raises Refused for a batch that is too large."""
    if len(items) > LARGEST_BATCH:
        message = f"At most {LARGEST_BATCH} items in a batch; there are {len(items)}."
        raise Refused([Problem(ProblemCode.TOO_LARGE, message, (field,))])
