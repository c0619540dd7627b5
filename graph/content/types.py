"""Content items and their posts."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.platforms import Platform
from db.queries.content import reading
from db.queries.interactions import reading as interactions
from graph.connections import After, Before, Connection, First, Last, connections
from graph.content.numbers import ContentPlatformRollup, ContentSummary, platforms_of, summaries_of
from graph.context import Info
from graph.execution import Attribute
from graph.ids import Node, global_id
from graph.interactions.kinds import Types, filter_of
from graph.levels import Roots, level_field
from graph.scalars import BigInt
from graph.selection import selection_of
from graph.windows import TimeWindow

if TYPE_CHECKING:
    from graph.interactions.types import Interaction


@strawberry.type(description="A tag of a content item.")
class ContentTag:
    """A view of a row of content_tags."""

    type: str = strawberry.field(description="What kind of tag it is, such as topic.")
    value: str = strawberry.field(description="What it says.")


@strawberry.input(description="A tag of a content item.")
class ContentTagInput:
    """A tag as an argument, and as upsertContent takes it."""

    type: str = strawberry.field(description="What kind of tag it is, such as topic: 1 to 100 characters.")
    value: str = strawberry.field(description="What it says: 1 to 100 characters.")


def _figures_at(root: strawberry.Parent[Any]) -> datetime:
    return root.figures_at


_figures_at.hint = Attribute("figures_at")  # type: ignore[attr-defined]


@strawberry.type(
    description="What a platform reported of a post. What it did not report is null, never 0. Never added to what followers "
    "did: that is ContentItem.summary."
)
class PostFigures:
    """A view of a row of content_posts."""

    views: BigInt | None = strawberry.field(description="How often it was viewed.")
    impressions: BigInt | None = strawberry.field(description="How often it was shown.")
    likes: BigInt | None = strawberry.field(description="Likes.")
    comments: BigInt | None = strawberry.field(description="Comments.")
    shares: BigInt | None = strawberry.field(description="Shares.")
    saves: BigInt | None = strawberry.field(description="Saves.")
    clicks: BigInt | None = strawberry.field(description="Clicks on its links.")
    updated_at: datetime = strawberry.field(resolver=_figures_at, description="Of which moment the figures are.")


@strawberry.type(description="A content item on a platform.")
class ContentPost(Node):
    """A view of a row of content_posts."""

    id: strawberry.ID = global_id("ContentPost")
    platform: Platform = strawberry.field(description="The platform it is on.")
    external_post_id: str = strawberry.field(
        description="The platform's own id of it, unique on the platform in the workspace."
    )
    url: str | None = strawberry.field(description="Where it is to be seen.")
    caption: str | None = strawberry.field(description="The text that it was posted with.")
    posted_at: datetime | None = strawberry.field(description="When it was posted, if it was said.")
    created_at: datetime = strawberry.field(description="When it became known here.")
    updated_at: datetime = strawberry.field(
        description="When it was last changed. What followers do does not change it."
    )

    content_id: strawberry.Private[int]

    @level_field(description="What it is a post of.")
    async def content(roots: Roots, info: Info) -> list["ContentItem"]:  # noqa: N805
        return await contents_of(info, [root.content_id for root in roots])

    @strawberry.field(description="Figures that the platform reported of it; null where it reported none.")
    def figures(root: strawberry.Parent[Any]) -> PostFigures | None:  # noqa: N805 - the row is both
        return None if root.figures_at is None else root

    @level_field(description="What followers did with it, newest first. All that is given must hold.")
    async def interactions(
        roots: Roots,  # noqa: N805
        info: Info,
        types: Types = None,
        window: TimeWindow | None = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Annotated["Interaction", strawberry.lazy("graph.interactions.types")]]]:
        which, request = filter_of(types, window), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            interactions.NEWEST,
            request,
            _ids(roots),
            lambda fields, request: (interactions.of_posts, (fields, which, request)),
            (interactions.count_of_posts, (which,)),
        )


@strawberry.type(description="One piece of content, wherever it was posted, and what followers did with it.")
class ContentItem(Node):
    """A view of a row of content_items."""

    id: strawberry.ID = global_id("ContentItem")
    title: str = strawberry.field(description="What people call it. Need not be unique.")
    slug: str = strawberry.field(description="The caller's own name for it, unique in the workspace.")
    description: str | None = strawberry.field(description="Free text.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(
        description="When it was last written. What followers do does not change it."
    )

    @level_field(description="Its tags, by type, then value.")
    async def tags(roots: Roots, info: Info) -> list[list[ContentTag]]:  # noqa: N805
        return await info.context.loaders.many_each(reading.tags_of, (), _ids(roots))

    @level_field(description="Its posts, in the order in which they became known.")
    async def posts(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[ContentPost]]:
        return await connections(
            info,
            reading.OLDEST,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (reading.posts_of, (fields, request)),
            (reading.count_posts_of, ()),
        )

    @level_field(description="What followers did with it, on all platforms together.")
    async def summary(roots: Roots, info: Info) -> list[ContentSummary]:  # noqa: N805
        return await summaries_of(info, _ids(roots))

    @level_field(
        description="What followers did with it by platform: an entry for each platform that it has posts on, by name."
    )
    async def platforms(roots: Roots, info: Info) -> list[list[ContentPlatformRollup]]:  # noqa: N805
        return await platforms_of(info, _ids(roots))


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


def contents_of(info: Info, content_ids: Sequence[int | None]) -> Any:
    """The content items of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), content_ids)


def posts_of(info: Info, post_ids: Sequence[int | None]) -> Any:
    """The posts of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.posts_by_ids, (selection_of(info).names,), post_ids)


def content_of(info: Info, content_id: int | None) -> Any:
    """The content item of an id, with what the current field selects of it; null where there is none."""
    if content_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), content_id)
