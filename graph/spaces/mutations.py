"""Making, changing, deleting and restoring spaces, and making them from templates."""

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Problem, refuse
from db.models.rules import json_problems, text_problems
from db.models.space_items import LONGEST_NAME
from db.models.spaces import Space as SpaceRow
from db.queries.assets import figures as reporting
from db.queries.spaces import writing
from graph import ids
from graph.assets.kinds import ImportSource
from graph.assets.performance import UpdatePerformanceInput, figures_of
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.spaces.inputs import (
    CreateSpaceFromTemplateInput,
    CreateSpaceInput,
    DeleteInput,
    MarkSpaceAsTemplateInput,
    RestoreInput,
    UpdateSpaceInput,
    values_of,
)
from graph.spaces.types import Space, space_of

_ALL_THAT_IS_WRONG = "All that is wrong. Empty when all is well."


@strawberry.type(description="What came of a change to a space.")
class SpacePayload:
    """The space, or what is wrong."""

    space_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The space as it is now; null when something was wrong.")
    def space(self, info: Info) -> Space | None:
        return space_of(info, self.space_id)


@strawberry.type(description="What came of deleting a space.")
class DeleteSpacePayload:
    """The space that was deleted, or what is wrong."""

    deleted_id: strawberry.ID | None = strawberry.field(
        description="The id of what was deleted; null when something was wrong."
    )
    space_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The space with its deletedAt; null when it was removed for good.")
    def space(self, info: Info) -> Space | None:
        return space_of(info, self.space_id)


@strawberry.type
class SpaceMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a space.")
    async def create_space(self, info: Info, input: CreateSpaceInput) -> SpacePayload:  # noqa: A002
        subject = info.context.viewer.subject

        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            values, tags = values_of(input, problems)
            refuse(problems)
            values.setdefault("import_source", ImportSource.MANUAL_UPLOAD.value)
            return await writing.create(transaction, values, tags or [], subject)

        return await _changed(info, work)

    @strawberry.mutation(description="Changes a space.")
    async def update_space(self, info: Info, input: UpdateSpaceInput) -> SpacePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            space_id = ids.checked("Space", input.id, problems, "id")
            values, tags = values_of(input, problems)
            refuse(problems)
            await writing.update(transaction, space_id or 0, values, tags)
            return space_id or 0

        return await _changed(info, work)

    @strawberry.mutation(
        description="Deletes a space with its assets, so that both can be restored, or for good. One that holds an asset which "
        "was reused is a CONFLICT unless forced. Deleting it again changes nothing."
    )
    async def delete_space(self, info: Info, input: DeleteInput) -> DeleteSpacePayload:  # noqa: A002
        hard, force = bool(input.hard), bool(input.force)

        async def work(transaction: Transaction) -> int:
            space_id = ids.required("Space", input.id, "id")
            await writing.delete(transaction, space_id, hard=hard, force=force)
            return space_id

        outcome = await info.context.change(work)
        return DeleteSpacePayload(
            deleted_id=None if outcome.value is None else input.id,
            space_id=None if hard else outcome.value,
            user_errors=user_errors(outcome.problems),
        )

    @strawberry.mutation(description="Restores a space that was deleted, with the assets that were deleted with it.")
    async def restore_space(self, info: Info, input: RestoreInput) -> SpacePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            space_id = ids.required("Space", input.id, "id")
            await writing.restore(transaction, space_id)
            return space_id

        return await _changed(info, work)

    @strawberry.mutation(description="Marks a space as a template: others can be made from it.")
    async def mark_space_as_template(self, info: Info, input: MarkSpaceAsTemplateInput) -> SpacePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            space_id = ids.checked("Space", input.id, problems, "id")
            values: dict[str, Any] = {}
            if input.template_metadata is not strawberry.UNSET:
                values["template_metadata"] = input.template_metadata
            if values.get("template_metadata") is not None:
                problems.extend(json_problems("template_metadata", values["template_metadata"]))
            refuse(problems)
            await writing.mark_as_template(transaction, space_id or 0, values)
            return space_id or 0

        return await _changed(info, work)

    @strawberry.mutation(
        description="Makes a space from a template: what describes it, and its assets, whose files are shared. Figures and the "
        "platform's own ids are not taken over."
    )
    async def create_space_from_template(self, info: Info, input: CreateSpaceFromTemplateInput) -> SpacePayload:  # noqa: A002
        subject = info.context.viewer.subject

        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            template_id = ids.checked("Space", input.template_id, problems, "template_id")
            problems.extend(text_problems("name", input.name, LONGEST_NAME))
            refuse(problems)
            return await writing.create_from_template(
                transaction, template_id or 0, input.name, input.platform, subject
            )

        return await _changed(info, work)

    @strawberry.mutation(description="Writes down what a platform reports of a space as a whole.")
    async def update_space_performance(self, info: Info, input: UpdatePerformanceInput) -> SpacePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            space_id = ids.checked("Space", input.id, problems, "id")
            figures = figures_of(input, problems)
            refuse(problems)
            await reporting.report(transaction, SpaceRow, space_id or 0, figures)
            return space_id or 0

        return await _changed(info, work)


async def _changed(info: Info, work: Callable[[Transaction], Awaitable[int]]) -> SpacePayload:
    outcome = await info.context.change(work)
    return SpacePayload(space_id=outcome.value, user_errors=user_errors(outcome.problems))
