"""Which impressions a list shows."""

import strawberry

from db.queries.impressions import reading
from graph.windows import TimeWindow, window_of


@strawberry.input(description="Which impressions. All that is given must hold.")
class ImpressionFilter:
    """A filter as an argument. Null is the same as left out."""

    window: TimeWindow | None = strawberry.field(default=None, description="Occurred in this window.")
    clicked: bool | None = strawberry.field(default=None, description="Clicked, or not clicked.")
    converted: bool | None = strawberry.field(default=None, description="Converted, or not converted.")
    viewable: bool | None = strawberry.field(
        default=None,
        description="Measured as viewable, or as not viewable. Those that could not be measured are neither.",
    )
    charged: bool | None = strawberry.field(default=None, description="Charged, or not charged.")
    device_type: str | None = strawberry.field(default=None, description="Exactly this device type.")
    placement: str | None = strawberry.field(default=None, description="Exactly this placement.")
    user_id: str | None = strawberry.field(default=None, description="Of this user, over all profiles.")


def filter_of(given: ImpressionFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    window = window_of(given.window)
    return reading.Filter(
        start=window.start,
        end=window.end,
        clicked=given.clicked,
        converted=given.converted,
        viewable=given.viewable,
        charged=given.charged,
        device_type=given.device_type,
        placement=given.placement,
        user_id=given.user_id,
    )
