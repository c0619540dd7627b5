"""Windows of time as arguments."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import strawberry

from db.errors import Problem, invalid
from db.queries.windows import ALL_TIME, Window
from graph.errors import bad_input

FIRST_YEAR, LAST_YEAR = 1900, 2200  # beyond them no fact can lie, and calendars run into their own ends


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
    for problem in window_problems(window):
        raise bad_input(problem.message)
    return Window(window.from_, window.to)


def window_problems(window: TimeWindow, *field: str) -> Iterator[Problem]:
    """What is wrong with a window that stands at a field of an input."""
    for name, moment in (("from", window.from_), ("to", window.to)):
        if moment is not None and not FIRST_YEAR <= moment.year <= LAST_YEAR:
            message = f"Windows lie between the years {FIRST_YEAR} and {LAST_YEAR}; leave an end open to have no bound."
            yield invalid(message, *field, name)
    if window.from_ is not None and window.to is not None and window.to < window.from_:
        yield invalid("The window ends before it starts.", *field, "to")
