"""Types of fields as completion needs them: what form a value has, whether it may be null, how a leaf is coerced."""

from collections.abc import Awaitable, Callable
from enum import Enum
from types import NoneType
from typing import Any, TypeGuard

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    Undefined,
    is_leaf_type,
)

from graph.execution.hints import Own, own_of

IsAwaitable = Callable[[Any], TypeGuard[Awaitable[Any]]]


class Done:
    """The type of DONE."""


DONE: Any = Done()
"""Stands for a value with which nothing is left to do: it failed, or is completed elsewhere."""


class Complete:
    """A field's value that is complete: it goes into the answer as it is.

    For what knows the plan of its own field, see ``FieldNodes.plan``, and answers just what is selected.
    """

    __slots__ = ("objects", "value")

    def __init__(self, value: Any, objects: int = 0) -> None:
        self.value = value
        self.objects = objects
        """How many objects the list in it holds, for the tally of what was answered."""


class Odd(Exception):
    """A leaf that is completed in the general way: nothing, an error, or something to wait for."""


class Solid:
    """The types whose values are something: neither null, nor an exception, nor to be awaited.

    Asked for each value, so it is worked out once for each type.
    """

    _MOST = 10_000

    def __init__(self, is_awaitable: IsAwaitable) -> None:
        self.is_awaitable = is_awaitable
        self.types: set[type] = set()
        self.settled: set[type] = {Complete, NoneType}
        """The types whose values are not to be awaited: those that are something, and these."""

    def __contains__(self, value: object) -> bool:
        """Whether a value is something."""
        kind = type(value)
        if kind in self.types:
            return True
        if value is None or value is Undefined or value is DONE or kind is Complete:
            return False
        if isinstance(value, Exception) or self.is_awaitable(value):
            return False
        if len(self.types) >= self._MOST:
            self.types.clear()
            self.settled = {Complete, NoneType}
        self.types.add(kind)
        self.settled.add(kind)
        return True


class Kind:
    """An output type without its NonNull, whether it had one, and for a list the kind of its items."""

    __slots__ = ("declared", "form", "non_null", "of", "strict", "type")

    def __init__(self, output_type: GraphQLOutputType, solid: Solid) -> None:
        self.declared = output_type
        self.non_null = isinstance(output_type, GraphQLNonNull)
        self.type: Any = output_type.of_type if isinstance(output_type, GraphQLNonNull) else output_type
        self.of: Kind | None = Kind(self.type.of_type, solid) if isinstance(self.type, GraphQLList) else None
        self.strict: Callable[[Any], Any] = _nothing
        if self.of is not None:
            self.form = "list"
        elif is_leaf_type(self.type):
            self.form, self.strict = "leaf", _strict(self.type, solid)
        else:
            self.form = "object" if isinstance(self.type, GraphQLObjectType) else "abstract"

    def lenient(self, value: Any) -> Any:
        """A leaf, coerced; null where it may be. Raises whatever is wrong with it."""
        return None if value is None and not self.non_null else self.strict(value)


def _nothing(_value: Any) -> Any:
    raise Odd


def _strict(leaf_type: Any, solid: Solid) -> Callable[[Any], Any]:
    """The coercion of a leaf type, for values that are something."""
    coerce = leaf_type.coerce_output_value

    def strict(value: Any) -> Any:
        if value not in solid:
            raise Odd
        done = coerce(value)
        if done is None or done is Undefined:
            raise Odd
        return done

    return _remembering(strict) if isinstance(leaf_type, GraphQLEnumType) else strict


def _remembering(strict: Callable[[Any], Any]) -> Callable[[Any], Any]:
    # Values of several types may be equal and yet be coerced differently: each type has its own memory.
    known: dict[type, dict[Any, Any]] = {}

    def remembered(value: Any) -> Any:
        kind = type(value)
        if kind is not str and not isinstance(value, Enum):
            return strict(value)
        names = known.setdefault(kind, {})
        name = names.get(value)
        if name is None:
            name = strict(value)
            if len(names) < 1000:
                names[value] = name
        return name

    return remembered


_TEXT = Own("type({v}) is {0}", str)
_OWN: dict[Any, Own] = {
    GraphQLString: _TEXT,
    GraphQLID: _TEXT,
    GraphQLBoolean: Own("type({v}) is {0}", bool),
    GraphQLInt: Own("type({v}) is {0} and -2147483648 <= {v} <= 2147483647", int),
    GraphQLFloat: Own("type({v}) is {0} and {v} - {v} == 0", float),
}
"""The scalars of the specification."""


def expression(kind: Kind, value: str, strict: str, names: dict[str, Any]) -> str:
    """Python that completes the leaf in the variable ``value``. Puts what it mentions into ``names``.

    ``strict`` names the kind's coercion.
    """
    names[strict] = kind.strict
    own = _OWN.get(kind.type) or own_of(kind.type)
    if own is None:
        return f"{strict}({value})" if kind.non_null else f"(None if {value} is None else {strict}({value}))"
    things = {f"{strict}_{index}": thing for index, thing in enumerate(own.things)}
    names.update(things)
    check = own.check.format(*things, v=value)
    if kind.non_null:
        return f"({value} if {check} else {strict}({value}))"
    return f"({value} if {value} is None or {check} else {strict}({value}))"
