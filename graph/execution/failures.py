"""Errors of fields: what they make null, and which of them the stock executor would have reported.

It comes to fields in depth, one after another, and never comes to those beside one whose error has already made their
object null. So errors are put in that order at the end, and those below what an earlier one made null are left out.
"""

from dataclasses import dataclass

from graphql import GraphQLError
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path

from graph.execution.slots import Place, Slots


@dataclass
class _Failure:
    turn: int
    order: tuple[int, ...]
    error: GraphQLError
    nulled: Path | None


class Failures:
    """The errors of one execution."""

    def __init__(self, *, propagate: bool) -> None:
        self._propagate = propagate
        self._found: list[_Failure] = []
        self.nulled: dict[Place, int] = {}
        """The places that an error below them made null, and in which turn."""
        self.root_is_null = False

    def add(self, slots: Slots, index: int, error: GraphQLError) -> None:
        """Takes an error of a place, and makes null what it makes null."""
        place: Place | None = (slots, index)
        while place is not None and self._propagate and place[0].kind.non_null:
            place = place[0].above(place[1])
        if place is None:
            self.root_is_null = True
        else:
            place[0].put(place[1], None)
            if place != (slots, index):
                self.nulled.setdefault(place, slots.turn)
        path = None if place is None else place[0].path(place[1])
        self._found.append(_Failure(slots.turn, slots.order(index), error, path))

    def add_below(self, slots: Slots, index: int, error: GraphQLError, path: Path | None) -> None:
        """Takes an error that the stock executor found somewhere below a place."""
        self._found.append(_Failure(slots.turn, slots.order(index), error, path))

    def is_nulled(self, slots: Slots, index: int, before: int | None = None) -> bool:
        """Whether a place is below one that was made null; with ``before``, in an earlier turn."""
        if self.root_is_null and before is None:
            return True
        place: Place | None = (slots, index) if self.nulled else None
        while place is not None:
            turn = self.nulled.get(place)
            if turn is not None and (before is None or turn < before):
                return True
            place = place[0].above(place[1])
        return False

    def collected(self) -> CollectedErrors:
        """What is reported."""
        collected = CollectedErrors()
        if not self._found:
            return collected
        # Sorting is stable: errors of one place stay in the order in which they were found.
        for failure in sorted(self._found, key=lambda found: (found.turn, found.order)):
            collected.add(failure.error, failure.nulled)
        return collected


class Below(CollectedErrors):
    """Collects for a part of the answer that the stock executor completes."""

    def __init__(self, failures: Failures, slots: Slots, index: int) -> None:
        super().__init__()
        self._failures, self._slots, self._index = failures, slots, index

    def add(self, error: GraphQLError, path: Path | None) -> None:
        """Takes an error, unless its place is null already."""
        known = len(self.errors)
        super().add(error, path)
        if len(self.errors) > known:
            self._failures.add_below(self._slots, self._index, error, path)
