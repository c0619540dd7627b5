"""Leaves of rows as JSON that PostgreSQL writes: byte for byte what the answer would hold if each value came by itself.

A page of which only leaves are asked for then takes one text for each list, and nothing is done for each row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, Text, case, cast, func, literal, select

from db.rates import percent_as_json


class Form(Enum):
    """How a leaf is written."""

    TEXT = auto()
    NAME = auto()
    """A text of letters, digits and underscores."""
    NUMBER = auto()
    """A whole number."""
    FLAG = auto()
    TIME = auto()
    """RFC 3339 in UTC, with microseconds where there are any."""
    DATE = auto()
    DECIMAL = auto()
    """An exact number, as a text."""
    GLOBAL_ID = auto()
    """Base64 of the leaf's ``prefix`` and the number."""
    CONSTANT = auto()
    """The leaf's ``prefix``, a name, whatever the row."""
    RATE = auto()
    """How much of ``whole`` the sum of ``parts`` is, in percent."""
    OBJECT = auto()
    """An object that hangs on the row, of which ``inner`` is asked."""


@dataclass(frozen=True)
class Leaf:
    """One leaf: its key in the answer, the column that holds it, and how it is written."""

    key: str
    column: str
    form: Form
    non_null: bool
    prefix: str = ""
    parts: tuple[str, ...] = ()
    """Columns that are added up: a NUMBER has them instead of its column."""
    whole: str = ""
    inner: "Leaves" = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it is written from."""
        return frozenset({*self.parts, self.whole, "" if self.parts else self.column} - {""})


Leaves = tuple[Leaf, ...]
Nested = Mapping[str, Callable[[Any, Leaves], ColumnElement[str]]]
"""By column, objects that hang on a row: from its columns and from what is asked of the object to its JSON."""
NOTHING: Nested = {}


class NotWritable(TypeError):
    """A leaf that must not be null stands on a column that may be: the answer would hide what is wrong.

    A mistake in the schema, which a test of all lists finds.
    """


def as_json(statement: Select[*tuple[Any, ...]], leaves: Leaves, nested: Nested = NOTHING) -> Select[*tuple[Any, ...]]:
    """One row, one column: the rows of a statement as a JSON list of their leaves, in the statement's order."""
    _check(statement, leaves)
    # LATERAL, since the statement may refer to a parent's row.
    rows = statement.lateral("leaves")
    written = func.concat("[", func.string_agg(object_as_json(rows.c, leaves, nested), ","), "]")
    return select(written.label("json")).select_from(rows)  # even if no column of them is asked for


def count_of(json: str, leaves: Leaves) -> int:
    """How many rows a list holds that was written with these leaves."""
    if not leaves:
        return json.count("{}")
    # A quote within a text is escaped, and after a text comes no key: so this is nowhere but where an object begins.
    begins = f'{{"{leaves[0].key}":'
    return json.count(begins) // _begun(leaves, leaves[0].key)


def _begun(leaves: Leaves, key: str) -> int:
    """How many objects of one row begin with a key: itself, and what hangs on it."""
    inner = sum(_begun(leaf.inner, key) for leaf in leaves if leaf.form is Form.OBJECT and leaf.inner)
    return inner + (leaves[0].key == key)


def _check(statement: Select[*tuple[Any, ...]], leaves: Leaves) -> None:
    columns: Any = statement.selected_columns
    for leaf in leaves:
        if leaf.form is Form.OBJECT or not leaf.non_null:
            continue
        for name in leaf.columns:
            if getattr(getattr(columns[name], "element", columns[name]), "nullable", True):
                raise NotWritable(f"{leaf.key} must not be null, and {name} may be")


def object_as_json(columns: Any, leaves: Leaves, nested: Nested = NOTHING) -> ColumnElement[str]:
    """The JSON of one row's leaves."""
    if not leaves:
        return literal("{}")
    parts: list[ColumnElement[str]] = []
    for index, leaf in enumerate(leaves):
        parts.append(literal(f'{"," if index else "{"}"{leaf.key}":'))
        parts.append(_value(leaf, columns, nested))
    first, *others = parts
    for part in others:
        first = first.concat(part)
    return first.concat("}")


def _value(leaf: Leaf, columns: Any, nested: Nested) -> ColumnElement[str]:
    if leaf.form is Form.OBJECT:
        return nested[leaf.column](columns, leaf.inner)
    if leaf.form is Form.CONSTANT:
        return literal(f'"{leaf.prefix}"')
    if leaf.form is Form.GLOBAL_ID:
        key = cast(literal(f"{leaf.prefix}:").concat(cast(columns[leaf.column], Text)), LargeBinary)
        return _quoted(func.encode(key, "base64"))
    added = _sum(columns, leaf.parts) if leaf.parts else columns[leaf.column]
    written = percent_as_json(added, columns[leaf.whole]) if leaf.form is Form.RATE else _WRITTEN[leaf.form](added)
    return written if leaf.non_null else func.coalesce(written, "null")


def _sum(columns: Any, names: Sequence[str]) -> Any:
    first, *others = (columns[name] for name in names)
    for other in others:
        first = first + other
    return first


def _quoted(text: Any) -> ColumnElement[str]:
    quoted: ColumnElement[str] = literal('"').concat(text).concat('"')
    return quoted


def _or_end_of_time(column: Any, written: Any, ends: tuple[str, str]) -> ColumnElement[str]:
    # The driver keeps the first and the last moment that Python knows as infinite ones, of which to_char makes null.
    infinite = case((column < "2000-01-01", ends[0]), (column > "2000-01-01", ends[1]))
    return _quoted(func.coalesce(written, infinite))


_WRITTEN: Mapping[Form, Callable[[Any], ColumnElement[str]]] = {
    Form.TEXT: lambda column: cast(func.to_json(column), Text),
    Form.NAME: _quoted,
    Form.NUMBER: lambda column: cast(column, Text),
    Form.FLAG: lambda column: case((column, "true"), (~column, "false")),
    Form.TIME: lambda column: _or_end_of_time(
        column,
        func.replace(func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ".000000", ""),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ),
    Form.DATE: lambda column: _or_end_of_time(column, func.to_char(column, "YYYY-MM-DD"), ("0001-01-01", "9999-12-31")),
    Form.DECIMAL: lambda column: _quoted(cast(column, Text)),
}
"""Null where the column is."""
