"""What an operation costs: worked out before it runs, from its page sizes multiplied along the way, and counted when it is answered.

A selection set becomes two sums: what an object costs, and, of a connection, what each row of its page costs. What does not depend on
variables is added up once for a document; what does is a product that is left to the request. Fragments are worked out once, wherever they
are spread. The walks go as deep as a document may be; graph/shapes.py has bounded that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from graph import weights
from graph.documents import Document
from graph.introspected import introspected_lists

Variables = Mapping[str, Any]
Factor = Callable[[Variables], int] | int
"""How often something is there, or how that follows from the variables."""
_MOST = 10**15
"""Where counting ends."""
_LARGEST = 2**31 - 1
_BIGGEST_PAGE = 100


class Cost(NamedTuple):
    """What an operation costs before it runs."""

    objects: int
    """How many objects its answer could hold."""
    always: int
    """What it costs whatever is answered."""
    requested: int
    """What the largest answer costs, and what is charged at first."""


@dataclass
class Sum:
    """Objects and their cost, and products that depend on variables."""

    objects: int = 0
    cost: int = 0
    products: list[tuple[Factor, "Sum"]] = field(default_factory=list)

    def add(self, other: "Sum", factor: Factor = 1) -> None:
        """Adds something as often as it is there."""
        if isinstance(factor, int) and not other.products:
            self.objects = min(self.objects + factor * other.objects, _MOST)
            self.cost = min(self.cost + factor * other.cost, _MOST)
        else:
            self.products.append((factor, other))

    def of(self, variables: Variables, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Objects and cost with these variables. ``known``: the sums that were worked out already."""
        if not self.products:
            return self.objects, self.cost
        found = known.get(id(self))
        if found is None:
            objects, cost = self.objects, self.cost
            for factor, other in self.products:
                times = factor if isinstance(factor, int) else factor(variables)
                inner = other.of(variables, known)
                objects, cost = objects + times * inner[0], cost + times * inner[1]
            found = known[id(self)] = min(objects, _MOST), min(cost, _MOST)
        return found


@dataclass
class _Parts:
    """What a selection set costs: for each object, and for each row where the object is a connection."""

    fixed: Sum = field(default_factory=Sum)
    rows: Sum = field(default_factory=Sum)

    def add(self, other: "_Parts") -> None:
        self.fixed.add(other.fixed)
        self.rows.add(other.rows)


def cost_of(document: Document, operation: OperationDefinitionNode, variables: Variables) -> Cost:
    """What an operation of a valid document costs with these variables, as the client sent them."""
    always, answer, constant = document.once(("cost", id(operation)), lambda: _sums(document, operation))
    if constant is not None:
        return constant
    known: dict[int, tuple[int, int]] = {}
    objects, cost = answer.of(variables, known)
    whatever = always.of(variables, known)[1]
    return Cost(objects, whatever, whatever + cost)


def _sums(document: Document, operation: OperationDefinitionNode) -> tuple[Sum, Sum, Cost | None]:
    always = Sum(cost=weights.OPERATIONS[operation.operation])
    counter = _Counter(document, operation)
    if operation.operation == OperationType.MUTATION:
        for node in _root_fields(document, operation.selection_set):
            for argument in node.arguments or ():
                counter.add_items(argument.value, always)
    answer = counter.of_operation(operation)
    is_constant = not always.products and not answer.products
    return always, answer, Cost(answer.objects, always.cost, always.cost + answer.cost) if is_constant else None


def _root_fields(document: Document, selection_set: SelectionSetNode) -> list[FieldNode]:
    found: list[FieldNode] = []
    seen: set[str] = set()
    left = [selection_set]
    while left:
        for node in left.pop().selections:
            if isinstance(node, FieldNode):
                found.append(node)
            elif not isinstance(node, FragmentSpreadNode):
                left.append(node.selection_set)  # type: ignore[attr-defined]
            elif node.name.value not in seen:
                seen.add(node.name.value)
                left.append(document.fragments[node.name.value].selection_set)
    return found


