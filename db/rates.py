"""Rates, rounded as the domain says: half up, to two decimals, null where there is nothing to divide by.

In Python for rows, and in SQL for what PostgreSQL writes itself; a test holds both to the same.
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, case, cast, func, literal


def percent(part: int, whole: int) -> float | None:
    """100 * part / whole. Exact until the one rounding; both are zero or more."""
    if whole == 0:
        return None
    return (20_000 * part + whole) // (2 * whole) / 100


def percent_as_json(part: Any, whole: Any) -> ColumnElement[str]:
    """The same of two bigint columns, as JSON. Null, and not JSON's, where there is nothing to divide by."""
    hundredths = (20_000 * part + whole) // (2 * func.nullif(whole, 0, type_=BigInteger))
    rest = hundredths % 100
    decimals = case(
        (rest == 0, "0"),
        (rest % 10 == 0, cast(rest // 10, Text)),
        else_=func.lpad(cast(rest, Text), 2, "0"),
    )
    units = cast(hundredths // 100, Text)
    written: ColumnElement[str] = units.concat(literal(".")).concat(decimals)
    return written
