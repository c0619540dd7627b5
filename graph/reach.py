"""How far a credential without the scope read gets: to the thing itself, and not through it to others.

A payload answers what was changed, and ``viewer`` the workspace. From there the graph goes on to everything: the campaign
of a like, that campaign's spend, other people's impressions.
"""

from collections.abc import Iterator
from typing import Any

from graphql import FieldNode, FragmentSpreadNode, GraphQLSchema, SelectionSetNode, get_named_type, is_composite_type

_VALUES = frozenset({"Actor", "ContentTag", "Money", "Performance", "PostFigures", "ResolvedWindow", "Suppression"})
"""Objects that are part of the thing whose field they are."""


def beyond(schema: GraphQLSchema, document: Any, operation: Any) -> Iterator[tuple[FieldNode, str]]:
    """The fields of an operation that lead on from one thing to others, each with its coordinate."""
    fragments = {d.name.value: d for d in document.definitions if d.kind == "fragment_definition"}
    seen: set[str] = set()
    left: list[tuple[SelectionSetNode, Any]] = [(operation.selection_set, schema.get_root_type(operation.operation))]
    while left:
        selection_set, parent = left.pop()
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                field = parent.fields.get(node.name.value)
                kind = get_named_type(field.type) if field is not None else None
                if node.selection_set is None or not is_composite_type(kind):
                    continue
                if _is_node(parent) and kind.name not in _VALUES:
                    yield node, f"{parent.name}.{node.name.value}"
                left.append((node.selection_set, kind))
            elif isinstance(node, FragmentSpreadNode):
                # Each fragment once, so that fragments of fragments stay linear.
                if node.name.value not in seen:
                    seen.add(node.name.value)
                    fragment = fragments[node.name.value]
                    left.append((fragment.selection_set, schema.get_type(fragment.type_condition.name.value)))
            else:
                condition = node.type_condition  # type: ignore[attr-defined]
                inner = schema.get_type(condition.name.value) if condition else parent
                left.append((node.selection_set, inner))  # type: ignore[attr-defined]


def _is_node(kind: Any) -> bool:
    return kind.name == "Node" or any(one.name == "Node" for one in getattr(kind, "interfaces", ()))
