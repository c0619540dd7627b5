"""Engagements: reactions, shares, and comments in their threads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Optional

import strawberry

from db.keyset import PageRequest
from db.models.engagement_kinds import EngagementType
from db.queries.engagement import reading, threads
from graph.actors import Actor
from graph.brands import Brand, brands_of
from graph.campaigns.types import Campaign, campaigns_of
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.engagement.kinds import CommentOrder
from graph.ids import Node, global_id
from graph.impressions.types import Impression, impressions_of
from graph.levels import Roots, level_field
from graph.scalars import BigInt
from graph.selection import selection_of


@strawberry.interface(description="What somebody did about a campaign.")
class Engagement(Node):
    """A view of a row of engagements."""

    type: EngagementType = strawberry.field(description="What was done.")
    source: str | None = strawberry.field(description="Where it came from, e.g. direct or shared.")
    device_type: str | None = strawberry.field(description="As the sender calls it.")
    location: str | None = strawberry.field(description="As the sender calls it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    updated_at: datetime = strawberry.field(description="When it was last changed; replies do not change it.")

    @level_field(description="The campaign it is about.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @level_field(description="The campaign's brand when it was recorded, if any.")
    async def brand(roots: Roots, info: Info) -> list[Brand | None]:  # noqa: N805
        return await brands_of(info, [root.brand_id for root in roots])

    @level_field(description="The impression that led to it, if known.")
    async def impression(roots: Roots, info: Info) -> list[Impression | None]:  # noqa: N805
        return await impressions_of(info, [root.impression_id for root in roots])

    @strawberry.field(description="Who did it; null once a comment is deleted.")
    def actor(root: strawberry.Parent[Any]) -> Actor | None:  # noqa: N805 - the row is the actor's source too
        return None if root.user_id is None else root


@strawberry.type(description="A like, save or bookmark: an actor has at most one of each on a campaign.")
class Reaction(Engagement):
    """A row of a reaction type."""

    id: strawberry.ID = global_id("Reaction")


@strawberry.type(description="An actor may share as often as it likes.")
class Share(Engagement):
    """A row of the type SHARE."""

    id: strawberry.ID = global_id("Share")


@strawberry.type(
    description="A comment, or the tombstone of one: deleted, but shown without actor, body and all else that is "
    "personal while a comment below it stands."
)
class Comment(Engagement):
    """A row of the type COMMENT."""

    id: strawberry.ID = global_id("Comment")
    body: str | None = strawberry.field(description="The text, 1 to 10,000 characters; null once deleted.")
    edited_at: datetime | None = strawberry.field(description="When the text was last changed, if ever.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted, if it was.")
    depth: int = strawberry.field(description="0 for a top-level comment.")
    reply_count: BigInt = strawberry.field(description="Direct replies that are not deleted.")
    descendant_count: BigInt = strawberry.field(description="Comments below it at any depth that are not deleted.")

    @level_field(description="The comment it replies to; null for a top-level one.")
    async def parent(roots: Roots, info: Info) -> list[Optional["Comment"]]:  # noqa: N805
        return await _comments_of(info, [root.parent_id for root in roots])

    @level_field(description="The top-level comment of its thread: itself for one.")
    async def root(roots: Roots, info: Info) -> list["Comment"]:  # noqa: N805
        return await _comments_of(info, [root.root_id for root in roots])

    @level_field(description="The direct replies; tombstones of those that have comments below them, too.")
    async def replies(
        roots: Roots,  # noqa: N805
        info: Info,
        order_by: CommentOrder | None = CommentOrder.OLDEST,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection["Comment"]]:
        by, request = (order_by or CommentOrder.OLDEST).value, PageRequest.of(first, after, last, before)
        return await connections(
            info,
            threads.ORDERS[by],
            request,
            [root.id for root in roots],
            lambda fields, request: (threads.replies, (fields, by, request)),
            (threads.count_replies, ()),
        )


def _comments_of(info: Info, comment_ids: Sequence[int | None]) -> Any:
    return info.context.loaders.one_each(reading.comments, (selection_of(info).names,), comment_ids)


def comment_of(info: Info, comment_id: int | None) -> Any:
    """The comment of an id, with what the current field selects of it; null where there is none."""
    return _of(info, reading.comments, comment_id)


def reaction_of(info: Info, reaction_id: int | None) -> Any:
    """The reaction of an id; null where there is none, or it was taken back."""
    return _of(info, reading.reactions, reaction_id)


def share_of(info: Info, share_id: int | None) -> Any:
    """The share of an id; null where there is none."""
    return _of(info, reading.shares, share_id)


def _of(info: Info, fetch: Any, engagement_id: int | None) -> Any:
    if engagement_id is None:
        return None
    return info.context.loaders.one(fetch, (selection_of(info).names,), engagement_id)
