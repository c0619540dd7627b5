"""Windows over time, and how the quarter-hour buckets of the roll-ups cover them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, true

from db.queries.rollups import QUARTER


@dataclass(frozen=True)
class Window:
    """Half-open: from ``start`` on and before ``end``. None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def whole_buckets(self) -> "Window | None":
        """The part of the window that whole buckets cover, or None where it covers none."""
        inner = Window(_up(self.start), bucket_of(self.end))
        return None if inner._is_empty() else inner

    def edges(self) -> list["Window"]:
        """The parts of the window that cut a bucket, each within one bucket. At most two."""
        first_whole, last_whole = _up(self.start), bucket_of(self.end)
        if first_whole is not None and last_whole is not None and first_whole > last_whole:
            return [self]  # both ends in one bucket
        parts = [Window(self.start, first_whole), Window(last_whole, self.end)]
        return [part for part in parts if part.start != part.end]

    def covers(self, column: Any) -> ColumnElement[bool]:
        """The condition that a time lies in the window."""
        bounds = [true()] if self.start is None else [column >= self.start]
        return and_(*bounds) if self.end is None else and_(*bounds, column < self.end)

    def _is_empty(self) -> bool:
        return self.start is not None and self.end is not None and self.start >= self.end


ALL_TIME = Window()


def bucket_of(moment: datetime | None) -> datetime | None:
    """The start of the quarter of an hour in which a moment lies."""
    return None if moment is None else datetime.fromtimestamp(moment.timestamp() // QUARTER * QUARTER, UTC)


def _up(moment: datetime | None) -> datetime | None:
    floor = bucket_of(moment)
    return floor if floor is None or floor == moment else floor + timedelta(seconds=QUARTER)
