"""Operations over the schema of a world: aliases, fragments, conditions, variables, and what they may merge into."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type, is_leaf_type

_VALUES = {
    "Int": ("1", "2", "$n"),
    "Int!": ("1", "2", "$m"),
    "String!": ('"y"', "$s"),
    "[Int!]": ("[1, 2]", "[$m]", "null"),
    "Filter": ("{n: 2}", "{tags: [$s], inner: {color: RED}}", "$f", "{n: $n}"),
    "Even": ("4", "$even"),
}
_VARIABLES = {
    "n": ("Int", (None, 4)),
    "m": ("Int!", (1, 2)),
    "s": ("String!", ("one",)),
    "f": ("Filter = {n: 9}", (None, {"color": "GREEN"}, {"tags": ["q"]})),
    "even": ("Even", (None, 6)),
    "yes": ("Boolean!", (True, False)),
    "no": ("Boolean = false", (None, True, False)),
}


class Documents:
    """Generates the operations of a seed."""

    variables: ClassVar[Mapping[str, tuple[str, Sequence[Any]]]] = _VARIABLES
    """From a variable's name to its type and what it may be; None is left out as a rule."""

    def __init__(self, schema: GraphQLSchema, rng: random.Random) -> None:
        self._schema, self._rng = schema, rng
        self._fragments: dict[str, str] = {}

    def operation(self, kind: str) -> tuple[str, dict[str, Any]]:
        """A document of one operation, and its variables."""
        root: Any = self._schema.type_map[kind.title()]
        body = self._selection(root, 4, single=kind == "subscription")
        text = "".join(self._fragments.values())
        used = [name for name in self.variables if re.search(rf"\${name}\b", body + text)]
        declared = ", ".join(f"${name}: {self.variables[name][0]}" for name in used)
        variables = {name: self._rng.choice(self.variables[name][1]) for name in used}
        given = {name: value for name, value in variables.items() if value is not None or self._rng.random() < 0.3}
        given = {name: value for name, value in given.items() if not (value is None and name == "no")}
        return f"{kind} Q{f'({declared})' if declared else ''} {body}\n{text}", given

    def _selection(self, of: Any, depth: int, *, single: bool = False) -> str:
        count = 1 if single else self._rng.randint(1, 4)
        found = [self._one(of, depth, plain=single) for _ in range(count)]
        return "{ " + " ".join(found) + " }"

    def _one(self, of: Any, depth: int, *, plain: bool) -> str:
        chance = self._rng.random()
        if plain or chance < 0.75 or depth < 1:
            return self._field(of, depth, plain=plain)
        within = self._narrower(of)
        if chance < 0.88:
            condition = "" if within is of and self._rng.random() < 0.5 else f"on {within} "
            return f"... {condition}{self._condition()}{self._selection(within, depth - 1)}"
        name = f"F{len(self._fragments)}{within}"
        self._fragments[name] = ""  # its place is taken before what it spreads
        self._fragments[name] = f"fragment {name} on {within} {self._selection(within, depth - 1)}\n"
        again = f" ...{name} {self._condition()}" if self._rng.random() < 0.3 else ""
        return f"...{name} {self._condition()}{again}"

    def _narrower(self, of: Any) -> Any:
        if isinstance(of, GraphQLObjectType):
            return self._rng.choice([of, *of.interfaces])
        possible = [*self._schema.get_possible_types(of), *([] if isinstance(of, GraphQLUnionType) else [of])]
        return self._rng.choice(possible)

    def _condition(self) -> str:
        conditions = (
            "@skip(if: $no) ",
            "@include(if: $yes) ",
            "@include(if: true) @skip(if: $no) ",
            "@skip(if: true) ",
        )
        return self._rng.choice(conditions) if self._rng.random() < 0.2 else ""

    def _field(self, of: Any, depth: int, *, plain: bool) -> str:
        fields = {} if isinstance(of, GraphQLUnionType) else of.fields
        names = [name for name, field in fields.items() if depth > 0 or is_leaf_type(get_named_type(field.type))]
        if not names or (self._rng.random() < 0.1 and not plain):
            return "__typename"
        name = self._rng.choice(names)
        field = fields[name]
        arguments, alias = self._arguments(name, field), ""
        if arguments:
            alias = f"x{''.join(c for c in arguments if c.isalnum())}_{name}: "
        elif self._rng.random() < 0.15:
            alias = f"y_{name}: "
        inner = get_named_type(field.type)
        below = "" if is_leaf_type(inner) else " " + self._below(inner, depth - 1)
        return f"{alias}{name}{arguments} {'' if plain else self._condition()}{below}"

    def _arguments(self, _name: str, field: GraphQLField) -> str:
        """The arguments of a field with their parentheses, or nothing."""
        if not field.args or self._rng.random() > 0.7:
            return ""
        argument = self._rng.choice(list(field.args))
        return f"({argument}: {self._rng.choice(_VALUES[str(field.args[argument].type)])})"

    def _below(self, of: Any, depth: int) -> str:
        """What is selected of a field's objects."""
        return self._selection(of, depth)
