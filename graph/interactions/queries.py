"""The activity timeline."""

from typing import Annotated

import strawberry

from db.keyset import PageRequest
from db.models.platforms import Platform
from db.queries.interactions import reading
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.interactions.kinds import ContentId, Types, filter_of
from graph.interactions.types import Interaction
from graph.windows import TimeWindow


@strawberry.type
class InteractionQuery:
    """The root field of this domain."""

    @strawberry.field(description="What all followers did, newest first. All that is given must hold.")
    async def interactions(
        self,
        info: Info,
        types: Types = None,
        platform: Annotated[Platform | None, strawberry.argument(description="Only on this platform.")] = None,
        content_id: ContentId = None,
        window: TimeWindow | None = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Interaction]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        which = filter_of(types, window, content_id, platform)
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, which, request),
            lambda: reading.count(reads, which),
        )
