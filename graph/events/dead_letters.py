"""Dead letters: events that could not be taken."""

from datetime import datetime
from typing import Any

import orjson
import strawberry

from db.engine import Transaction
from db.errors import Problem, ProblemCode, Refused
from db.keyset import PageRequest
from db.queries.events import dead_letters
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.ids import Node, global_id
from graph.ingest import check_size
from graph.scalars import BigInt


@strawberry.type(description="Something that is wrong with a dead letter.")
class DeadLetterProblem:
    """A problem as it was told to the sender."""

    code: ProblemCode = strawberry.field(description="The kind of problem.")
    message: str = strawberry.field(description="What is wrong, for a person to read.")
    field: list[str] = strawberry.field(description="The path of the field within the event.")


@strawberry.type(
    description="An event that could not be taken, as it came, and why. Kept until it is discarded, or did not come again "
    "for 30 days. Sending the event again, mended, does not remove it."
)
class DeadLetter(Node):
    """A view of a row of dead_letters."""

    id: strawberry.ID = global_id("DeadLetter")
    key: str | None = strawberry.field(description="The event's key, if it had one.")
    payload: str = strawberry.field(
        description="The event as it came, JSON unless that is what is wrong with it; at most 65,536 characters of it."
    )
    received: BigInt = strawberry.field(description="How often it came.")
    first_received_at: datetime = strawberry.field(description="When it came first.")
    last_received_at: datetime = strawberry.field(description="When it came last.")

    @strawberry.field(description="All that was wrong with it when it came last.")
    def problems(root: strawberry.Parent[Any]) -> list[DeadLetterProblem]:  # noqa: N805 - a row, whose problems are a text
        return [
            DeadLetterProblem(code=ProblemCode(one["code"]), message=one["message"], field=one["field"])
            for one in orjson.loads(root.problems)
        ]


@strawberry.input(description="Dead letters that were dealt with.")
class DiscardDeadLettersInput:
    """What discardDeadLetters takes."""

    ids: list[strawberry.ID] = strawberry.field(description="At most 1000. Those that are not there are passed over.")


@strawberry.type(description="What came of discarding dead letters.")
class DiscardDeadLettersPayload:
    """How many, or what is wrong."""

    discarded: int = strawberry.field(description="How many there were.")
    user_errors: list[UserError] = strawberry.field(description="What is wrong. Empty when all is well.")


@strawberry.type
class DeadLetterQuery:
    """The root fields of this domain."""

    @strawberry.field(description="Events that could not be taken, those that came last first.")
    async def dead_letters(
        self, info: Info, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[DeadLetter]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        return await connection(
            info,
            dead_letters.NEWEST,
            request,
            lambda fields, request: dead_letters.listed(reads, fields, request),
            lambda: dead_letters.count(reads),
        )


@strawberry.type
class DeadLetterMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Removes dead letters that were dealt with.")
    async def discard_dead_letters(self, info: Info, input: DiscardDeadLettersInput) -> DiscardDeadLettersPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            check_size(input.ids, "ids")
            problems: list[Problem] = []
            keys = [ids.checked("DeadLetter", one, problems, "ids", str(at)) for at, one in enumerate(input.ids)]
            if problems:
                raise Refused(problems)
            return await dead_letters.discard(transaction, [key for key in keys if key is not None])

        outcome = await info.context.change(work)
        return DiscardDeadLettersPayload(discarded=outcome.value or 0, user_errors=user_errors(outcome.problems))
