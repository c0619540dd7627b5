"""How long the lists are that a schema answers about itself."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary

from graphql import GraphQLSchema

_known: "WeakKeyDictionary[GraphQLSchema, Mapping[str, int]]" = WeakKeyDictionary()


def introspected_lists(schema: GraphQLSchema) -> Mapping[str, int]:
    """By coordinate, how many objects a list has: all types and directives, and of one of them as many as they have on average.

    So that all of a schema is not taken for as many fields as its largest type has, times all types.
    """
    found = _known.get(schema)
    if found is None:
        found = _known[schema] = _lists(schema)
    return found


def _lists(schema: GraphQLSchema) -> dict[str, int]:
    types: list[Any] = list(schema.type_map.values())
    fields = [field for kind in types for field in getattr(kind, "fields", {}).values() if hasattr(field, "args")]
    arguments = sum(len(field.args) for field in fields)
    inputs = sum(len(kind.fields) for kind in types if hasattr(kind, "fields")) - len(fields)
    values = sum(len(getattr(kind, "values", ())) for kind in types)
    interfaces = sum(len(getattr(kind, "interfaces", ())) for kind in types)
    return {
        "__Schema.types": len(types),
        "__Schema.directives": len(schema.directives),
        "__Type.fields": _each(len(fields), types),
        "__Type.inputFields": _each(inputs, types),
        "__Type.enumValues": _each(values, types),
        "__Type.interfaces": _each(interfaces, types),
        "__Type.possibleTypes": _each(interfaces, types),
        "__Field.args": _each(arguments, fields),
        "__Directive.args": 2,
    }


def _each(number: int, of: Iterable[Any]) -> int:
    return max(1, ceil(number / max(1, len(list(of)))))
