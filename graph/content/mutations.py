"""Making and changing content items with their tags and posts."""

from datetime import UTC, datetime
from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Refused
from db.models.content_items import NO_FIGURES, NewContent, NewPost
from db.models.platforms import Platform
from db.queries.content import writing
from graph.content.types import ContentItem, ContentTagInput, content_of
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.scalars import BigInt

_FIGURE = "From 0 to 2^53-1."


@strawberry.input(description="Figures that a platform reported of a post, as they are now. Null clears one.")
class PostFiguresInput:
    """What stands at figures of a post."""

    views: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    impressions: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    likes: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    comments: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    shares: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    saves: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)
    clicks: BigInt | None = strawberry.field(default=strawberry.UNSET, description=_FIGURE)


@strawberry.input(
    description="A post, known by platform and externalPostId. A field left out stays as it is; null clears it."
)
class ContentPostInput:
    """One of the posts of upsertContent."""

    platform: Platform = strawberry.field(description="The platform it is on.")
    external_post_id: str = strawberry.field(
        description="The platform's own id of it: 1 to 200 characters. That of a post of another item is a CONFLICT."
    )
    url: str | None = strawberry.field(default=strawberry.UNSET, description="At most 2000 characters.")
    caption: str | None = strawberry.field(default=strawberry.UNSET, description="At most 10,000 characters.")
    posted_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it was posted: from the year 2000 to a year ahead."
    )
    figures: PostFiguresInput | None = strawberry.field(
        default=strawberry.UNSET, description="Those left out stay as they are; null clears all of them."
    )


@strawberry.input(
    description="A content item, known by its slug: it is made, or changed if it is there. A field left out stays as it is."
)
class UpsertContentInput:
    """What upsertContent takes."""

    title: str = strawberry.field(description="1 to 300 characters.")
    slug: str = strawberry.field(description="Your own name for it, 1 to 200 characters, unique in the workspace.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 2000 characters; null clears it."
    )
    tags: list[ContentTagInput] | None = strawberry.field(
        default=strawberry.UNSET,
        description="All of its tags, at most 100, instead of those that it has. One that stands here twice is there once.",
    )
    posts: list[ContentPostInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Posts to make or to change, at most 100. The others stay as they are."
    )


@strawberry.type(description="What came of a change to a content item.")
class ContentItemPayload:
    """The content item, or what is wrong."""

    content_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The content item as it is now; null when something was wrong.")
    def content_item(self, info: Info) -> ContentItem | None:
        return content_of(info, self.content_id)


@strawberry.type
class ContentMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a content item with its tags and posts, or changes the one of this slug.")
    async def upsert_content(self, info: Info, input: UpsertContentInput) -> ContentItemPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            now = datetime.now(UTC)
            content = _content_of(input, now)
            problems = list(content.problems(now))
            if problems:
                raise Refused([*problems, *await writing.strangers(transaction, content)])
            return await writing.write(transaction, content)

        outcome = await info.context.change(work)
        return ContentItemPayload(content_id=outcome.value, user_errors=user_errors(outcome.problems))


def _content_of(given: UpsertContentInput, now: datetime) -> NewContent:
    tags = None if given.tags is strawberry.UNSET else [(tag.type, tag.value) for tag in given.tags or ()]
    posts = [_post_of(post, now) for post in given.posts or ()]
    return NewContent(given.slug, given.title, _given(description=given.description), tags, posts)


def _post_of(given: ContentPostInput, now: datetime) -> NewPost:
    values = _given(url=given.url, caption=given.caption, posted_at=given.posted_at)
    if given.figures is None:
        return NewPost(given.platform, given.external_post_id, {**values, **NO_FIGURES})
    figures = {} if given.figures is strawberry.UNSET else _given(**vars(given.figures))
    return NewPost(given.platform, given.external_post_id, values, figures, now if figures else None)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not strawberry.UNSET}
