"""Making, changing and deleting mailings, adding recipients, and moving mailings from status to status."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import strawberry

from db.engine import Transaction
from db.errors import Problem, refuse
from db.models.lead_items import email_of
from db.queries.mailings import moving, writing
from graph import ids
from graph.context import Info
from graph.deleting import DeletePayload
from graph.errors import UserError, user_errors
from graph.ingest import IngestPayload, answered, check_size
from graph.mailings.inputs import (
    AddRecipientsInput,
    CreateMailingInput,
    DeleteMailingInput,
    MailingActionInput,
    ScheduleMailingInput,
    UpdateMailingInput,
    values_of,
)
from graph.mailings.types import Mailing, mailing_of
from jobs.mailings.starting import links_of

T = TypeVar("T")
Move = Callable[[Transaction, int], Awaitable[None]]


@strawberry.type(description="What came of a change to a mailing.")
class MailingPayload:
    """The mailing, or what is wrong."""

    mailing_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The mailing as it is now; null when something was wrong.")
    def mailing(self, info: Info) -> Mailing | None:
        return mailing_of(info, self.mailing_id)


@strawberry.type
class MailingMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a mailing: a DRAFT.")
    async def create_mailing(self, info: Info, input: CreateMailingInput) -> MailingPayload:  # noqa: A002
        subject = info.context.viewer.subject

        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            values = values_of(input, problems)
            refuse(problems)
            return await writing.create(transaction, values, subject)

        return await _changed(info, work)

    @strawberry.mutation(description="Changes a mailing, while it is DRAFT or SCHEDULED; otherwise this is a CONFLICT.")
    async def update_mailing(self, info: Info, input: UpdateMailingInput) -> MailingPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            mailing_id = ids.checked("Mailing", input.id, problems, "id")
            values = values_of(input, problems)
            refuse(problems)
            await writing.change(transaction, mailing_id or 0, values)
            return mailing_id or 0

        return await _changed(info, work)

    @strawberry.mutation(
        description="Deletes a mailing with its recipients, while it is DRAFT; otherwise this is a CONFLICT."
    )
    async def delete_mailing(self, info: Info, input: DeleteMailingInput) -> DeletePayload:  # noqa: A002
        async def work(transaction: Transaction) -> None:
            await writing.delete(transaction, ids.required("Mailing", input.id, "id"))

        outcome = await info.context.change(work)
        deleted = None if outcome.problems else input.id
        return DeletePayload(deleted_id=deleted, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(
        description="Adds up to 1000 recipients to a mailing that is not COMPLETED; otherwise this is a CONFLICT. Who is a recipient already "
        "counts as a duplicate. The index of a rejected item counts leadIds first, then emails. An address to which nothing is sent any more is "
        "added all the same, and skipped when the mails are sent."
    )
    async def add_recipients(self, info: Info, input: AddRecipientsInput) -> IngestPayload:  # noqa: A002
        lead_ids, emails, problems = input.lead_ids or [], input.emails or [], dict[int, list[Problem]]()
        given = [*lead_ids, *emails]

        async def work(transaction: Transaction) -> writing.Added:
            check_size(given, "lead_ids" if lead_ids else "emails")
            mailing_id = ids.required("Mailing", input.mailing_id, "mailing_id")
            problems.clear()
            leads = _checked(lead_ids, 0, problems, lambda one, found: ids.checked("Lead", one, found, "lead_ids"))
            written = _checked(emails, len(lead_ids), problems, lambda one, found: email_of(one, found, "emails"))
            added = await writing.add_recipients(transaction, mailing_id, leads, written)
            problems.update(added.rejected)
            return added

        return answered(await info.context.change(work), problems, [None] * len(given))

    @strawberry.mutation(
        description="Has a mailing that is DRAFT or SCHEDULED start by itself at a time that lies ahead, by a year at most."
    )
    async def schedule_mailing(self, info: Info, input: ScheduleMailingInput) -> MailingPayload:  # noqa: A002
        return await _moved(
            info, input.id, lambda transaction, key: moving.schedule(transaction, key, input.scheduled_at)
        )

    @strawberry.mutation(description="Makes a mailing that is SCHEDULED a DRAFT again.")
    async def unschedule_mailing(self, info: Info, input: MailingActionInput) -> MailingPayload:  # noqa: A002
        return await _moved(info, input.id, moving.unschedule)

    @strawberry.mutation(
        description="Starts a mailing that is DRAFT, SCHEDULED or FAILED, now. It must have recipients and a template. Its "
        "campaign becomes ACTIVE if it is DRAFT, PLANNED or SCHEDULED; if it is PAUSED, FAILED, COMPLETED or CANCELLED, this is "
        "a CONFLICT. One that was started before goes on with those who were not sent to, and sends them the same."
    )
    async def start_mailing(self, info: Info, input: MailingActionInput) -> MailingPayload:  # noqa: A002
        return await _moved(info, input.id, lambda transaction, key: moving.start(transaction, key, links_of))

    @strawberry.mutation(
        description="Pauses a mailing that is RUNNING: nothing more is sent than what is on its way already. So does a campaign "
        "that is paused, completed or cancelled, with all of its mailings."
    )
    async def pause_mailing(self, info: Info, input: MailingActionInput) -> MailingPayload:  # noqa: A002
        return await _moved(info, input.id, moving.pause)

    @strawberry.mutation(description="Lets a mailing that is PAUSED go on. Its campaign must be ACTIVE.")
    async def resume_mailing(self, info: Info, input: MailingActionInput) -> MailingPayload:  # noqa: A002
        return await _moved(info, input.id, moving.resume)


def _checked(
    given: Sequence[str],
    first: int,
    problems: dict[int, list[Problem]],
    check: Callable[[str, list[Problem]], T | None],
) -> dict[int, T]:
    """The items without problems by position, from ``first`` on, and the problems of the others."""
    values: dict[int, T] = {}
    for place, one in enumerate(given, first):
        found: list[Problem] = []
        value = check(one, found)
        if value is None:
            problems[place] = found
        else:
            values[place] = value
    return values


async def _moved(info: Info, global_id: str, move: Move) -> MailingPayload:
    async def work(transaction: Transaction) -> int:
        mailing_id = ids.required("Mailing", global_id, "id")
        await move(transaction, mailing_id)
        return mailing_id

    return await _changed(info, work)


async def _changed(info: Info, work: Callable[[Transaction], Awaitable[int]]) -> MailingPayload:
    outcome = await info.context.change(work)
    return MailingPayload(mailing_id=outcome.value, user_errors=user_errors(outcome.problems))
