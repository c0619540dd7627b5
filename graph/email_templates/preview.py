"""What a mail looks like to somebody, before it is sent."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.engine import Reads
from db.errors import Problem, camel, not_found
from db.models.lead_items import attribute_problems, email_of, name_problems, values_of, variables_in
from db.queries import email_templates
from db.queries.leads import reading
from graph import errors, ids
from graph.context import Info
from graph.email_templates.content import HTML, SUBJECT, TEXT, content_problems, without_blank_text
from graph.errors import UserError, bad_input, user_errors
from jobs.mailings.messages import LARGEST_MESSAGE
from jobs.mailings.templates import Template

_LEAD = "To whom: without it, to nobody in particular."
_ATTRIBUTES = "Attributes, instead of the lead's of these names: a JSON object."
_NAME = "A name, instead of the lead's."
_EMAIL = "An address, instead of the lead's."
_FIELDS = frozenset({"key", "email", "name", "attributes"})


@dataclass(frozen=True)
class _Lead:
    """Somebody who may get a mail."""

    key: str | None = None
    email: str | None = None
    name: str | None = None
    attributes: Mapping[str, Any] | None = None

    def values(self, instead: "_Lead") -> dict[str, Any]:
        """The values of variables, with what is given instead of what is known."""
        attributes = {**(self.attributes or {}), **(instead.attributes or {})}
        return values_of(self.key, instead.email or self.email, instead.name or self.name, attributes)


@strawberry.type(
    description="A mail as it looks. Its links lead where the template says and are not tracked; unsubscribing leads nowhere."
)
class EmailPreview:
    """A view of jobs.mailings.templates.Rendered."""

    subject: str = strawberry.field(description="The subject: one line.")
    html: str = strawberry.field(description="The HTML, with values escaped. A variable without a value is empty.")
    text: str = strawberry.field(description="The plain text: the template's, or made from the HTML.")


@strawberry.input(description="A mail that is not kept yet, and to whom it would go.")
class PreviewEmailInput:
    """What previewEmail takes."""

    subject: str = strawberry.field(description=SUBJECT)
    html: str = strawberry.field(description=HTML)
    text: str | None = strawberry.field(default=None, description=TEXT)
    lead_id: strawberry.ID | None = strawberry.field(default=None, description=_LEAD)
    attributes: JSON | None = strawberry.field(
        default=None, description=f"{_ATTRIBUTES} They are known here, whether or not a lead has them."
    )
    name: str | None = strawberry.field(default=None, description=_NAME)
    email: str | None = strawberry.field(default=None, description=_EMAIL)


@strawberry.type(description="What came of previewEmail.")
class PreviewEmailPayload:
    """The preview, or what is wrong."""

    preview: EmailPreview | None = strawberry.field(description="The mail; null when something was wrong.")
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")


@strawberry.type
class EmailPreviewQuery:
    """The root fields that show mails."""

    @strawberry.field(
        description="A template as a lead would see it; null where there is no such template, or it was deleted. NOT_FOUND where "
        "there is no such lead."
    )
    async def email_template_preview(
        self,
        info: Info,
        template_id: Annotated[strawberry.ID, strawberry.argument(description="The template.")],
        lead_id: Annotated[strawberry.ID | None, strawberry.argument(description=_LEAD)] = None,
        attributes: Annotated[JSON | None, strawberry.argument(description=_ATTRIBUTES)] = None,
        name: Annotated[str | None, strawberry.argument(description=_NAME)] = None,
        email: Annotated[str | None, strawberry.argument(description=_EMAIL)] = None,
    ) -> EmailPreview | None:
        reads, key = info.context.reads, ids.argument("EmailTemplate", template_id, "templateId")
        lead = None if lead_id is None else ids.argument("Lead", lead_id, "leadId")
        problems: list[Problem] = []
        given = _given(attributes, name, email, problems)
        if problems:
            raise bad_input(f"{camel(problems[0].field[0])}: {problems[0].message}")
        known = await _lead(reads, lead)
        if known is None:
            raise errors.not_found("leadId: No such lead.")
        rows = await email_templates.live_by_ids(reads, frozenset({"subject", "html", "text"}), [key])
        if not rows:
            return None
        [row] = rows
        return await _rendered(row.subject, row.html, row.text, known.values(given))

    @strawberry.field(description="A mail that is not kept yet, as a lead would see it; with what is wrong with it.")
    async def preview_email(self, info: Info, input: PreviewEmailInput) -> PreviewEmailPayload:  # noqa: A002
        reads, problems = info.context.reads, list[Problem]()
        lead = ids.checked("Lead", input.lead_id, problems, "lead_id")
        given = _given(input.attributes, input.name, input.email, problems)
        known = await _lead(reads, lead)
        if known is None:
            problems.append(not_found("No such lead.", "lead_id"))
        content = without_blank_text({"subject": input.subject, "html": input.html, "text": input.text})
        problems += await content_problems(reads, content, set(variables_in(given.attributes)))
        if problems or known is None:
            return PreviewEmailPayload(preview=None, user_errors=user_errors(problems))
        return PreviewEmailPayload(preview=await _rendered(**content, values=known.values(given)), user_errors=[])


async def _rendered(subject: str, html: str, text: str | None, values: Mapping[str, Any]) -> EmailPreview:
    # Beside the event loop: half a megabyte of HTML takes a while.
    found = await asyncio.to_thread(lambda: Template.of(subject, html, text).render(values))
    if len(found.html) + len(found.text) > LARGEST_MESSAGE:
        raise bad_input("With these values the message is too large.")
    return EmailPreview(subject=found.subject, html=found.html, text=found.text)


async def _lead(reads: Reads, lead_id: int | None) -> _Lead | None:
    """What is known of a lead; nothing without one, and None where there is no such lead."""
    if lead_id is None:
        return _Lead()
    rows = await reading.by_ids(reads, _FIELDS, [lead_id])
    return _Lead(rows[0].key, rows[0].email, rows[0].name, rows[0].attributes) if rows else None


def _given(attributes: Any, name: str | None, email: str | None, problems: list[Problem]) -> _Lead:
    """What is given instead of a lead's; what is wrong with it is added to ``problems``."""
    if attributes is not None:
        problems.extend(attribute_problems("attributes", attributes))
    if name is not None:
        problems.extend(name_problems("name", name))
    written = None if email is None else email_of(email, problems, "email")
    return _Lead(None, written, name, attributes if isinstance(attributes, dict) else None)
