"""The root fields that find templates."""

from typing import Annotated

import strawberry

from db.keyset import PageRequest
from db.queries import email_templates
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.email_templates.types import EmailTemplate, template_of
from graph.searches import LONGEST_SEARCH, search_of

Search = Annotated[
    str | None,
    strawberry.argument(
        description="Each of these words stands somewhere in name or subject, whatever the case of its letters. At most "
        f"{LONGEST_SEARCH} characters."
    ),
]


@strawberry.type
class EmailTemplateQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The template of an id; null where there is none, or it was deleted.")
    def email_template(self, info: Info, id: strawberry.ID) -> EmailTemplate | None:  # noqa: A002
        return template_of(info, ids.argument("EmailTemplate", id))

    @strawberry.field(description="The workspace's templates that are not deleted, newest first.")
    async def email_templates(
        self,
        info: Info,
        search: Search = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[EmailTemplate]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        words = (search_of(search, "search") or "").split()
        return await connection(
            info,
            email_templates.NEWEST,
            request,
            lambda fields, request: email_templates.listed(reads, fields, words, request),
            lambda: email_templates.count(reads, words),
        )
