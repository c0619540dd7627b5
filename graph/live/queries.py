"""Where the live stream stands."""

import strawberry

from db.queries.live import log
from graph.context import Info
from graph.live.cursors import Cursors


@strawberry.type
class LiveQuery:
    """The root fields of the live stream."""

    @strawberry.field(
        description="Where the live stream stands in this answer's snapshot: pass it as after to go on from here without a "
        "gap. What happened just before may come again."
    )
    async def live_cursor(self, info: Info) -> str:
        head = await log.head_of(info.context.reads)
        return Cursors.of(head).encode(head.position)
