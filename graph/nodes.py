"""Anything by its global id."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from db.queries import brands, campaigns, channels, clients, email_templates, workspaces
from db.queries.assets import reading as assets
from db.queries.content import reading as content
from db.queries.email_events import reading as email_events
from db.queries.engagement import reading as engagements
from db.queries.events import dead_letters
from db.queries.events import reading as events
from db.queries.exports import reading as exports
from db.queries.followers import reading as followers
from db.queries.impressions import reading
from db.queries.interactions import reading as interactions
from db.queries.leads import reading as leads
from db.queries.mailings import links, recipients
from db.queries.mailings import reading as mailings
from db.queries.spaces import reading as spaces
from graph import ids
from graph.access import Scope
from graph.context import Info
from graph.errors import bad_input
from graph.ids import Node
from graph.loaders import Fetch
from graph.selection import selection_of

MOST = 100

FETCHES: dict[str, Fetch] = {
    "ApiClient": clients.by_ids,
    "Asset": assets.by_ids,
    "Audience": channels.audiences_by_ids,
    "Brand": brands.by_ids,
    "Campaign": campaigns.by_ids,
    "CampaignChannel": channels.campaign_channels_by_ids,
    "Channel": channels.by_ids,
    "Comment": engagements.comments,
    "ContentItem": content.by_ids,
    "ContentPost": content.posts_by_ids,
    "DeadLetter": dead_letters.by_ids,
    "EmailEvent": email_events.by_ids,
    "EmailTemplate": email_templates.live_by_ids,
    "Event": events.by_ids,
    "ExportJob": exports.by_ids,
    "Follower": followers.by_ids,
    "Impression": reading.by_ids,
    "Interaction": interactions.by_ids,
    "Lead": leads.by_ids,
    "Mailing": mailings.by_ids,
    "Reaction": engagements.reactions,
    "Recipient": recipients.by_ids,
    "Share": engagements.shares,
    "Space": spaces.by_ids,
    "TrackedLink": links.by_ids,
    "Workspace": workspaces.by_ids,
}
"""How each type is found by key. A type that is missing here cannot be found by ``node``."""


@strawberry.type
class NodeQuery:
    """The root fields that Relay asks for."""

    @strawberry.field(description="Anything by its global id; null where there is nothing.")
    def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        return _found(info, id)

    @strawberry.field(
        description="Several things by their global ids, in the order of the ids; null where there is nothing."
    )
    def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100.")],
    ) -> list[Node | None]:
        if len(ids) > MOST:
            raise bad_input(f"At most {MOST} ids; there are {len(ids)}.")
        return _each(info, ids)


def _each(info: Info, global_ids: Sequence[str]) -> Any:
    # All ids before the first look-up: one that is none would leave those behind that were begun.
    return [_looked_up(info, *found) for found in [_parts(global_id) for global_id in global_ids]]


def _found(info: Info, global_id: str) -> Any:
    return _looked_up(info, *_parts(global_id))


def _parts(global_id: str) -> tuple[str, int]:
    try:
        type_name, key = ids.parts(global_id)
    except ids.BadId as error:
        raise bad_input(str(error)) from None
    if type_name not in FETCHES:
        raise bad_input(f"Nothing of the type {type_name} can be found by its id.")
    return type_name, key


def _looked_up(info: Info, type_name: str, key: int) -> Any:
    if type_name == "ApiClient" and Scope.ADMIN not in info.context.viewer.scopes:
        return None  # hidden looks like missing
    fields = selection_of(info).names | {"typename"}
    return info.context.loaders.one(FETCHES[type_name], (fields,), key)
