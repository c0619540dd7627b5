"""Which columns a selection of fields needs. A statement selects these and no others."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from db.statements import Rows, workspace

Fields = frozenset[str]
"""Fields of a type, in snake case."""
Query = Select[*tuple[Any, ...]]
Needs = Mapping[str, tuple[InstrumentedAttribute[Any], ...]]
"""From a field to its columns, where they are not the one column of the same name."""


def own(model: type[Any], needs: Needs, fields: Collection[str]) -> Query:
    """The rows of a model that belong to the workspace, with the columns for some fields. To be prepared."""
    return select(*pick(model, needs, fields)).where(model.workspace_id == workspace())


def pick(model: type[Any], needs: Needs, fields: Collection[str]) -> list[ColumnElement[Any]]:
    """The columns of a model for some fields, labelled by attribute. ``id`` always; unknown fields need none.

    The field ``typename`` adds the model's name as a constant, for fields whose type is an interface.
    """
    attributes = {"id": model.id}
    for field in sorted(fields):
        own = getattr(model, field, None)
        for column in needs.get(field, (own,) if isinstance(own, InstrumentedAttribute) else ()):
            attributes[column.key] = column
    picked: list[Any] = [column.label(name) for name, column in attributes.items()]
    if "typename" in fields:
        picked.append(literal_column(f"'{model.__name__}'").label("typename"))
    return picked


def counted(rows: Rows, ids: Sequence[int]) -> list[int]:
    """For each id, in order, the sum of what its row holds behind the id; 0 without a row."""
    counts = {row[0]: sum(map(int, row[1:])) for row in rows}
    return [counts.get(one, 0) for one in ids]
