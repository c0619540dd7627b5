"""The shape of a document: how deep, how wide and how repetitive it is, told from the text alone.

This comes before validation, whose rules take much longer than their share on documents that were made to hurt. One pass, linear in the
document: each definition is walked once, wherever it is spread, without recursion. What is wrong with a document it does not say:
fragments that are missing or lead back to themselves count nothing here, and validation tells them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from graph.errors import limit_reached
from graph.operation_limits import OperationLimits

NESTED_PER_FIELD = 3
"""Selection sets within selection sets, those of fragments among them, for each level of fields that there may be."""
_MOST = 10**12
"""Where counting ends: numbers that double with each fragment would become slow themselves."""


class _Spread(NamedTuple):
    name: str
    depth: int
    nesting: int
    is_root: bool


@dataclass
class Shape:
    """What a definition counts, everything that it spreads included."""

    depth: int = 0
    nesting: int = 0
    root_fields: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    spreads: list[_Spread] = field(default_factory=list)
    visited: int = 0
    """Nodes that were looked at for it."""

    def add(self, other: "Shape", spread: _Spread) -> None:
        """Counts a fragment where it is spread."""
        self.depth = max(self.depth, spread.depth + other.depth)
        self.nesting = max(self.nesting, spread.nesting + other.nesting)
        if spread.is_root:
            self.root_fields = min(self.root_fields + other.root_fields, _MOST)
        self.fields = min(self.fields + other.fields, _MOST)
        self.aliases = min(self.aliases + other.aliases, _MOST)
        self.directives = min(self.directives + other.directives, _MOST)


def refusal(document: DocumentNode, limits: OperationLimits) -> GraphQLError | None:
    """Why a document is not looked at further; None where it is."""
    definitions = [node for node in document.definitions if isinstance(node, _EXECUTABLE)]
    if len(definitions) > limits.definitions:
        return _too_many("operations and fragments", len(definitions), limits.definitions)
    for node, shape in zip(definitions, shapes(definitions), strict=True):
        error = _problem(shape, limits, is_operation=isinstance(node, OperationDefinitionNode))
        if error is not None:
            return error
    return None


def shapes(definitions: Iterable[OperationDefinitionNode | FragmentDefinitionNode]) -> list[Shape]:
    """The shapes of operations and fragments, in their order."""
    found = [(node, _own(node)) for node in definitions]
    by_name = {node.name.value: shape for node, shape in found if isinstance(node, FragmentDefinitionNode)}
    complete: dict[str, Shape] = {}
    for name in _inner_first(by_name):
        _complete(by_name[name], complete)
        complete[name] = by_name[name]
    for node, shape in found:
        if not isinstance(node, FragmentDefinitionNode):
            _complete(shape, complete)
    return [shape for _, shape in found]


_EXECUTABLE = (OperationDefinitionNode, FragmentDefinitionNode)


def _problem(shape: Shape, limits: OperationLimits, *, is_operation: bool) -> GraphQLError | None:
    counted = (
        ("levels of fields", shape.depth, limits.depth),
        ("levels of braces", shape.nesting, limits.depth * NESTED_PER_FIELD),
        ("root fields", shape.root_fields if is_operation else 0, limits.root_fields),
        ("fields", shape.fields, limits.fields),
        ("aliases", shape.aliases, limits.aliases),
        ("directives", shape.directives, limits.directives),
    )
    return next((_too_many(what, number, most) for what, number, most in counted if number > most), None)


def _too_many(what: str, number: int, most: int) -> GraphQLError:
    told = f"{number:,}" if number < _MOST else f"over {_MOST:,}"
    return limit_reached(f"The document has {told} {what}; at most {most:,}.")


def _own(definition: Any) -> Shape:
    """What stands in a definition itself."""
    shape = Shape(directives=_directives(definition))
    for variable in definition.variable_definitions or ():
        shape.directives += _directives(variable)
    left: list[tuple[SelectionSetNode, int, int, bool]] = [(definition.selection_set, 1, 1, True)]
    while left:
        selection_set, depth, nesting, is_root = left.pop()
        shape.nesting = max(shape.nesting, nesting)
        for node in selection_set.selections:
            shape.visited += 1
            if node.directives:
                shape.directives += len(node.directives)
            if isinstance(node, FieldNode):
                _count_field(shape, node, depth, is_root)
                if node.selection_set is not None:
                    left.append((node.selection_set, depth + 1, nesting + 1, False))
            elif isinstance(node, FragmentSpreadNode):
                shape.spreads.append(_Spread(node.name.value, depth - 1, nesting, is_root))
            else:
                left.append((node.selection_set, depth, nesting + 1, is_root))  # type: ignore[attr-defined]
    return shape


def _count_field(shape: Shape, node: FieldNode, depth: int, is_root: bool) -> None:
    shape.depth = max(shape.depth, depth)
    shape.fields += 1
    shape.root_fields += is_root
    shape.aliases += node.alias is not None


def _directives(node: Any) -> int:
    return len(node.directives or ())


def _complete(shape: Shape, complete: Mapping[str, Shape]) -> None:
    for spread in shape.spreads:
        inner = complete.get(spread.name)
        if inner is not None:
            shape.add(inner, spread)
    shape.visited += len(shape.spreads)


def _inner_first(by_name: Mapping[str, Shape]) -> Iterator[str]:
    """The names of fragments, each after those that it spreads. One that leads back to itself comes where it is found."""
    begun: set[str] = set()
    for root in by_name:
        if root in begun:
            continue
        begun.add(root)
        path = [(root, iter(by_name[root].spreads))]
        while path:
            name, spreads = path[-1]
            inner = next(
                (spread.name for spread in spreads if spread.name in by_name and spread.name not in begun), None
            )
            if inner is None:
                path.pop()
                yield name
            else:
                begun.add(inner)
                path.append((inner, iter(by_name[inner].spreads)))
