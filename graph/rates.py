"""Numbers that are computed from others of the same row. They say from which, so that PostgreSQL can do the same."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types.base import get_object_definition

from db.rates import percent
from graph.execution import Plain
from graph.scalars import BigInt
from graph.selection import Selection


@dataclass(frozen=True)
class Total:
    """The sum of some numbers."""

    parts: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The numbers that it is computed from."""
        return self.parts

    def __call__(self, row: Any) -> int:
        """The sum in a row."""
        return sum(getattr(row, name) for name in self.parts)


@dataclass(frozen=True)
class Rate:
    """How much of a number the sum of some others is, in percent; null where there is nothing to divide by."""

    parts: tuple[str, ...]
    whole: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The numbers that it is computed from."""
        return (*self.parts, self.whole)

    def __call__(self, row: Any) -> float | None:
        """The rate in a row."""
        return percent(sum(getattr(row, name) for name in self.parts), getattr(row, self.whole))


def rate(parts: Sequence[str], whole: str, *, description: str) -> Any:
    """A field that says how much of a number the sum of some others is, in percent."""
    found = Rate(tuple(parts), whole)

    def resolve(root: strawberry.Parent[Any]) -> float | None:
        return found(root)

    return _computed(resolve, found, description, None)


def total(parts: Sequence[str], *, description: str, deprecation_reason: str | None = None) -> Any:
    """A field that is the sum of some numbers."""
    found = Total(tuple(parts))

    def resolve(root: strawberry.Parent[Any]) -> BigInt:
        return BigInt(found(root))

    return _computed(resolve, found, description, deprecation_reason)


def _computed(resolve: Any, found: Rate | Total, description: str, deprecation_reason: str | None) -> Any:
    resolve.hint = Plain(found)
    return strawberry.field(resolver=resolve, description=description, deprecation_reason=deprecation_reason)


class Numbers:
    """Which numbers the fields of a type are computed from.

    ``needs``: of fields that are neither the number of their own name, nor a sum or a rate.
    """

    def __init__(self, kind: type[Any], needs: Mapping[str, tuple[str, ...]]) -> None:
        self._fields = {field.python_name: field for field in get_object_definition(kind, strict=True).fields}
        self._needs = needs

    def of(self, selected: Selection) -> frozenset[str]:
        """The numbers that a selection needs."""
        return frozenset(number for name in selected.names for number in self._of_field(name))

    def _of_field(self, name: str) -> Collection[str]:
        if name not in self._fields:
            return ()  # __typename
        resolver = self._fields[name].base_resolver
        found = getattr(resolver.wrapped_func, "hint", None) if resolver is not None else None
        computed = found.function if isinstance(found, Plain) else None
        return computed.needs if isinstance(computed, Rate | Total) else self._needs.get(name, (name,))
