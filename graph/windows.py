"""Windows of time as arguments."""

from datetime import datetime
from enum import StrEnum

import strawberry

from db.queries.windows import ALL_TIME, Window
from graph.errors import bad_input

LAST_YEAR = 9998  # a bucket more must still be a date that Python can hold


@strawberry.input(description="Half-open window [from, to) on the time the fact occurred. An open end is unbounded.")
class TimeWindow:
    """A window as an argument."""

    from_: datetime | None = strawberry.field(name="from", default=None, description="From this moment on.")
    to: datetime | None = strawberry.field(default=None, description="Before this moment.")


@strawberry.enum(description="A step of the workspace's calendar.")
class TimeBucket(StrEnum):
    """How wide the points of a series are."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


def window_of(window: TimeWindow | None) -> Window:
    """The window that an argument means. One that ends before it starts is an error."""
    if window is None:
        return ALL_TIME
    if any(moment is not None and moment.year > LAST_YEAR for moment in (window.from_, window.to)):
        raise bad_input(f"Windows reach to the end of the year {LAST_YEAR}; leave an end open to have no bound.")
    if window.from_ is not None and window.to is not None and window.to < window.from_:
        raise bad_input("The window ends before it starts.")
    return Window(window.from_, window.to)
