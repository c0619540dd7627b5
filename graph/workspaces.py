"""The viewer and the workspace."""

from typing import Any

import strawberry

from db.keyset import PageRequest
from db.queries import brands, clients, workspaces
from graph.access import Actor as CredentialActor
from graph.access import Scope, Viewer
from graph.actors import Actor
from graph.brands import Brand
from graph.clients.types import ApiClient
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.errors import forbidden
from graph.ids import Node, global_id
from graph.selection import selection_of


@strawberry.type(description="The only tenant. Everything else belongs to exactly one workspace.")
class Workspace(Node):
    """A view of a row of workspaces."""

    id: strawberry.ID = global_id("Workspace")
    name: str = strawberry.field(description="What people call it.")
    time_zone: str = strawberry.field(description="IANA name. Dates, and days, weeks and months of series, are in it.")
    currency: str = strawberry.field(description="ISO 4217. New campaigns have it unless they say otherwise.")

    @strawberry.field(description="The workspace's brands, by name.")
    async def brands(
        self, info: Info, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Brand]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        return await connection(
            info,
            brands.BY_NAME,
            request,
            lambda fields, request: brands.listed(reads, fields, request),
            lambda: brands.count(reads),
        )

    @strawberry.field(description="The keys of partners and machines, newest first; needs the scope admin.")
    async def api_clients(
        self, info: Info, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ApiClient]:
        if Scope.ADMIN not in info.context.viewer.scopes:
            raise forbidden("Workspace.apiClients needs a token with the scope admin.")
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        return await connection(
            info,
            clients.NEWEST,
            request,
            lambda fields, request: clients.listed(reads, fields, request),
            lambda: clients.count(reads),
        )


@strawberry.type(name="Viewer", description="Who is asking: a member of staff or an API client.")
class ViewerType:
    """A view of the credential."""

    viewer: strawberry.Private[Viewer]

    @strawberry.field(description="Whom the credential names.")
    def subject(self) -> str:
        return self.viewer.subject

    @strawberry.field(description="What the credential may do, in the order of the enum.")
    def scopes(self) -> list[Scope]:
        return [scope for scope in Scope if scope.value in self.viewer.scopes]

    @strawberry.field(description="The workspace that the credential belongs to.")
    def workspace(self, info: Info) -> Workspace:
        return _workspace(info, self.viewer.workspace_id)

    @strawberry.field(description="The end user as whom an ENGAGE credential acts; null for others.")
    def actor(self) -> Actor | None:
        return None if self.viewer.actor is None else _actor(self.viewer.actor)


def _workspace(info: Info, workspace_id: int) -> Any:
    return info.context.loaders.one(workspaces.by_ids, (selection_of(info).names,), workspace_id)


def _actor(actor: CredentialActor) -> Actor:
    return Actor(user_id=actor.user_id, profile_id=actor.profile_id, profile_type=actor.profile_type)


@strawberry.type
class WorkspaceQuery:
    """The root fields of this domain."""

    @strawberry.field(description="Who is asking.")
    def viewer(self, info: Info) -> ViewerType:
        return ViewerType(viewer=info.context.viewer)
