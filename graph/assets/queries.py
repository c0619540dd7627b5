"""The root fields that find assets."""

import strawberry

from db.keyset import PageRequest
from db.queries.assets import reading
from graph import ids
from graph.assets.kinds import AssetFilter, filter_of
from graph.assets.types import Asset, asset_of
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info


@strawberry.type
class AssetQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The asset of an id, deleted or not; null where there is none.")
    def asset(self, info: Info, id: strawberry.ID) -> Asset | None:  # noqa: A002
        return asset_of(info, ids.argument("Asset", id))

    @strawberry.field(description="The workspace's assets, in all spaces, newest first.")
    async def assets(
        self,
        info: Info,
        filter: AssetFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Asset]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, which, request),
            lambda: reading.count(reads, which),
        )
