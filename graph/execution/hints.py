"""What a field may say about its resolver, so that it need not be called in the general way.

A hint never changes an answer: the field's resolver, which the stock executor calls, answers the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLScalarType

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
class Call:
    """The field's resolver in another form: called as the resolver is, it answers the same."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Constant:
    """The field has one value, whatever its source: the name of the type."""

    value: str

    def __call__(self, _source: Any) -> Any:
        """The field's value."""
        return self.value


@dataclass(frozen=True)
class Batch:
    """The field is answered for all objects of a level at once.

    ``function(sources, info, **arguments)`` answers, or awaits, one value for each source, in order. A value may be an
    exception, which is that object's error. ``info.path`` is that of the first object.
    """

    function: Callable[..., Any]


Hint = Attribute | Plain | Call | Constant | Batch


def hint(field: GraphQLField, what: Hint) -> None:
    """Gives a field of a schema its hint."""
    field.extensions[_KEY] = what


def hint_of(field: GraphQLField) -> Hint | None:
    """The hint of a field, if it has one."""
    found: Hint | None = (field.extensions or {}).get(_KEY)
    return found


class Own:
    """Which values of a scalar are their own coercion, so that it need not be called for them.

    ``check`` is a Python expression over the value ``{v}``, in which ``{0}``, ``{1}`` and so on stand for ``things``.
    """

    def __init__(self, check: str, *things: Any) -> None:
        self.check = check
        self.things = things


def own(scalar: GraphQLScalarType, values: Own) -> None:
    """Says which values of a scalar are their own coercion."""
    scalar.extensions[_KEY] = values


def own_of(scalar: Any) -> Own | None:
    """What was said of a scalar."""
    found: Own | None = (scalar.extensions or {}).get(_KEY)
    return found


def always_own(object_type: GraphQLObjectType) -> None:
    """Says of an object type that its ``is_type_of`` is true for every value: it need not be asked."""
    object_type.extensions[_KEY] = True


def is_always_own(object_type: GraphQLObjectType) -> bool:
    """Whether that was said of an object type."""
    return bool((object_type.extensions or {}).get(_KEY))
