"""The root fields that find spaces."""

import strawberry

from db.keyset import PageRequest
from db.queries.spaces import reading
from graph import ids
from graph.assets.kinds import SEARCH, TAGS, tags_of, words_of
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.platforms import Platform
from graph.spaces.types import Space, space_of


@strawberry.input(description="Which spaces. All that is given must hold.")
class SpaceFilter:
    """A filter as an argument. Null is the same as left out."""

    platform: Platform | None = strawberry.field(default=None, description="For this platform.")
    brand_id: strawberry.ID | None = strawberry.field(default=None, description="For this brand.")
    campaign_id: strawberry.ID | None = strawberry.field(default=None, description="Of this campaign.")
    tags: list[str] | None = strawberry.field(default=None, description=TAGS)
    category: str | None = strawberry.field(default=None, description="Of exactly this category.")
    is_template: bool | None = strawberry.field(default=None, description="Templates only, or all others.")
    is_active: bool | None = strawberry.field(default=None, description="Those in use only, or all others.")
    is_archived: bool | None = strawberry.field(default=None, description="Those put away only, or all others.")
    search: str | None = strawberry.field(default=None, description=SEARCH)
    created_by: str | None = strawberry.field(default=None, description="Created by the viewer of this subject.")
    include_deleted: bool | None = strawberry.field(
        default=None, description="Also those that are deleted and can be restored."
    )


def filter_of(given: SpaceFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    brand, campaign = given.brand_id, given.campaign_id
    return reading.Filter(
        platform=given.platform,
        brand_id=None if brand is None else ids.argument("Brand", brand, "filter.brandId"),
        campaign_id=None if campaign is None else ids.argument("Campaign", campaign, "filter.campaignId"),
        tags=tags_of(given.tags),
        category=given.category,
        is_template=given.is_template,
        is_active=given.is_active,
        is_archived=given.is_archived,
        words=words_of(given.search),
        created_by=given.created_by,
        include_deleted=bool(given.include_deleted),
    )


@strawberry.type
class SpaceQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The space of an id, deleted or not; null where there is none.")
    def space(self, info: Info, id: strawberry.ID) -> Space | None:  # noqa: A002
        return space_of(info, ids.argument("Space", id))

    @strawberry.field(description="The workspace's spaces, newest first.")
    async def spaces(
        self,
        info: Info,
        filter: SpaceFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Space]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, which, request),
            lambda: reading.count(reads, which),
        )
