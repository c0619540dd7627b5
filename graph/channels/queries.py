"""The root fields that find channels and audiences."""

import strawberry

from db.keyset import PageRequest
from db.models.channels import Audience as AudienceRow
from db.models.channels import Channel as ChannelRow
from db.queries import channels
from db.queries.events import ranking
from graph import ids
from graph.channels.types import Audience, Channel, ChannelPerformance
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.selection import selection_of
from graph.windows import TimeWindow, window_of


@strawberry.type
class ChannelQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The channel of an id; null where there is none.")
    def channel(self, info: Info, id: strawberry.ID) -> Channel | None:  # noqa: A002
        fields = (selection_of(info).names,)
        return info.context.loaders.one(channels.by_ids, fields, ids.argument("Channel", id))

    @strawberry.field(description="The workspace's channels, by name.")
    async def channels(
        self, info: Info, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Channel]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        return await connection(
            info,
            channels.BY_NAME[ChannelRow],
            request,
            lambda fields, request: channels.listed(reads, ChannelRow, fields, request),
            lambda: channels.count(reads, ChannelRow),
        )

    @strawberry.field(description="The workspace's audiences, by name.")
    async def audiences(
        self, info: Info, first: First = 20, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Audience]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        return await connection(
            info,
            channels.BY_NAME[AudienceRow],
            request,
            lambda fields, request: channels.listed(reads, AudienceRow, fields, request),
            lambda: channels.count(reads, AudienceRow),
        )

    @strawberry.field(
        description="The best channels: by conversions, then clicks, then name. Those without events come last, with zeros."
    )
    async def top_channels(
        self, info: Info, window: TimeWindow | None = None, first: First = 10
    ) -> list[ChannelPerformance]:
        request = PageRequest.of(first, None, None, None)
        found = await ranking.top_channels(info.context.reads, window_of(window), request.size)
        return [ChannelPerformance(id=one, window=window) for one in found]
