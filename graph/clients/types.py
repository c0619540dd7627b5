"""API clients as admins see them."""

from datetime import datetime
from typing import Any

import strawberry

from db.keyset import PageRequest
from db.queries import clients
from graph.access import Scope
from graph.campaigns.types import Campaign
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.selection import selection_of


@strawberry.type(description="A partner's or a machine's key. It sees all campaigns, or only those granted to it.")
class ApiClient(Node):
    """A view of a row of api_clients."""

    id: strawberry.ID = global_id("ApiClient")
    name: str = strawberry.field(description="What people call it. Need not be unique.")
    restricted: bool = strawberry.field(
        description="False: sees everything in the workspace. True: only what is granted."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When it last asked for something, up to a minute behind; null if it never did."
    )
    revoked_at: datetime | None = strawberry.field(description="When it was revoked, if it was: it lets nobody in.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @strawberry.field(description="What it may do, in the order of the enum.")
    def scopes(root: strawberry.Parent[Any]) -> list[Scope]:  # noqa: N805 - a row, whose scopes are texts
        return [scope for scope in Scope if scope.value in root.scopes]

    @level_field(description="The campaigns that are granted to it, oldest first; none if it is not restricted.")
    async def campaigns(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Campaign]]:
        request = PageRequest.of(first, after, last, before)
        return await connections(
            info,
            clients.GRANTED,
            request,
            [root.id for root in roots],
            lambda fields, request: (clients.granted, (fields, request)),
            (clients.count_granted, ()),
        )


def client_of(info: Info, client_id: int | None) -> Any:
    """The client of an id, with what the current field selects of it; null where there is none."""
    if client_id is None:
        return None
    return info.context.loaders.one(clients.by_ids, (selection_of(info).names,), client_id)
