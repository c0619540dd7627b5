"""Keyset pages over any select, for one list or for many parents at once.

A page starts after the values of its cursor, so an insert at the head never repeats a row and the
thousandth page costs what the first does.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    any_,
    bindparam,
    func,
    select,
    true,
    tuple_,
    union_all,
)

from db.leaves import NOTHING, Leaves, Nested, as_json, count_of
from db.statements import Rows, given_ids

MAX_PAGE = 100
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


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

    def cursor(self, row: Any) -> str:
        """The opaque cursor of a row of this order's page."""
        values = [_plain(getattr(row, f"cursor_{index}")) for index in range(len(self.columns))]
        return binascii.b2a_base64(orjson.dumps([self.name, *values]), newline=False).translate(_URL_SAFE).decode()

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

    def parameters(self, request: "PageRequest") -> dict[str, Any]:
        """What the statement of a page in this order is asked with. Raises BadPage."""
        ends = (("after", request.after), ("before", request.before))
        return {
            _parameter(end, index): value
            for end, cursor in ends
            if cursor is not None
            for index, value in enumerate(self.values(cursor))
        }


def _parameter(end: str, index: int) -> str:
    return f"{end}_{index}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value  # datetimes are dates


def _typed(column: ColumnElement[Any], value: Any) -> Any:
    kind = column.type.python_type
    if kind in (date, datetime):
        # An infinite date, where a null sorts last, reads back as date.max.
        moment = kind.fromisoformat(value)
        return moment.astimezone(UTC) if isinstance(moment, datetime) else moment
    largest = 2**31 if isinstance(column.type, Integer) and not isinstance(column.type, BigInteger) else 2**63
    if type(value) is not kind or (kind is int and not -largest <= value < largest) or b"\0" in str(value).encode():
        raise BadPage("This is not a cursor of this list.")
    return value


@dataclass(frozen=True)
class Shape:
    """What the statement of a page looks like."""

    size: int
    backward: bool
    after: bool
    before: bool
    cursors: bool
    """Whether its rows are asked for their cursors."""
    leaves: Leaves | None
    """What is asked of each row, where that is nothing but leaves, and nothing of the page but its rows."""


@dataclass(frozen=True)
class PageRequest:
    """Which page: the first ``size`` rows after a cursor, or the last ``size`` before one."""

    size: int
    backward: bool = False
    after: str | None = None
    before: str | None = None
    cursors: bool = True
    leaves: Leaves | None = None

    @classmethod
    def of(cls, first: int | None, after: str | None, last: int | None, before: str | None) -> "PageRequest":
        """Checks the arguments of a connection. ``last`` wins over a ``first`` that came by default."""
        size, name = (first, "first") if last is None else (last, "last")
        if size is None:
            raise BadPage("Say how many: first or last, 1 to 100.")
        if not 1 <= size <= MAX_PAGE:
            raise BadPage(f"{name} must be from 1 to {MAX_PAGE}; it is {size}.")
        return cls(size, last is not None, after, before)

    @property
    def shape(self) -> Shape:
        """What its statement looks like."""
        ends = self.after is not None, self.before is not None
        return Shape(self.size, self.backward, *ends, self.cursors, self.leaves)


_NO_ROWS = Rows()


class Page:
    """The rows of a page in the list's order, and whether there are more on either side."""

    __slots__ = ("count", "has_next", "has_previous", "json", "order", "rows")

    def __init__(
        self,
        order: Order,
        rows: Rows | None = None,
        *,
        has_next: bool = False,
        has_previous: bool = False,
        json: str | None = None,
        leaves: Leaves = (),
    ) -> None:
        self.order = order
        self.rows = _NO_ROWS if rows is None else rows
        self.has_next = has_next
        self.has_previous = has_previous
        self.json = json
        """All that is asked of it, written already: the rows as a JSON list of their ``leaves``. Then there are no rows."""
        self.count = len(self.rows) if json is None else count_of(json, leaves)
        """How many rows it holds."""

    @classmethod
    def of(cls, order: Order, request: PageRequest, rows: Rows) -> "Page":
        """A page out of what its statement answered: one row more than asked for says that there are more."""
        if request.leaves is not None:
            return cls(order, json=rows[0].json, leaves=request.leaves)
        more = len(rows) > request.size
        if more:
            rows = rows.part(slice(request.size))
        if request.backward:
            more = more or request.after is not None
            return cls(order, rows.part(slice(None, None, -1)), has_next=request.before is not None, has_previous=more)
        more = more or request.before is not None
        return cls(order, rows, has_next=more, has_previous=request.after is not None)


