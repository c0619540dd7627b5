"""The steps of a series: hours, days, weeks and months of the workspace's calendar."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, func, literal, literal_column, select, true

from db.models.workspaces import Workspace
from db.queries.rollups import QUARTER
from db.queries.windows import Window
from db.statements import Rows

MAX_POINTS = 1000

_LONGEST = {
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1, hours=1),
    "WEEK": timedelta(days=7, hours=1),
    "MONTH": timedelta(days=31, hours=1),
}

Start = Callable[[Any], ColumnElement[Any]]
"""From a time to the start of its step in a series."""


class TooManyPoints(ValueError):
    """A series would have more than MAX_POINTS points."""


def bounded(rows: Rows) -> Rows | TooManyPoints:
    """The rows of a series, or why it is not answered."""
    if len(rows) > MAX_POINTS:
        return TooManyPoints(f"The series would have more than {MAX_POINTS} points.")
    return rows


def truncation(unit: str) -> Start:
    """From a time to the start of its HOUR, DAY, WEEK or MONTH. The statement reads the workspace."""
    # Spelt out and not bound: a GROUP BY must see the very same expression.
    return lambda at: func.date_trunc(
        literal_column(f"'{unit}'"), at, Workspace.time_zone, type_=DateTime(timezone=True)
    )


def points(unit: str, window: Window, owner: type[Any], buckets: Any, own: ColumnElement[bool]) -> Any:
    """The starts of a series' steps. Distinct, since a calendar may skip a day or an hour or have one twice.

    An open end stops where the first or last of the owner's ``buckets`` is; ``own`` says which of them are the owner's.
    """
    bounds = (
        select(
            func.coalesce(literal(window.start, DateTime(timezone=True)), func.min(buckets.starts_at)).label("lo"),
            func.coalesce(
                literal(window.end, DateTime(timezone=True)),
                func.max(buckets.starts_at) + timedelta(seconds=QUARTER),
            ).label("hi"),
        )
        .where(own)
        .correlate(owner)
        .lateral("bounds")
    )
    last = func.least(bounds.c.hi - timedelta(microseconds=1), bounds.c.lo + _LONGEST[unit] * (MAX_POINTS + 2))
    truncate, zone = truncation(unit), Workspace.time_zone
    if unit == "HOUR":
        # In steps of a quarter of an hour: some zones' clocks are moved by half of one.
        step = func.generate_series(truncate(bounds.c.lo), last, timedelta(seconds=QUARTER))
        moments, moment = _values(step)
    else:
        first_local = func.date_trunc(unit, func.timezone(zone, bounds.c.lo))
        step = func.generate_series(first_local, func.timezone(zone, last), func.make_interval(*_step(unit)))
        moments, local = _values(step)
        moment = func.timezone(zone, local)
    starts = select(truncate(moment).label("start")).select_from(bounds.join(moments, true())).distinct()
    # LEAST passes over a null: without facts and with an open end there is nothing to fill, nor in an empty window.
    starts = starts.where(bounds.c.hi > bounds.c.lo)
    return starts.correlate(owner, Workspace).subquery("points")


def _values(function: Any) -> tuple[Any, ColumnElement[Any]]:
    values = function.table_valued("value").render_derived("moments").lateral()
    return values, values.c.value


def _step(unit: str) -> tuple[int, int, int, int]:
    """Years, months, weeks, days, as make_interval takes them."""
    return (0, int(unit == "MONTH"), int(unit == "WEEK"), int(unit == "DAY"))
