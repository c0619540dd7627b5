"""Where values go in the answer. Paths and positions are worked out only when somebody asks.

A ``Slots`` is one place for each of several values: a field of all objects of a level, or the items of its lists.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphql.pyutils import Path

from graph.execution.kinds import Kind

if TYPE_CHECKING:
    from graph.execution.plan import FieldPlan, SelectionPlan

Place = tuple["Slots", int]


class Level:
    """Objects of one type that are answered together: their sources, and where their answers go."""

    __slots__ = ("_paths", "columns", "outs", "plan", "positions", "slots", "sources", "turn")

    def __init__(
        self,
        plan: "SelectionPlan",
        sources: Sequence[Any],
        slots: "Slots | None",
        positions: list[int] | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> None:
        self.plan = plan
        self.sources = sources
        self.slots = slots
        """None for the root."""
        self.positions = positions
        """The place in ``slots`` of each object; None where they are all, in order."""
        self.columns = columns
        """What each source consists of, if it can be unpacked."""
        self.turn = 0 if slots is None else slots.turn
        self.outs: list[dict[str, Any]] = []
        self._paths: dict[int, Path | None] = {}

    def place(self, index: int) -> Place | None:
        """Where an object goes; None for the root."""
        if self.slots is None:
            return None
        return self.slots, index if self.positions is None else self.positions[index]

    def known_path(self, index: int) -> Path | None:
        """The path of an object, if somebody has asked for it."""
        return self._paths.get(index)

    def path(self, index: int) -> Path | None:
        """The path of an object; None for the root."""
        if index not in self._paths:
            place = self.place(index)
            self._paths[index] = None if place is None else place[0].path(place[1])
        return self._paths[index]


class Slots:
    """One place in the answer for each of several values of a kind."""

    __slots__ = ("field", "kind", "turn")

    field: "FieldPlan"
    kind: Kind
    turn: int
    """How many awaitables in a row these values come after."""

    def put(self, index: int, value: Any) -> None:
        """Puts a completed value in its place."""
        raise NotImplementedError

    def put_all(self, values: Sequence[Any], positions: list[int] | None) -> None:
        """Puts completed values in their places: all of them, or those of the positions."""
        for index, value in zip(range(len(values)) if positions is None else positions, values, strict=True):
            self.put(index, value)

    def above(self, index: int) -> Place | None:
        """The place that holds a place: an item's list, or a field's object. None: the root."""
        raise NotImplementedError

    def step(self, index: int) -> tuple[Place | None, str | int, str | None, int]:
        """The last step of a place's path: what it is below, its key, its type's name, its position among siblings."""
        raise NotImplementedError

    def owner(self, index: int) -> tuple[Level, int]:
        """The object whose field a place belongs to."""
        raise NotImplementedError

    def path(self, index: int) -> Path:
        """The path of a place."""
        steps: list[tuple[str | int, str | None]] = []
        place: Place | None = (self, index)
        above: Path | None = None
        while place is not None and above is None:
            slots, at = place
            place, key, typename, _ = slots.step(at)
            steps.append((key, typename))
            above = slots.known_above(at)  # so that a long way is not gone again for each step of it
        for key, typename in reversed(steps):
            above = Path(above, key, typename)
        assert above is not None  # noqa: S101 - for the type checker: there is at least one step
        return above

    def known_above(self, _index: int) -> Path | None:
        """The path of what holds a place, if it is known already."""
        return None

    def order(self, index: int) -> tuple[int, ...]:
        """Sorts places as an executor that goes into depth comes to them."""
        found: list[int] = []
        place: Place | None = (self, index)
        while place is not None:
            place, _, _, position = place[0].step(place[1])
            found.append(position)
        return tuple(reversed(found))


class FieldSlots(Slots):
    """A field of all objects of a level."""

    __slots__ = ("level",)

    def __init__(self, level: Level, field: "FieldPlan") -> None:
        self.level = level
        self.field = field
        self.kind = field.kind
        self.turn = level.turn

    def put(self, index: int, value: Any) -> None:
        self.level.outs[index][self.field.key] = value

    def put_all(self, values: Sequence[Any], positions: list[int] | None) -> None:
        key, outs = self.field.key, self.level.outs
        if positions is None:
            for out, value in zip(outs, values, strict=True):
                out[key] = value
        else:
            for index, value in zip(positions, values, strict=True):
                outs[index][key] = value

    def above(self, index: int) -> Place | None:
        return self.level.place(index)

    def known_above(self, index: int) -> Path | None:
        return self.level.known_path(index)

    def step(self, index: int) -> tuple[Place | None, str | int, str | None, int]:
        return self.level.place(index), self.field.key, self.field.parent_type.name, self.field.index

    def owner(self, index: int) -> tuple[Level, int]:
        return self.level, index


class ItemSlots(Slots):
    """The items of the lists that stand in some places."""

    __slots__ = ("lists", "parents", "slots", "starts")

    def __init__(self, kind: Kind, slots: Slots, parents: list[int], lists: list[list[Any]], starts: list[int]) -> None:
        self.kind = kind
        self.field = slots.field
        self.turn = slots.turn
        self.slots = slots
        self.parents = parents
        """The place of each list in ``slots``."""
        self.lists = lists
        self.starts = starts
        """The place of each list's first item."""

    def put(self, index: int, value: Any) -> None:
        n = bisect_right(self.starts, index) - 1
        self.lists[n][index - self.starts[n]] = value

    def put_all(self, values: Sequence[Any], positions: list[int] | None) -> None:
        if positions is not None:
            super().put_all(values, positions)
            return
        for found, start in zip(self.lists, self.starts, strict=True):
            found[:] = values[start : start + len(found)]

    def above(self, index: int) -> Place | None:
        return self.slots, self.parents[bisect_right(self.starts, index) - 1]

    def step(self, index: int) -> tuple[Place | None, str | int, str | None, int]:
        n = bisect_right(self.starts, index) - 1
        position = index - self.starts[n]
        return (self.slots, self.parents[n]), position, None, position

    def owner(self, index: int) -> tuple[Level, int]:
        slots, place = self.above(index)  # type: ignore[misc]
        return slots.owner(place)
