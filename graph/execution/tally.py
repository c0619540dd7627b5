"""How many objects an execution answers, for whoever wants to know what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graph.execution.plan import FieldPlan, SelectionPlan


class Tally:
    """Counts as it goes: one entry for each level, whatever is in it."""

    __slots__ = ("is_complete", "levels", "written")

    def __init__(self) -> None:
        self.is_complete = True
        """Whether all was counted: not what was left to the stock executor."""
        self.levels: list[tuple[SelectionPlan, int]] = []
        """What was selected of how many objects. The first is the root."""
        self.written: list[tuple[FieldPlan, int, int]] = []
        """Of fields whose values came complete, how many those are, and how many objects of lists they say they hold."""
