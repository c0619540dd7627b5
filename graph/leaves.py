"""Which lists PostgreSQL may write as JSON: those of objects of which nothing but plain leaves is asked."""

from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLEnumType, GraphQLNonNull, GraphQLObjectType
from strawberry import Info

from db.leaves import Form, Leaf, Leaves
from graph.execution import Attribute, Batch, Constant, FieldNodes, FieldPlan, Plain
from graph.rates import Rate, Total

MOST_LEAVES = 64
"""Of a row that PostgreSQL writes. Statements grow with them, and so does building one, more than in proportion."""
ONLY_ROWS_FOR = 2
"""How many levels a list of an operation is answered with rows for at first. A statement that writes the keys of one text costs several times what
the operation does, and many texts come once; the statement that finds rows is the same for all of them."""
_FORMS: Mapping[str, Form] = {
    "String": Form.TEXT,
    "Boolean": Form.FLAG,
    "BigInt": Form.NUMBER,
    "DateTime": Form.TIME,
    "Date": Form.DATE,
    "Decimal": Form.DECIMAL,
}
"""Of the scalars whose every value in the database can be answered. An Int may be too large, a Float is spelt differently."""
_BESIDE = frozenset({"totalCount", "__typename"})
"""What may be asked of a connection beside its rows without looking at them."""


class GlobalId:
    """The global id of a key: the function, and how PostgreSQL writes the same."""

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        self._form = f"{type_name}:%d".encode()

    def __call__(self, key: int) -> str:
        """The global id."""
        return b2a_base64(self._form % key, newline=False).decode()


@dataclass(frozen=True)
class Written:
    """A connection whose rows can be written by PostgreSQL."""

    leaves: Leaves
    """What is asked of each row."""
    key: str | None
    """The key of the rows, where nothing else is asked of the connection."""


def written_of(info: Info[Any, Any]) -> Written | None:
    """How the rows of a connection can be written, if it is asked for rows of which only plain leaves are asked.

    None where it is not, and under an executor that puts nothing into an answer as it is.
    """
    nodes = info._raw_info.field_nodes  # noqa: SLF001 - the wrapped info has no public way to the nodes
    if not isinstance(nodes, FieldNodes):
        return None
    seen = nodes.memo[written_of] = nodes.memo.get(written_of, 0) + 1
    if seen <= ONLY_ROWS_FOR:
        return None
    if Written not in nodes.memo:
        nodes.memo[Written] = _found(nodes.plan)
    found: Written | None = nodes.memo[Written]
    return found


def _found(plan: FieldPlan) -> Written | None:
    rows = None
    fields = plan.selection(plan.kind.type).fields
    for field in fields:
        name = field.nodes[0].name.value
        if name == "nodes" and rows is None:
            rows = field
        elif name not in _BESIDE:
            return None
    of = rows.kind.of if rows is not None else None
    if rows is None or of is None or not isinstance(of.type, GraphQLObjectType):
        return None
    leaves = _leaves(rows.selection(of.type).fields)
    if leaves is None or sum(1 + len(leaf.inner) for leaf in leaves) > MOST_LEAVES:
        return None
    return Written(leaves, rows.key if len(fields) == 1 else None)


def _leaf(field: FieldPlan) -> Leaf | None:
    if isinstance(field.hint, Constant):
        return Leaf(field.key, "", Form.CONSTANT, True, field.hint.value)
    if isinstance(field.hint, Plain):
        return _computed(field, field.hint.function)
    if isinstance(field.hint, Batch):
        return _nested(field)
    if not isinstance(field.hint, Attribute):
        return None
    column, through, non_null = field.hint.name, field.hint.through, isinstance(field.kind.declared, GraphQLNonNull)
    if isinstance(through, GlobalId):
        return Leaf(field.key, column, Form.GLOBAL_ID, True, through.type_name)
    form = _form(field.kind.type) if through is None else None
    return None if form is None else Leaf(field.key, column, form, non_null)


def _computed(field: FieldPlan, function: Any) -> Leaf | None:
    non_null = isinstance(field.kind.declared, GraphQLNonNull)
    if isinstance(function, Total):
        return Leaf(field.key, "", Form.NUMBER, non_null, parts=function.parts)
    if isinstance(function, Rate):
        return Leaf(field.key, "", Form.RATE, non_null, parts=function.parts, whole=function.whole)
    return None


def _nested(field: FieldPlan) -> Leaf | None:
    """What hangs on a row by a field without arguments that says that it may be written; see level_field."""
    column = getattr(field.hint.function, "written_as", None) if isinstance(field.hint, Batch) else None
    if column is None or field.nodes[0].arguments:
        return None
    inner = _leaves(field.selection(field.kind.type).fields)
    return None if inner is None else Leaf(field.key, column, Form.OBJECT, True, inner=inner)


def _leaves(fields: list[FieldPlan]) -> Leaves | None:
    found = [_leaf(field) for field in fields]
    leaves = tuple(leaf for leaf in found if leaf is not None)
    return leaves if len(leaves) == len(found) else None


def _form(kind: Any) -> Form | None:
    if isinstance(kind, GraphQLEnumType):
        is_plain = all(getattr(member.value, "value", member.value) == name for name, member in kind.values.items())
        return Form.NAME if is_plain else None
    return _FORMS.get(getattr(kind, "name", ""))
