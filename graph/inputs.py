"""Inputs of large batches, built by name alone.

Strawberry works every field's type out again for every item: two thirds of the time of a batch of 1000. Here that
is worked out once a class, through the hook that Strawberry has for inputs that build their own value.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from strawberry import UNSET
from strawberry.types.base import has_object_definition

from db.errors import camel

T = TypeVar("T", bound=type)


def built_by_name(cls: T) -> T:
    """For an input class whose fields are scalars, enums, or other inputs built by name."""
    definition: Any = cls.__strawberry_definition__  # type: ignore[attr-defined]
    plain: list[tuple[str, str, Any]] = []
    nested: list[tuple[str, str, Callable[..., Any]]] = []
    for field in definition.fields:
        kind = getattr(field.type, "of_type", field.type)
        place = (field.graphql_name or camel(field.python_name), field.python_name)
        if has_object_definition(kind):
            inner: Any = kind.__strawberry_definition__.from_input
            nested.append((*place, inner))
        else:
            plain.append((*place, UNSET if field.default is UNSET else None))

    def build(_cls: type, value: Mapping[str, Any], context: Any) -> Any:
        # Past __init__, which would check twenty keywords. What is absent is None, unless the field is one that can be left out.
        made: Any = object.__new__(cls)
        made.__dict__ |= {name: value.get(key, absent) for key, name, absent in plain}
        for key, name, build_nested in nested:
            given = value.get(key)
            made.__dict__[name] = None if given is None else build_nested(cls, given, context)
        return made

    definition.from_input = build
    return cls
