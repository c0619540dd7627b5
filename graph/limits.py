"""How much an operation may ask for: how many objects its answer could hold, worked out before anything is read.

One pass over the document, linear in its size: what a fragment counts is worked out once, wherever it is spread.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import get_variable_values

from graph.documents import Document
from graph.errors import limit_reached

MOST_OBJECTS = 100_000
UNPAGED_LIST = 10
"""What a list without pages counts as; those that the schema has are short, or made of roll-ups."""


def refusal(
    document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> GraphQLError | None:
    """Why an operation is too large; None where it is not."""
    found = document.once(("objects", id(operation)), lambda: _fixed(document, operation))
    if found is None:
        # As the executor will see them, defaults included. What is wrong with them it says itself.
        values = get_variable_values(document.schema, operation.variable_definitions or (), dict(variables))
        if isinstance(values, list):
            return None
        found = _Counter(document, values.coerced).of_operation(operation)
    if found <= MOST_OBJECTS:
        return None
    return limit_reached(f"The answer could hold {found:,} objects; at most {MOST_OBJECTS:,}. Ask for smaller pages.")


def _fixed(document: Document, operation: OperationDefinitionNode) -> int | None:
    """How many objects the answer could hold whatever the variables are; None where it depends on them."""
    counter = _Counter(document, {})
    found = counter.of_operation(operation)
    return None if counter.asked_for_variables else found


class _Counter:
    def __init__(self, document: Document, variables: Mapping[str, Any]) -> None:
        self._schema = document.schema
        self._variables = variables
        self._fragments = document.fragments
        self.asked_for_variables = False
        self._known: dict[str, int] = {}

    def of_operation(self, operation: Any) -> int:
        """How many objects the answer to an operation could hold."""
        return self._of(operation.selection_set, self._schema.get_root_type(operation.operation))

    def _of(self, selection_set: SelectionSetNode, parent: Any) -> int:
        return sum(self._of_selection(node, parent) for node in selection_set.selections)

    def _of_selection(self, node: Any, parent: Any) -> int:
        if isinstance(node, FieldNode):
            return self._of_field(node, parent)
        if isinstance(node, FragmentSpreadNode):
            return self._of_fragment(node.name.value)
        condition = node.type_condition
        return self._of(node.selection_set, self._schema.get_type(condition.name.value) if condition else parent)

    def _of_fragment(self, name: str) -> int:
        if name not in self._known:
            fragment = self._fragments[name]
            kind = self._schema.get_type(fragment.type_condition.name.value)
            self._known[name] = self._of(fragment.selection_set, kind)
        return self._known[name]

    def _of_field(self, node: FieldNode, parent: Any) -> int:
        field = parent.fields.get(node.name.value) if node.selection_set is not None else None
        if field is None or node.selection_set is None:  # a leaf, or introspection, which is bounded by the schema
            return 0
        kind = get_named_type(field.type)
        inner = self._of(node.selection_set, kind) if is_composite_type(kind) else 0
        return self._size(node, field, parent) * (1 + inner)

    def _size(self, node: FieldNode, field: Any, parent: Any) -> int:
        if "first" in field.args:
            given = {argument.name.value: argument.value for argument in node.arguments or ()}
            sizes = [self._number(given[name]) for name in ("first", "last") if name in given]
            return max([size for size in sizes if size is not None], default=field.args["first"].default_value or 1)
        of = field.type.of_type if is_non_null_type(field.type) else field.type
        # The lists of a connection are the page that its field counted.
        return UNPAGED_LIST if is_list_type(of) and not parent.name.endswith("Connection") else 1

    def _number(self, value: Any) -> int | None:
        found = None
        if isinstance(value, VariableNode):
            self.asked_for_variables = True
            found = self._variables.get(value.name.value)
        if isinstance(value, IntValueNode) and len(value.value) < 10:
            found = int(value.value)
        return max(found, 1) if isinstance(found, int) else None
