"""Engagements as they happen."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from db.models.engagement_kinds import EngagementType
from db.models.live import Topic
from db.queries import campaigns
from db.queries.engagement import reading
from graph import ids
from graph.campaigns.types import Campaign, campaign_of
from graph.context import Info
from graph.engagement.kinds import TYPE_NAMES
from graph.engagement.types import Engagement
from graph.errors import bad_input, not_found
from graph.ids import encode
from graph.selection import selection_of

MOST_CAMPAIGNS = 100


@strawberry.enum(description="What happened to an engagement.")
class EngagementEventKind(StrEnum):
    """As the log has them."""

    ADDED = "ADDED"
    EDITED = "EDITED"
    REMOVED = "REMOVED"


@strawberry.type(description="One change of an engagement, at its place in an order that is the same for everybody.")
class EngagementEvent:
    """A view of an entry of the live log."""

    kind: EngagementEventKind = strawberry.field(description="What happened.")
    occurred_at: datetime = strawberry.field(description="When it was changed, by the clock of the database.")

    @strawberry.field(description="Resumes the stream after this event: pass it as after.")
    def cursor(root: strawberry.Parent[Any], info: Info) -> str:  # noqa: N805 - an entry, which is the event's source
        return info.context.live.hub.cursor(root.position)

    @strawberry.field(description="What was done: the engagement's type.")
    def type(root: strawberry.Parent[Any]) -> EngagementType:  # noqa: N805
        return EngagementType(root.subject_type)

    @strawberry.field(description="The engagement's id, also once it is gone.")
    def engagement_id(root: strawberry.Parent[Any]) -> strawberry.ID:  # noqa: N805
        return strawberry.ID(encode(TYPE_NAMES[EngagementType(root.subject_type)], root.subject_id))

    @strawberry.field(description="The campaign it is about.")
    def campaign(root: strawberry.Parent[Any], info: Info) -> Campaign:  # noqa: N805
        return campaign_of(info, root.key)

    @strawberry.field(
        description="The engagement as it is now, which may be later than the event; null once it is gone. A deleted "
        "comment is a tombstone while comments below it stand."
    )
    def engagement(root: strawberry.Parent[Any], info: Info) -> Engagement | None:  # noqa: N805
        fields = selection_of(info).names | {"typename"}
        return info.context.loaders.one(reading.by_ids, (reading.ALL, fields), root.subject_id)


Ids = Annotated[list[strawberry.ID], strawberry.argument(description="The campaigns: 1 to 100.")]
OnlyTypes = Annotated[
    list[EngagementType] | None, strawberry.argument(description="Only of these types; of all without it.")
]
Resume = Annotated[
    str | None,
    strawberry.argument(
        description="An event's cursor, or liveCursor. CURSOR_EXPIRED if what follows it is no longer all kept."
    ),
]


@strawberry.type
class EngagementSubscription:
    """The streams of this domain."""

    @strawberry.subscription(
        description="Engagements on the given campaigns, in one order that is the same for everybody: first those after "
        "the cursor, then live ones; none lost, none twice. Without a cursor: from now on."
    )
    async def engagements(
        self, info: Info, campaign_ids: Ids, types: OnlyTypes = None, after: Resume = None
    ) -> AsyncGenerator[EngagementEvent, None]:
        keys = await visible(info, campaign_ids)
        wanted = None if types is None else frozenset(kind.value for kind in types)
        return await info.context.events(Topic.ENGAGEMENTS, keys, wanted, after)  # type: ignore[return-value]


async def visible(info: Info, campaign_ids: Sequence[str]) -> tuple[int, ...]:
    """The keys of campaigns that the viewer sees. Raises BAD_USER_INPUT and NOT_FOUND."""
    if not 1 <= len(campaign_ids) <= MOST_CAMPAIGNS:
        raise bad_input(f"campaignIds: 1 to {MOST_CAMPAIGNS} campaigns; there are {len(campaign_ids)}.")
    keys = [ids.argument("Campaign", one, f"campaignIds[{index}]") for index, one in enumerate(campaign_ids)]
    found = {row.id for row in await campaigns.by_ids(info.context.reads, frozenset({"id"}), sorted(set(keys)))}
    missing = [f"campaignIds[{index}]" for index, key in enumerate(keys) if key not in found]
    if missing:
        raise not_found(f"{', '.join(missing)}: there is no such campaign.")
    return tuple(sorted(set(keys)))
