"""What a field may say about its resolver, so that it need not be called in the general way.

A hint never changes an answer: the field's resolver, which the stock executor calls, answers the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField, GraphQLObjectType

_KEY = "breadth_first"


@dataclass(frozen=True)
class Attribute:
    """The field is an attribute of its source, passed through a function if one is given.

    Reading it has no effect and may happen twice.
    """

    name: str
    through: Callable[[Any], Any] | None = None

    def __call__(self, source: Any) -> Any:
        """The field's value."""
        value = getattr(source, self.name)
        return value if self.through is None else self.through(value)


@dataclass(frozen=True)
class Plain:
    """The field is a function of its source alone: neither arguments nor ``info``. May be called twice."""

    function: Callable[[Any], Any]

    def __call__(self, source: Any) -> Any:
        """The field's value."""
        return self.function(source)


@dataclass(frozen=True)
class Batch:
    """The field is answered for all objects of a level at once.

    ``function(sources, info, **arguments)`` answers, or awaits, one value for each source, in order. A value may be an
    exception, which is that object's error. ``info.path`` is that of the first object.
    """

    function: Callable[..., Any]


Hint = Attribute | Plain | Batch


def hint(field: GraphQLField, what: Hint) -> None:
    """Gives a field of a schema its hint."""
    field.extensions[_KEY] = what


def hint_of(field: GraphQLField) -> Hint | None:
    """The hint of a field, if it has one."""
    found: Hint | None = (field.extensions or {}).get(_KEY)
    return found


def always_own(object_type: GraphQLObjectType) -> None:
    """Says of an object type that its ``is_type_of`` is true for every value: it need not be asked."""
    object_type.extensions[_KEY] = True


def is_always_own(object_type: GraphQLObjectType) -> bool:
    """Whether that was said of an object type."""
    return bool((object_type.extensions or {}).get(_KEY))
