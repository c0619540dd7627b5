"""Templates of e-mails."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry

from db.queries import email_templates
from graph.context import Info
from graph.ids import Node, global_id
from graph.selection import selection_of


@strawberry.type(
    description="An e-mail with variables: {{ name }}, {{ email }}, {{ key }}, {{ unsubscribe_url }}, and the attributes of leads."
)
class EmailTemplate(Node):
    """A view of a row of email_templates."""

    id: strawberry.ID = global_id("EmailTemplate")
    name: str = strawberry.field(description="What people call it.")
    subject: str = strawberry.field(description="The subject: one line.")
    html: str = strawberry.field(description="The HTML. Values that are put into it are escaped.")
    text: str | None = strawberry.field(description="The plain text; null where it is made from the HTML.")
    created_by: str = strawberry.field(description="Subject of the viewer who created it.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")


def templates_of(info: Info, template_ids: Sequence[int | None]) -> Any:
    """The templates, deleted ones too, of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(email_templates.by_ids, (selection_of(info).names,), template_ids)


def template_of(info: Info, template_id: int | None) -> Any:
    """The template of an id that is not deleted, with what the current field selects of it; null where there is none."""
    if template_id is None:
        return None
    return info.context.loaders.one(email_templates.live_by_ids, (selection_of(info).names,), template_id)
