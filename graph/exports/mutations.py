"""Starting and cancelling exports."""

from collections.abc import Iterator

import strawberry

from db.engine import Transaction
from db.errors import Problem, Refused, not_found
from db.models.campaigns import Campaign
from db.models.exports import ExportDataset, ExportFormat
from db.models.rules import text_problems
from db.queries import references
from db.queries.exports import asking
from graph import ids
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.exports.types import ExportJob, job_of
from graph.windows import TimeWindow, window_problems

LONGEST = 200


@strawberry.input(description="An export to be made.")
class StartExportInput:
    """What startExport takes."""

    key: str | None = strawberry.field(
        default=None,
        description="Your own key: 1 to 200 characters, unique in the workspace. Asking again with it, and all else the "
        "same, answers the same job; with anything else: CONFLICT.",
    )
    campaign_id: strawberry.ID = strawberry.field(description="Whose facts.")
    dataset: ExportDataset = strawberry.field(description="Which facts.")
    format: ExportFormat = strawberry.field(description="How the files are written.")
    window: TimeWindow | None = strawberry.field(
        default=None, description="On the time the facts occurred; all time without it."
    )
    client_id: str | None = strawberry.field(
        default=None, description="For whom it is, as you call them: 1 to 200 characters. Nothing depends on it."
    )


@strawberry.input(description="The export to call off.")
class CancelExportInput:
    """What cancelExport takes."""

    id: strawberry.ID = strawberry.field(description="The export.")


@strawberry.type(description="What came of a change to an export.")
class ExportJobPayload:
    """The job, or what is wrong."""

    job_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The export as it is now; null when something was wrong.")
    def export_job(self, info: Info) -> ExportJob | None:
        return job_of(info, self.job_id)


@strawberry.type
class ExportMutation:
    """The changes of this domain."""

    @strawberry.mutation(
        description="Asks for an export. It is made in the background: watch it by the subscription exportJob."
    )
    async def start_export(self, info: Info, input: StartExportInput) -> ExportJobPayload:  # noqa: A002
        subject = info.context.viewer.subject
        outcome = await info.context.change(lambda transaction: _start(transaction, input, subject))
        return ExportJobPayload(job_id=outcome.value, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(
        description="Calls an export off; what it wrote is removed. CONFLICT once it has SUCCEEDED or FAILED; again is no "
        "change."
    )
    async def cancel_export(self, info: Info, input: CancelExportInput) -> ExportJobPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            job_id = ids.required("ExportJob", input.id, "id")
            await asking.cancel(transaction, job_id)
            return job_id

        outcome = await info.context.change(work)
        return ExportJobPayload(job_id=outcome.value, user_errors=user_errors(outcome.problems))


async def _start(transaction: Transaction, given: StartExportInput, subject: str) -> int:
    problems = list(_problems(given))
    campaign_id = ids.checked("Campaign", given.campaign_id, problems, "campaign_id")
    if campaign_id is not None and not await references.known(transaction, Campaign, {campaign_id}):
        problems.append(not_found("No such campaign.", "campaign_id"))
    if campaign_id is None or problems:
        raise Refused(problems)
    window = given.window or TimeWindow()
    wanted = asking.Wanted(
        campaign_id=campaign_id,
        dataset=given.dataset,
        format=given.format,
        window_from=window.from_,
        window_to=window.to,
        client_id=given.client_id,
        key=given.key,
    )
    return await asking.start(transaction, wanted, subject)


def _problems(given: StartExportInput) -> Iterator[Problem]:
    for name, value in (("key", given.key), ("client_id", given.client_id)):
        if value is not None:
            yield from text_problems(name, value, LONGEST)
    if given.window is not None:
        yield from window_problems(given.window, "window")
