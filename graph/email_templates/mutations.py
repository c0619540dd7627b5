"""Making, changing and deleting templates."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Problem, Refused, invalid, refuse
from db.models.email_templates import CONTENT
from db.models.email_words import LONGEST_NAME
from db.models.rules import text_problems
from db.queries import email_templates
from graph import ids
from graph.context import Info
from graph.deleting import DeletePayload
from graph.email_templates.content import HTML, SUBJECT, TEXT, content_problems, without_blank_text
from graph.email_templates.types import EmailTemplate, template_of
from graph.errors import UserError, user_errors

_KEPT = "Left out, it stays as it is. Cannot be cleared."


@strawberry.input(description="A new template.")
class CreateEmailTemplateInput:
    """What createEmailTemplate takes."""

    name: str = strawberry.field(description=f"1 to {LONGEST_NAME} characters.")
    subject: str = strawberry.field(description=SUBJECT)
    html: str = strawberry.field(description=HTML)
    text: str | None = strawberry.field(default=None, description=TEXT)


@strawberry.input(description="Changes to a template. Mailings that have started keep what it said then.")
class UpdateEmailTemplateInput:
    """What updateEmailTemplate takes."""

    id: strawberry.ID = strawberry.field(description="Which template.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    subject: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    html: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    text: str | None = strawberry.field(
        default=strawberry.UNSET, description="Left out, it stays as it is; null or blank: made from the HTML."
    )


@strawberry.input(description="The template to delete.")
class DeleteEmailTemplateInput:
    """What deleteEmailTemplate takes."""

    id: strawberry.ID = strawberry.field(description="Which template.")


@strawberry.type(description="What came of a change to a template.")
class EmailTemplatePayload:
    """The template, or what is wrong."""

    template_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The template as it is now; null when something was wrong.")
    def email_template(self, info: Info) -> EmailTemplate | None:
        return template_of(info, self.template_id)


@strawberry.type
class EmailTemplateMutation:
    """The changes of this domain."""

    @strawberry.mutation(
        description="Makes a template. Its variables must be known: attributes that a lead has or had."
    )
    async def create_email_template(self, info: Info, input: CreateEmailTemplateInput) -> EmailTemplatePayload:  # noqa: A002
        subject = info.context.viewer.subject
        values = _values_of(input)

        async def work(transaction: Transaction) -> int:
            refuse([*_name_problems(values), *await content_problems(transaction, values)])
            return await email_templates.create(transaction, values, subject)

        return await _changed(info, work)

    @strawberry.mutation(description="Changes a template. It is checked as a whole, as it will be.")
    async def update_email_template(self, info: Info, input: UpdateEmailTemplateInput) -> EmailTemplatePayload:  # noqa: A002
        given = _values_of(input)
        cleared = [invalid("This cannot be cleared.", name) for name in _REQUIRED if given.get(name, "") is None]
        values = {name: value for name, value in given.items() if value is not None or name == "text"}

        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            template_id = ids.checked("EmailTemplate", input.id, problems, "id")
            problems += [*cleared, *_name_problems(values)]
            if template_id is None:
                raise Refused(problems)
            row = await email_templates.lock_for_change(transaction, template_id, "id")
            whole = {name: getattr(row, name) for name in CONTENT} | values
            refuse([*problems, *await content_problems(transaction, whole)])
            if values:
                await email_templates.change(transaction, template_id, values)
            return template_id

        return await _changed(info, work)

    @strawberry.mutation(
        description="Deletes a template. Mailings that began with it still have it. CONFLICT while one that is DRAFT or SCHEDULED "
        "is to be sent with it."
    )
    async def delete_email_template(self, info: Info, input: DeleteEmailTemplateInput) -> DeletePayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            template_id = ids.required("EmailTemplate", input.id, "id")
            await email_templates.delete(transaction, template_id, "id")
            return template_id

        outcome = await info.context.change(work)
        deleted_id = None if outcome.value is None else input.id
        return DeletePayload(deleted_id=deleted_id, user_errors=user_errors(outcome.problems))


_REQUIRED = ("name", "subject", "html")


def _values_of(input_: CreateEmailTemplateInput | UpdateEmailTemplateInput) -> dict[str, Any]:
    """The columns that an input gives."""
    given = {name: getattr(input_, name) for name in (*_REQUIRED, "text")}
    return without_blank_text({name: value for name, value in given.items() if value is not strawberry.UNSET})


def _name_problems(values: Mapping[str, Any]) -> list[Problem]:
    return list(text_problems("name", values["name"], LONGEST_NAME)) if "name" in values else []


async def _changed(info: Info, work: Callable[[Transaction], Awaitable[int]]) -> EmailTemplatePayload:
    outcome = await info.context.change(work)
    return EmailTemplatePayload(template_id=outcome.value, user_errors=user_errors(outcome.problems))
