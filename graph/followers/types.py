"""Followers, their scores, and cohorts of them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.interaction_kinds import EngagementTier, tier_of
from db.models.platforms import Platform
from db.queries.followers import ranks
from db.queries.followers import reading as followers
from db.queries.interactions import reading
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.ids import Node, global_id
from graph.interactions.kinds import ContentId, Types, filter_of
from graph.levels import Roots, level_field
from graph.scalars import BigInt
from graph.selection import selection_of
from graph.windows import TimeWindow

if TYPE_CHECKING:
    from graph.interactions.types import Interaction

strawberry.enum(EngagementTier, name="EngagementTier", description="How engaged a follower is, by the score.")


def _value(root: strawberry.Parent[Any]) -> int:
    return root.score


def _tier(root: strawberry.Parent[Any]) -> EngagementTier:
    return tier_of(root.score)


@strawberry.type(
    description="Score = 5 comments + 1 like + 10 shares + 8 saves + 3 profile visits + 15 link clicks, of all time. "
    "Tiers begin at 500, 100 and 10. Its parts stand beside it: it is never another than they make."
)
class FollowerScore:
    """A view of a row of followers."""

    value: int = strawberry.field(resolver=_value, description="The score.")
    tier: EngagementTier = strawberry.field(resolver=_tier, description="The tier that the score is in.")
    comments: BigInt = strawberry.field(description="Comments; 5 each.")
    likes: BigInt = strawberry.field(description="Likes; 1 each.")
    shares: BigInt = strawberry.field(description="Shares; 10 each.")
    saves: BigInt = strawberry.field(description="Saves; 8 each.")
    profile_visits: BigInt = strawberry.field(description="Visits of the profile; 3 each.")
    link_clicks: BigInt = strawberry.field(description="Clicks on links; 15 each.")
    calculated_at: datetime = strawberry.field(
        description="When the score changed last, with an interaction or because a recount corrected it."
    )


@strawberry.type(
    description="A profile on a platform that did something. Its first interaction makes it; what it is called is what its "
    "latest one says."
)
class Follower(Node):
    """A view of a row of followers."""

    id: strawberry.ID = global_id("Follower")
    platform: Platform = strawberry.field(description="The platform it is on.")
    external_id: str = strawberry.field(
        description="The platform's own id of it, unique on the platform in the workspace."
    )
    username: str = strawberry.field(description="What it is called there.")
    display_name: str | None = strawberry.field(description="What it calls itself, if it was said.")
    profile_url: str | None = strawberry.field(description="Where it is to be seen, if it was said.")
    audience_size: BigInt | None = strawberry.field(description="Size of this follower's own audience.")
    first_seen_at: datetime = strawberry.field(description="When its earliest interaction happened.")
    last_seen_at: datetime = strawberry.field(description="When its latest interaction happened.")

    @strawberry.field(description="How engaged it is, and why.")
    def score(root: strawberry.Parent[Any]) -> FollowerScore:  # noqa: N805 - the row is both
        return root

    @level_field(
        description="Its place in the workspace by score: 1 + the followers with higher ones. Equal scores share a place."
    )
    async def rank(roots: Roots, info: Info) -> list[BigInt]:  # noqa: N805
        return await info.context.loaders.many_each(ranks.of_scores, (), [root.score for root in roots])

    @level_field(description="What it did, newest first. All that is given must hold.")
    async def interactions(
        roots: Roots,  # noqa: N805
        info: Info,
        types: Types = None,
        content_id: ContentId = None,
        window: TimeWindow | None = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Interaction", strawberry.lazy("graph.interactions.types")]]]:
        which, request = filter_of(types, window, content_id), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            reading.NEWEST,
            request,
            [root.id for root in roots],
            lambda fields, request: (reading.of_followers, (fields, which, request)),
            (reading.count_of_followers, (which,)),
        )


@strawberry.type(
    description="The followers of a platform who were first seen in one week, as they were at a moment. Weeks are those of the "
    "workspace's calendar."
)
class FollowerCohort:
    """A view of db.queries.followers.cohorts.Cohort."""

    week: date = strawberry.field(description="The Monday of the week in which they were first seen.")
    platform: Platform = strawberry.field(description="The platform they are on.")
    size: BigInt = strawberry.field(description="How many they are.")
    active30d: BigInt = strawberry.field(description="How many of them did something in the 30 days up to the moment.")
    super_fans: BigInt = strawberry.field(description="How many of them are super fans now, whatever the moment.")
    retention: list[float] = strawberry.field(
        description="Percent of them that did something in a week: first in their own, where it is 100, then in the next one, "
        "and so on to the week of the moment, which counts as a whole. Two decimals, half up."
    )


def followers_of(info: Info, follower_ids: Sequence[int | None]) -> Any:
    """The followers of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(followers.by_ids, (selection_of(info).names,), follower_ids)
