"""What an operation selects below a field, so that a statement reads only the columns that are asked for."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, SelectionNode, VariableNode
from strawberry import Info

from graph.execution import FieldNodes

_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """A field's name as Python spells it."""
    return _HUMP.sub("_", name).lower()


class Selection:
    """The fields selected on one object, whatever fragments they come through and whatever their aliases.

    Fields that @skip or @include leave out do not count. Type conditions are taken as met: what is selected
    for a type that does not turn up is at most a column too many.
    """

    def __init__(self, fragments: Mapping[str, Any], variables: Mapping[str, Any], nodes: Iterable[FieldNode]) -> None:
        self._fragments = fragments
        self._variables = variables
        self._below: dict[str, list[FieldNode]] = {}
        self._under: dict[str, Selection] = {}
        for node in nodes:
            if node.selection_set is not None:
                for field in self._fields(node.selection_set.selections, set()):
                    self._below.setdefault(field.name.value, []).append(field)

    @cached_property
    def names(self) -> frozenset[str]:
        """The selected fields, in snake case."""
        return frozenset(snake(name) for name in self._below)

    def under(self, name: str) -> "Selection":
        """What is selected below one of the fields, named as in the schema. Empty where it is not selected."""
        found = self._under.get(name)
        if found is None:
            found = self._under[name] = Selection(self._fragments, self._variables, self._below.get(name, ()))
        return found

    def _fields(self, selections: Iterable[SelectionNode], seen: set[str]) -> Iterator[FieldNode]:
        for node in selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                # Each fragment once: what spreads others twice, and so on, would double at every step.
                if node.name.value not in seen:
                    seen.add(node.name.value)
                    yield from self._fields(self._fragments[node.name.value].selection_set.selections, seen)
            else:
                yield from self._fields(node.selection_set.selections, seen)  # type: ignore[attr-defined]

    def _is_included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                [argument] = directive.arguments or ()
                condition = argument.value
                held = (
                    self._variables.get(condition.name.value)
                    if isinstance(condition, VariableNode)
                    else getattr(condition, "value", False)
                )
                if bool(held) == (directive.name.value == "skip"):
                    return False
        return True


def selection_of(info: Info[Any, Any]) -> Selection:
    """What is selected below the field that is being resolved. Worked out once for each plan."""
    raw = info._raw_info  # noqa: SLF001 - the wrapped info has no public way to the nodes
    nodes = raw.field_nodes
    if not isinstance(nodes, FieldNodes):
        return Selection(raw.fragments, info.variable_values, nodes)
    found: Selection | None = nodes.memo.get(Selection)
    if found is None:
        # Of the variables no more than what decides about the plan: it outlives the request.
        found = nodes.memo[Selection] = Selection(raw.fragments, nodes.plan.conditions, nodes)
    return found