def pages(order: Order, request: PageRequest, rows: Rows, ids: Sequence[int]) -> list[Page]:
    """The pages of several parents, in the order of the ids, out of the rows of ``page_per_parent``."""
    if request.leaves is not None:
        written = dict(rows)
        return [Page(order, json=written[parent_id], leaves=request.leaves) for parent_id in ids]
    mine = rows_per_parent(rows)
    none = Rows((), rows.columns)
    return [Page.of(order, request, mine.get(parent_id, none)) for parent_id in ids]


def rows_per_parent(rows: Rows) -> dict[int, Rows]:
    """Rows that begin with their parent's id, and come one parent after another, by that id."""
    return {parent_id: Rows(mine, rows.columns) for parent_id, mine in groupby(rows, itemgetter(0))}


def page(
    statement: Select[*tuple[Any, ...]], order: Order, shape: Shape, nested: Nested = NOTHING
) -> Select[*tuple[Any, ...]]:
    """The statement of one page, with one row more than the page holds. ``order.parameters`` says with what.

    ``nested``: what may hang on its rows, should they be written as JSON.
    """
    key = tuple_(*order.columns)
    for end, is_given in (("after", shape.after), ("before", shape.before)):
        if is_given:
            columns = enumerate(order.columns)
            bound = tuple_(*(bindparam(_parameter(end, index), type_=column.type) for index, column in columns))
            statement = statement.where(key < bound if order.descending == (end == "after") else key > bound)
    descending = order.descending != shape.backward
    by = [column.desc() if descending else column.asc() for column in order.columns]
    if shape.leaves is not None:
        return as_json(statement.order_by(*by).limit(shape.size), shape.leaves, nested)
    return statement.add_columns(*order.labelled()).order_by(*by).limit(shape.size + 1)


def page_per_parent(
    statement: Select[*tuple[Any, ...]],
    parent: Any,
    order: Order,
    shape: Shape,
    nested: Nested = NOTHING,
    parts: Sequence[Select[*tuple[Any, ...]]] = (),
) -> Select[*tuple[Any, ...]]:
    """One statement that pages the children of every parent in ``ids``; each row begins with ``parent_id``.

    ``parts``: where the children are found by several indexes, statements of their keys, as ``page_of_keys`` takes them.
    """
    parents = unnested()
    if parts:
        # By their keys alone: an index of the parent would go through all its children to find these.
        keys = [page_of_keys(part.where(parent == parents.c.id).correlate(parents), order, shape) for part in parts]
        mine = statement.where(is_one_of(order.columns[-1], keys))
    else:
        mine = statement.where(parent == parents.c.id)
    children = page(mine.correlate(parents), order, shape, nested).correlate(parents).lateral("children")
    position = [column.desc() if order.descending != shape.backward else column.asc() for column in _keys(children)]
    return (
        select(parents.c.id.label("parent_id"), *answered(children, shape))
        .select_from(parents)
        .join(children, true())
        .order_by(parents.c.id, *position)
    )


def page_of_keys(statement: Select[*tuple[Any, ...]], order: Order, shape: Shape) -> Select[*tuple[Any, ...]]:
    """The keys of as many rows as a page may need, of a statement that selects nothing but its rows' keys.

    Where a page is put together from several parts: each is found in the order of an index that fits it.
    """
    rows = page(statement, order, replace(shape, leaves=None)).subquery("rows")
    return select(next(iter(rows.c)))


def is_one_of(key: Any, found: Sequence[Select[*tuple[Any, ...]]]) -> ColumnElement[bool]:
    """The condition that a row's key is one of those that some statements find. They are executed once, before the rest."""
    keys = func.array(union_all(*found).scalar_subquery(), type_=ARRAY(BigInteger))
    condition: ColumnElement[bool] = key == any_(keys)
    return condition


def answered(children: Any, shape: Shape) -> list[ColumnElement[Any]]:
    """The columns of a page that are sent: its position only if somebody asks for cursors."""
    return [column for column in children.c if shape.cursors or not _is_key(column)]


def unnested() -> Any:
    """The parameter ``ids`` as rows of a column ``id``."""
    return func.unnest(given_ids()).table_valued("id").render_derived("parents")


def _keys(children: Any) -> list[ColumnElement[Any]]:
    return [column for column in children.c if _is_key(column)]


def _is_key(column: ColumnElement[Any]) -> bool:
    return str(column.name).startswith("cursor_")
