"""What an operation really used: the objects that its execution answered, at the weights that it was asked for with."""

from typing import Any

from graphql import GraphQLObjectType

from graph.costs import is_connection, object_weight, own_weight
from graph.execution import FieldPlan, SelectionPlan, Tally


def used(tally: Tally) -> int:
    """What the objects of an execution cost; what the operation costs whatever is answered is not in it."""
    found = 0
    for plan, objects in tally.levels:
        found += objects * _weight_of(plan)
    for field, values, rows in tally.written:
        found += _written(field, values, rows)
    # The root is no object that was answered.
    return found - 1


def _weight_of(plan: SelectionPlan) -> int:
    """What an object of which this is selected costs, what is below it aside."""
    known: int | None = plan.memo.get(_weight_of)
    if known is None:
        fields = sum(own_weight(field.nodes[0].name.value, field.nodes[0]) for field in plan.fields)
        known = plan.memo[_weight_of] = object_weight(plan.type.name) + fields
    return known


def _written(field: FieldPlan, values: int, rows: int) -> int:
    """What rows cost that PostgreSQL wrote: those of a field, or of the connection that the field answers."""
    kind: Any = field.kind.of.type if field.kind.of is not None else field.kind.type
    if not isinstance(kind, GraphQLObjectType):
        return 0
    plan = field.selection(kind)
    if not is_connection(kind):
        return rows * _whole(plan)
    [nodes] = plan.fields
    of = nodes.kind.of
    return values * _weight_of(plan) + (rows * _whole(nodes.selection(of.type)) if of is not None else 0)


def _whole(plan: SelectionPlan) -> int:
    """What an object costs with all that hangs on it. Of those that PostgreSQL writes, everything is always there."""
    known: int | None = plan.memo.get(_whole)
    if known is None:
        inner = [field.selection(field.kind.type) for field in plan.fields if field.kind.form == "object"]
        known = plan.memo[_whole] = _weight_of(plan) + sum(_whole(one) for one in inner)
    return known
