"""Which columns a selection of fields needs. A statement selects these and no others."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, literal_column
from sqlalchemy.orm import InstrumentedAttribute

Needs = Mapping[str, tuple[InstrumentedAttribute[Any], ...]]
"""From a field to its columns, where they are not the one column of the same name."""


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
