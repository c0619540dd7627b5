"""Plans: what an operation asks for, worked out once for all of its executions, and only as far as values turn up."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

from graphql import (
    DefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeNameMetaFieldDef,
    VariableNode,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet, collect_fields, collect_subfields
from graphql.execution.executor import Executor, default_field_resolver
from graphql.execution.values import VariableValues, get_argument_values

from graph.execution.builders import Builder, builder
from graph.execution.hints import Attribute, Call, Constant, Plain, hint_of
from graph.execution.kinds import Kind, Solid

_CONDITIONS = ("skip", "include")
_INCREMENTAL = ("defer", "stream")
_CONSTANT = (str, int, float, bool, Enum, type(None))


class FieldNodes(list[FieldNode]):
    """The nodes of a field as ``info`` has them. They live as long as the plan.

    What depends on them and on the schema alone may be kept in ``memo``: the plan stands for one choice of what @skip
    and @include leave out.
    """

    def __init__(self, nodes: Iterable[FieldNode], plan: "FieldPlan") -> None:
        super().__init__(nodes)
        self.plan = plan
        """The field, and by it what is selected below."""
        self.memo: dict[Any, Any] = {}


class FieldPlan:
    """A field of a selection set on one type."""

    def __init__(
        self, plan: "Plan", parent_type: GraphQLObjectType, key: str, details: FieldDetailsList, field: GraphQLField
    ) -> None:
        self._plan = plan
        self.key = key
        self.index = 0
        """The position in the selection set."""
        self.parent_type = parent_type
        self.details = details
        self.nodes = FieldNodes((detail.node for detail in details), self)
        self.definition = field
        self.kind = Kind(field.type, plan.solid)
        self.hint = Constant(parent_type.name) if field is TypeNameMetaFieldDef else hint_of(field)
        resolve = self.hint.function if isinstance(self.hint, Call) else field.resolve
        self.resolve: Callable[..., Any] = resolve or plan.field_resolver
        self.is_default = self.resolve is default_field_resolver
        self.is_pure = isinstance(self.hint, Attribute | Plain | Constant)
        self.runtime_types: dict[tuple[Any, str], GraphQLObjectType] = {}
        """The object types by the names that values of an abstract type were found to have."""
        self._arguments: dict[str, Any] | None = None if _has_arguments(self) else {}
        self._selections: dict[GraphQLObjectType, SelectionPlan] = {}

    @property
    def conditions(self) -> dict[str, Any]:
        """The variables that decide about the plan, and their values."""
        return self._plan.conditions

    @property
    def has_fixed_arguments(self) -> bool:
        """Whether the arguments are the same in every execution. Known once they were asked for."""
        return self._arguments is not None

    def arguments(self, executor: Executor[Any]) -> dict[str, Any]:
        """The arguments for this execution. Raises GraphQLError."""
        if self._arguments is not None:
            return self._arguments
        node = self.nodes[0]
        found = get_argument_values(self.definition, node, executor.variable_values, None, executor.hide_suggestions)
        if all(isinstance(value, _CONSTANT) for value in found.values()) and not _has_variables(node):
            self._arguments = found
        return found

    def selection(self, object_type: GraphQLObjectType) -> "SelectionPlan":
        """What is selected of an object of this type. Raises GraphQLError."""
        found = self._selections.get(object_type)
        if found is None:
            found = self._selections[object_type] = self._plan.selection(object_type, self.details)
        return found


class SelectionPlan:
    """What is selected of an object of one type."""

    def __init__(self, plan: "Plan", object_type: GraphQLObjectType, grouped: GroupedFieldSet) -> None:
        self.type = object_type
        self.fields: list[FieldPlan] = []
        for key, details in grouped.items():
            field = plan.schema.get_field(object_type, details[0].node.name.value)
            if field is not None:
                self.fields.append(FieldPlan(plan, object_type, key, details, field))
        plan.size += len(self.fields)
        for index, planned in enumerate(self.fields):
            planned.index = index
        self.built: list[FieldPlan] = []
        """The fields that a generated function answers for a whole level."""
        self.resolved: list[FieldPlan] = []
        for planned in self.fields:
            is_built = planned.is_pure and planned.kind.form == "leaf"
            (self.built if is_built else self.resolved).append(planned)
        self.empty: dict[str, Any] = dict.fromkeys(field.key for field in self.fields)
        self._builders: dict[tuple[str, ...] | None, Builder] = {}
        self._objects = 0
        self.memo: dict[Any, Any] = {}
        """What others worked out about it, as for FieldNodes."""

    def builder(self, columns: tuple[str, ...] | None, objects: int) -> Builder | None:
        """The generated function, or None as long as so few objects came by that it does not pay to make one."""
        if not self.built or len(self.fields) > _MOST_BUILT:
            return None
        self._objects += objects
        if self._objects < _WORTHWHILE:
            return None
        found = self._builders.get(columns)
        if found is None:
            found = self._builders[columns] = builder(self.fields, columns)
        return found


_WORTHWHILE = 16
_MOST_BUILT = 200
"""Fields of a generated function: its text and code are kept, and nobody else should pay for a page of aliases."""


class Plan:
    """An operation, for one choice of what @skip and @include leave out."""

    def __init__(self, executor: Executor[Any], conditions: frozenset[str], solid: Solid) -> None:
        self.schema: GraphQLSchema = executor.schema
        self.field_resolver = executor.field_resolver
        self.solid = solid
        self._operation = executor.operation
        self._fragments = executor.fragments
        self._hide_suggestions = executor.hide_suggestions
        given = executor.variable_values
        # No more of the variables than what decides about the plan: it outlives the request.
        self._variables = VariableValues(
            {name: source for name, source in given.sources.items() if name in conditions},
            {name: value for name, value in given.coerced.items() if name in conditions},
        )
        self._selections: dict[Any, SelectionPlan] = {}
        self.size = 0
        """Planned fields."""

    @property
    def conditions(self) -> dict[str, Any]:
        """The variables that decide about the plan, and their values."""
        return self._variables.coerced

    def root(self, root_type: GraphQLObjectType) -> SelectionPlan:
        """What is selected of the root. Raises GraphQLError."""
        found = self._selections.get(root_type)
        if found is None:
            grouped = collect_fields(
                self.schema, self._fragments, self._variables, root_type, self._operation, self._hide_suggestions
            ).grouped_field_set
            found = self._selections[root_type] = SelectionPlan(self, root_type, grouped)
        return found

    def selection(self, object_type: GraphQLObjectType, details: FieldDetailsList) -> SelectionPlan:
        """What is selected of an object of a field. The same nodes share it, however many ways lead to them."""
        key = (object_type, *(id(detail.node) for detail in details))
        found = self._selections.get(key)
        if found is None:
            grouped = collect_subfields(
                self.schema,
                self._fragments,
                self._variables,
                self._operation,
                object_type,
                details,
                self._hide_suggestions,
            ).grouped_field_set
            found = self._selections[key] = SelectionPlan(self, object_type, grouped)
        return found


class Plans:
    """The plans of the operations in a document, or in some definitions of it."""

    _MOST = 16
    _MOST_FIELDS = 4_000
    """Planned fields of all plans that are kept, beside the newest plan's."""

    def __init__(self, definitions: Iterable[DefinitionNode]) -> None:
        self._conditions: set[str] = set()
        self.is_covered = True
        """Whether there is nothing that is left to the stock executor."""
        for node in _nodes(definitions):
            self._look_at(node)
        self._plans: OrderedDict[Any, Plan] = OrderedDict()

    def _look_at(self, node: Any) -> None:
        if isinstance(node, FragmentDefinitionNode) and node.variable_definitions:
            self.is_covered = False
        for directive in getattr(node, "directives", None) or ():
            if directive.name.value in _INCREMENTAL:
                self.is_covered = False
            if directive.name.value in _CONDITIONS:
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        self._conditions.add(argument.value.name.value)

    def of(self, executor: Executor[Any]) -> Plan:
        """The plan for an execution."""
        choices: tuple[Any, ...] = ()
        if self._conditions:
            coerced = executor.variable_values.coerced
            choices = tuple((name, coerced.get(name)) for name in sorted(self._conditions))
        ways = (executor.schema, executor.is_awaitable, executor.field_resolver, executor.hide_suggestions)
        key = (id(executor.operation), choices, *ways)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(executor, frozenset(self._conditions), Solid(executor.is_awaitable))
            while len(self._plans) > 1 and (len(self._plans) > self._MOST or self._fields() > self._MOST_FIELDS):
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return plan

    def _fields(self) -> int:
        return sum(plan.size for plan in self._plans.values())