class _Counter:
    def __init__(self, document: Document, operation: OperationDefinitionNode) -> None:
        self._schema: GraphQLSchema = document.schema
        self._fragments = document.fragments
        self._known: dict[str, _Parts] = {}
        self._defaults = {
            one.variable.name.value: one.default_value
            for one in operation.variable_definitions or ()
            if one.default_value
        }
        self._introspected = introspected_lists(document.schema)

    def of_operation(self, operation: OperationDefinitionNode) -> Sum:
        """What the answer to an operation could cost."""
        return self._of(operation.selection_set, self._schema.get_root_type(operation.operation)).fixed

    def add_items(self, value: Any, to: Sum) -> None:
        """Adds what an argument of a mutation brings: the items of lists, and of those in an object."""
        item = Sum(cost=weights.ITEM)
        for part in (value, *(one.value for one in value.fields)) if isinstance(value, ObjectValueNode) else (value,):
            if isinstance(part, ListValueNode):
                to.add(item, len(part.values))
            elif isinstance(part, VariableNode):
                to.add(item, _items_of(part.name.value))

    def _of(self, selection_set: SelectionSetNode, parent: Any) -> _Parts:
        parts = _Parts()
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                self._add_field(node, parent, parts)
            elif isinstance(node, FragmentSpreadNode):
                parts.add(self._of_fragment(node.name.value))
            else:
                condition = node.type_condition  # type: ignore[attr-defined]
                inner = self._schema.get_type(condition.name.value) if condition else parent
                parts.add(self._of(node.selection_set, inner))  # type: ignore[attr-defined]
        return parts

    def _of_fragment(self, name: str) -> _Parts:
        if name not in self._known:
            fragment = self._fragments[name]
            self._known[name] = self._of(
                fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value)
            )
        return self._known[name]

    def _add_field(self, node: FieldNode, parent: Any, parts: _Parts) -> None:
        name = node.name.value
        definition = self._schema.get_field(parent, name)
        if definition is None:
            return
        parts.fixed.cost += own_weight(name, node)
        kind = get_named_type(definition.type)
        if node.selection_set is None or not is_composite_type(kind):
            return
        inner = self._of(node.selection_set, kind)
        one = Sum(1, object_weight(kind.name))
        one.add(inner.fixed)
        if is_connection(kind):
            one.add(inner.rows, self._page(node, definition))
        if is_connection(parent) and _is_list(definition.type):
            parts.rows.add(one)
        else:
            parts.fixed.add(one, self._size(node, definition, parent))

    def _size(self, node: FieldNode, definition: Any, parent: Any) -> Factor:
        if not _is_list(definition.type):
            return 1
        if "first" in definition.args:
            return self._page(node, definition)
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if "ids" in definition.args:
            return self._length(given.get("ids"))
        if "weeks" in definition.args:
            return self._number(given.get("weeks"), definition.args["weeks"].default_value)
        coordinate = f"{parent.name}.{node.name.value}"
        return self._introspected.get(coordinate) or weights.LISTS.get(coordinate, weights.ANY_LIST)

    def _page(self, node: FieldNode, definition: Any) -> Factor:
        argument = definition.args.get("first")
        usual = (
            argument.default_value
            if argument is not None and isinstance(argument.default_value, int)
            else _BIGGEST_PAGE
        )
        given = [one.value for one in node.arguments or () if one.name.value in ("first", "last")]
        sizes = [self._number(value, usual) for value in given] or [usual]
        numbers = [size for size in sizes if isinstance(size, int)]
        if len(numbers) == len(sizes):
            return max(numbers)
        # A variable may be left out, or null: then the usual size counts.
        return lambda variables: max(size if isinstance(size, int) else size(variables) for size in sizes)

    def _number(self, value: Any, usual: int) -> Factor:
        if isinstance(value, IntValueNode):
            return _as_number(int(value.value) if len(value.value) < 11 else None, usual)
        if not isinstance(value, VariableNode):
            return usual
        name, default = value.name.value, self._defaults.get(value.name.value)
        otherwise = (
            _as_number(int(default.value), usual)
            if isinstance(default, IntValueNode) and len(default.value) < 11
            else usual
        )
        return lambda variables: _as_number(variables.get(name, otherwise), usual)

    def _length(self, value: Any) -> Factor:
        if isinstance(value, ListValueNode):
            return len(value.values)
        if not isinstance(value, VariableNode):
            return 1
        name, default = value.name.value, self._defaults.get(value.name.value)
        otherwise = [None] * (len(default.values) if isinstance(default, ListValueNode) else 1)
        return lambda variables: _length_of(variables.get(name, otherwise))


def object_weight(type_name: str) -> int:
    """What an object costs by itself."""
    return 1 + weights.OBJECTS.get(type_name, 0)


def own_weight(name: str, node: FieldNode) -> int:
    """What a field costs beside the objects that it answers."""
    return weights.FIELDS.get(name, 0) + (weights.SEARCH if node.arguments and _searches(node) else 0)


def is_connection(kind: Any) -> bool:
    """Whether a type is a page of a list."""
    name: str = kind.name
    return name.endswith("Connection")


def _searches(node: FieldNode) -> bool:
    for argument in node.arguments or ():
        if argument.name.value == "filter":
            value = argument.value
            # What is in a variable is not looked at: then it is taken for the dearer one.
            return isinstance(value, VariableNode) or any(
                one.name.value == "search" for one in getattr(value, "fields", ())
            )
    return False


def _is_list(kind: Any) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _as_number(value: Any, usual: int) -> int:
    """A page size as GraphQL reads it: whole floats are numbers. What is none is told by who coerces it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value > _LARGEST:
        return usual
    return max(value, 1)


def _length_of(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


def _items_of(name: str) -> Factor:
    def count(variables: Variables) -> int:
        value = variables.get(name)
        values = value.values() if isinstance(value, dict) else (value,)
        return sum(len(one) for one in values if isinstance(one, list))

    return count
