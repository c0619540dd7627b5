"""The root fields that find content."""

from enum import StrEnum
from typing import Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.platforms import Platform
from db.queries.content import reading
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.content.types import ContentItem, ContentTagInput, content_of
from graph.context import Info
from graph.searches import search_of
from graph.selection import selection_of


@strawberry.enum(description="The order of a list of content items.")
class ContentOrder(StrEnum):
    """Ties are broken by age."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    MOST_COMMENTS = "MOST_COMMENTS"
    MOST_INTERACTIONS = "MOST_INTERACTIONS"


@strawberry.input(description="Which content items. All that is given must hold.")
class ContentFilter:
    """A filter as an argument. Null is the same as left out."""

    search: str | None = strawberry.field(
        default=None,
        description="Each of these words in title, slug or description; case does not matter. At most 200 characters.",
    )
    tag: ContentTagInput | None = strawberry.field(default=None, description="Has exactly this tag.")
    platform: Platform | None = strawberry.field(default=None, description="Has a post on this platform.")
    has_comments: bool | None = strawberry.field(
        default=None, description="Whether followers commented on it: at least once, or never."
    )


def filter_of(given: ContentFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    return reading.Filter(
        search=search_of(given.search),
        tag=None if given.tag is None else (given.tag.type, given.tag.value),
        platform=given.platform,
        has_comments=given.has_comments,
    )


@strawberry.type
class ContentQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The content item of an id; null where there is none.")
    def content_item(self, info: Info, id: strawberry.ID) -> ContentItem | None:  # noqa: A002
        return content_of(info, ids.argument("ContentItem", id))

    @strawberry.field(description="The content item that has this slug; null where there is none.")
    def content_item_by_slug(
        self, info: Info, slug: Annotated[str, strawberry.argument(description="The caller's own name for it.")]
    ) -> ContentItem | None:
        fields: Any = (selection_of(info).names,)
        return info.context.loaders.one(reading.by_slugs, fields, slug, by="slug")

    @strawberry.field(description="The workspace's content.")
    async def content_items(
        self,
        info: Info,
        filter: ContentFilter | None = None,  # noqa: A002
        order_by: ContentOrder | None = ContentOrder.NEWEST,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ContentItem]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        by = (order_by or ContentOrder.NEWEST).value
        return await connection(
            info,
            reading.ORDERS[by],
            request,
            lambda fields, request: reading.listed(reads, fields, which, by, request),
            lambda: reading.count(reads, which),
        )