class PlansOfOperations:
    """The plans of the operations that were executed last, for callers that keep none themselves."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._known: OrderedDict[int, tuple[OperationDefinitionNode, Plans]] = OrderedDict()

    def of(self, executor: Executor[Any]) -> Plans:
        """The plans of an operation, which is told by its identity."""
        operation = executor.operation
        found = self._known.get(id(operation))
        if found is None:
            plans = Plans([operation, *executor.fragment_definitions.values()])
            found = self._known[id(operation)] = (operation, plans)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(id(operation))
        return found[1]


def _has_arguments(field: FieldPlan) -> bool:
    return bool(field.definition.args or field.nodes[0].arguments)


def _has_variables(node: FieldNode) -> bool:
    return any(
        isinstance(found, VariableNode) for argument in node.arguments or () for found in _values(argument.value)
    )


def _values(node: Any) -> Iterator[Any]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(getattr(node, "values", None) or ())
        waiting.extend(field.value for field in getattr(node, "fields", None) or ())


def _nodes(definitions: Iterable[DefinitionNode]) -> Iterator[Any]:
    """The definitions and every selection in them."""
    waiting: list[Any] = list(definitions)
    while waiting:
        node = waiting.pop()
        yield node
        below: SelectionSetNode | None = getattr(node, "selection_set", None)
        if below is not None and not isinstance(node, FragmentSpreadNode):
            waiting.extend(below.selections)
