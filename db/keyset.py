"""Keyset pages over any select, for one list or for many parents at once.

A page starts after the values of its cursor, so an insert at the head never repeats a row and the
thousandth page costs what the first does.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

MAX_PAGE = 100


class BadPage(ValueError):
    """The arguments of a page make no sense. The message is for the caller."""


@dataclass(frozen=True)
class Order:
    """A total order. The columns are never null and the last one is unique within the list."""

    name: str
    columns: tuple[Any, ...]
    descending: bool = False

    def labelled(self) -> list[ColumnElement[Any]]:
        """The columns as a page's statement selects them, for the cursors."""
        return [column.label(f"cursor_{index}") for index, column in enumerate(self.columns)]

    def cursor(self, row: Row[*tuple[Any, ...]]) -> str:
        """The opaque cursor of a row of this order's page."""
        values = [_plain(getattr(row, f"cursor_{index}")) for index in range(len(self.columns))]
        return base64.urlsafe_b64encode(json.dumps([self.name, *values], separators=(",", ":")).encode()).decode()

    def values(self, cursor: str) -> tuple[Any, ...]:
        """What a cursor holds. Raises BadPage for one that is garbled or belongs to another order."""
        try:
            name, *values = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
            if name != self.name or len(values) != len(self.columns):
                raise BadPage("This cursor belongs to a list in another order.")
            return tuple(_typed(column, value) for column, value in zip(self.columns, values, strict=True))
        except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
            if isinstance(error, BadPage):
                raise
            raise BadPage("This is not a cursor of this list.") from None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _typed(column: ColumnElement[Any], value: Any) -> Any:
    kind = column.type.python_type
    if kind in (date, datetime):
        # An infinite date, where a null sorts last, reads back as date.max.
        moment = kind.fromisoformat(value)
        return moment.astimezone(UTC) if isinstance(moment, datetime) else moment
    if type(value) is not kind or (kind is int and not -(2**63) <= value < 2**63) or b"\0" in str(value).encode():
        raise BadPage("This is not a cursor of this list.")
    return value


@dataclass(frozen=True)
class PageRequest:
    """Which page: the first ``size`` rows after a cursor, or the last ``size`` before one."""

    size: int
    backward: bool = False
    after: str | None = None
    before: str | None = None

    @classmethod
    def of(cls, first: int | None, after: str | None, last: int | None, before: str | None) -> "PageRequest":
        """Checks the arguments of a connection. ``last`` wins over a ``first`` that came by default."""
        size, name = (first, "first") if last is None else (last, "last")
        if size is None:
            raise BadPage("Say how many: first or last, 1 to 100.")
        if not 1 <= size <= MAX_PAGE:
            raise BadPage(f"{name} must be from 1 to {MAX_PAGE}; it is {size}.")
        return cls(size, last is not None, after, before)


@dataclass(frozen=True)
class Page:
    """The rows of a page in the list's order, and whether there are more on either side."""

    order: Order
    rows: Sequence[Row[*tuple[Any, ...]]] = ()
    has_next: bool = False
    has_previous: bool = False

    @classmethod
    def of(cls, order: Order, request: PageRequest, rows: Sequence[Row[*tuple[Any, ...]]]) -> "Page":
        """A page out of what its statement answered: one row more than asked for says that there are more."""
        more = len(rows) > request.size
        rows = rows[: request.size]
        if request.backward:
            more = more or request.after is not None
            return cls(order, rows[::-1], has_next=request.before is not None, has_previous=more)
        more = more or request.before is not None
        return cls(order, rows, has_next=more, has_previous=request.after is not None)


def page(statement: Select[*tuple[Any, ...]], order: Order, request: PageRequest) -> Select[*tuple[Any, ...]]:
    """The statement of one page, with one row more than the page holds."""
    key = tuple_(*order.columns)
    for cursor, is_after in ((request.after, True), (request.before, False)):
        if cursor is not None:
            values = order.values(cursor)
            bound = tuple_(*(literal(v, c.type) for v, c in zip(values, order.columns, strict=True)))
            statement = statement.where(key < bound if order.descending == is_after else key > bound)
    descending = order.descending != request.backward
    by = [column.desc() if descending else column.asc() for column in order.columns]
    return statement.add_columns(*order.labelled()).order_by(*by).limit(request.size + 1)


def page_per_parent(
    statement: Select[*tuple[Any, ...]], parent: Any, order: Order, request: PageRequest, ids: Sequence[int]
) -> Select[*tuple[Any, ...]]:
    """One statement that pages the children of every parent; each row says whose it is in ``parent_id``."""
    parents = func.unnest(literal(list(ids), ARRAY(BigInteger))).table_valued("id").render_derived("parents")
    children = page(statement.where(parent == parents.c.id), order, request).lateral("children")
    position = [column.desc() if order.descending != request.backward else column.asc() for column in _keys(children)]
    return (
        select(parents.c.id.label("parent_id"), children)
        .select_from(parents)
        .join(children, literal(True))
        .order_by(parents.c.id, *position)
    )


def _keys(children: Any) -> list[ColumnElement[Any]]:
    return [column for column in children.c if column.name.startswith("cursor_")]
