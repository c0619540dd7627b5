"""What followers did with content, in total and by platform. Each number is read only if it is selected."""

from collections.abc import Sequence
from typing import Any

import strawberry

from db.models.platforms import Platform
from db.queries.content import numbers
from graph.context import Info
from graph.rates import Numbers
from graph.scalars import BigInt
from graph.selection import selection_of


@strawberry.type(
    description="What followers did with a content item on all platforms together. What the platforms report of its posts is "
    "beside it, and never added: see ContentPost.figures."
)
class ContentSummary:
    """A view of a row of db.queries.content.numbers."""

    platforms: list[Platform] = strawberry.field(description="The platforms that it has posts on, by name.")
    total_comments: BigInt = strawberry.field(description="Interactions of the type COMMENT.")
    total_likes: BigInt = strawberry.field(description="Interactions of the type LIKE.")
    total_shares: BigInt = strawberry.field(description="Interactions of the type SHARE.")
    total_saves: BigInt = strawberry.field(description="Interactions of the type SAVE.")
    total_profile_visits: BigInt = strawberry.field(description="Interactions of the type PROFILE_VISIT.")
    total_link_clicks: BigInt = strawberry.field(description="Interactions of the type LINK_CLICK.")
    total_interactions: BigInt = strawberry.field(description="Interactions of all types.")
    unique_followers: BigInt = strawberry.field(
        description="Distinct followers who did anything. A follower is on one platform: it is the sum over the platforms."
    )
    best_platform: Platform | None = strawberry.field(
        description="Where the interactions are worth most, weighted as a follower's score weights them; of equal ones where "
        "there are more comments, then where the first post is earlier, then by name. Null without interactions."
    )

    @strawberry.field(description="On how many platforms it has posts.")
    def platform_count(root: strawberry.Parent[Any]) -> int:  # noqa: N805 - a row
        return len(root.platforms)


@strawberry.type(description="What followers did with a content item on one platform.")
class ContentPlatformRollup:
    """A view of a row of db.queries.content.numbers."""

    platform: Platform = strawberry.field(description="The platform.")
    posts: BigInt = strawberry.field(description="How many posts of the item are there.")
    comments: BigInt = strawberry.field(description="Interactions of the type COMMENT.")
    likes: BigInt = strawberry.field(description="Interactions of the type LIKE.")
    shares: BigInt = strawberry.field(description="Interactions of the type SHARE.")
    saves: BigInt = strawberry.field(description="Interactions of the type SAVE.")
    profile_visits: BigInt = strawberry.field(description="Interactions of the type PROFILE_VISIT.")
    link_clicks: BigInt = strawberry.field(description="Interactions of the type LINK_CLICK.")
    unique_followers: BigInt = strawberry.field(description="Distinct followers who did anything.")


_SUMMARY = Numbers(ContentSummary, {"platform_count": ("platforms",)})
_ROLLUP = Numbers(ContentPlatformRollup, {})


def summaries_of(info: Info, content_ids: Sequence[int]) -> Any:
    """For each content item its totals, as the current field selects them."""
    return info.context.loaders.one_each(numbers.summaries_of, (_SUMMARY.of(selection_of(info)),), content_ids)


def platforms_of(info: Info, content_ids: Sequence[int]) -> Any:
    """For each content item its numbers by platform, as the current field selects them."""
    return info.context.loaders.many_each(numbers.platforms_of, (_ROLLUP.of(selection_of(info)),), content_ids)
