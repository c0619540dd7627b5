"""Leads and what keeps them from being mailed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.models.email_words import SuppressionReason
from db.queries.leads import reading
from graph.assets.kinds import document
from graph.context import Info
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.selection import selection_of

strawberry.enum(SuppressionReason, name="SuppressionReason", description="Why nothing is sent to an address any more.")


@strawberry.type(description="That nothing is sent to an address any more, and why: the first reason stays.")
class Suppression:
    """A view of a row of suppressions."""

    reason: SuppressionReason = strawberry.field(description="Why.")
    since: datetime = strawberry.field(description="When that happened.")


@strawberry.type(description="A person who can be mailed.")
class Lead(Node):
    """A view of a row of leads."""

    id: strawberry.ID = global_id("Lead")
    key: str | None = strawberry.field(description="The caller's own key, unique in the workspace.")
    email: str = strawberry.field(
        description="The address, unique in the workspace whatever the case of its letters. Its domain is in lower case and in ASCII."
    )
    name: str | None = strawberry.field(description="What the person is called, if it was said.")
    attributes: JSON | None = strawberry.field(
        resolver=document("attributes"),
        description="What else is known of the person: a JSON object, whose names are variables of templates.",
    )
    unsubscribed_at: datetime | None = strawberry.field(
        description="When the person unsubscribed first; null where nobody did, or it was lifted."
    )
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")

    @level_field(description="That nothing is sent to the address any more, and why; null where it is mailed.")
    async def suppression(roots: Roots, info: Info) -> list[Suppression | None]:  # noqa: N805
        addresses = [root.address for root in roots]
        return await info.context.loaders.one_each(reading.suppressions_of, (), addresses, "address")


def leads_of(info: Info, lead_ids: Sequence[int | None]) -> Any:
    """The leads of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), lead_ids)


def lead_of(info: Info, lead_id: int | None) -> Any:
    """The lead of an id, with what the current field selects of it; null where there is none."""
    if lead_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), lead_id)
