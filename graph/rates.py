"""Numbers that are computed from others of the same row. They say from which, so that PostgreSQL can do the same."""

from dataclasses import dataclass
from typing import Any

from db.rates import percent


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
