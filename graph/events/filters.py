"""Which events a list shows."""

import strawberry

from db.queries.events import reading
from graph import ids
from graph.events.kinds import EventType
from graph.windows import TimeWindow, window_of


@strawberry.input(description="Which events. All that is given must hold.")
class EventFilter:
    """A filter as an argument. Null is the same as left out."""

    types: list[EventType] | None = strawberry.field(default=None, description="One of these.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="On this channel.")
    audience_id: strawberry.ID | None = strawberry.field(default=None, description="Of this audience.")
    window: TimeWindow | None = strawberry.field(default=None, description="Occurred in this window.")


def filter_of(given: EventFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    window = window_of(given.window)
    return reading.Filter(
        types=None if given.types is None else tuple(sorted(set(given.types))),
        channel_id=None if given.channel_id is None else ids.argument("Channel", given.channel_id, "filter.channelId"),
        audience_id=None
        if given.audience_id is None
        else ids.argument("Audience", given.audience_id, "filter.audienceId"),
        start=window.start,
        end=window.end,
    )
