"""The interaction."""

from datetime import datetime

import strawberry

from db.models.interaction_kinds import InteractionType
from graph.content.types import ContentItem, ContentPost, contents_of, posts_of
from graph.context import Info
from graph.followers.types import Follower, followers_of
from graph.ids import Node, global_id
from graph.levels import Roots, level_field


@strawberry.type(description="One thing that a follower did. Never changed once it is recorded.")
class Interaction(Node):
    """A view of a row of interactions."""

    id: strawberry.ID = global_id("Interaction")
    key: str = strawberry.field(description="The sender's own key, unique in the workspace.")
    type: InteractionType = strawberry.field(description="What was done.")
    value: str | None = strawberry.field(
        description="What was said or clicked: the text of a comment, the address of a link. Null where nothing was given."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    follower_id: strawberry.Private[int]
    post_id: strawberry.Private[int | None]
    content_id: strawberry.Private[int | None]

    @level_field(description="Who did it. What it happened on is this one's platform.")
    async def follower(roots: Roots, info: Info) -> list[Follower]:  # noqa: N805
        return await followers_of(info, [root.follower_id for root in roots])

    @level_field(description="The content it is about: its post's. Null where it names no post.")
    async def content(roots: Roots, info: Info) -> list[ContentItem | None]:  # noqa: N805
        return await contents_of(info, [root.content_id for root in roots])

    @level_field(description="The post it is about; null where it is about none, such as a visit of a profile.")
    async def post(roots: Roots, info: Info) -> list[ContentPost | None]:  # noqa: N805
        return await posts_of(info, [root.post_id for root in roots])
