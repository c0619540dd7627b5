"""A schema with every feature, and resolvers that do well or badly: what each does depends on its path alone.

So whichever executor asks, and in whatever order, a field of a world does the same.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    Undefined,
    build_schema,
    get_named_type,
    is_composite_type,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    is_scalar_type,
)

from graph.execution import Attribute, Batch, Plain, hint

SDL = """
scalar Even
enum Color { RED GREEN BLUE }
input Filter { n: Int = 3, tags: [String!] = ["t"], color: Color, inner: Filter }

interface Node { id: ID! label: String self: Node! }
interface Named implements Node { id: ID! label: String self: Node! name: String! }
union Either = A | B

type A implements Node & Named {
  id: ID! label: String self: A! name: String!
  count(by: Int = 1): Int! ratio: Float flag: Boolean! even: Even color: Color! colors: [Color!] maybe: [Color]
  matrix: [[Int!]]! tags: [String!]! a: A b: B! node: Node! named: Named either: Either
  nodes(first: Int! = 2, filter: Filter): [Node!]! many(of: [Int!]): [Either] lists: [[A!]] rows: [C!]! row: C
}
type B implements Node {
  id: ID! label: String self: Node! size: Int flag: Boolean a: A as: [A!] eithers: [[Either]!] any: Node
  strict: [B!]! even(of: Even = 2): Even! rows: [C]
}
type C { id: ID! label: String! total: Int ratio: Float! color: Color even: Even }
type Query { a: A b: B! node: Node nodes(filter: Filter = {n: 1}): [Node] as: [A!]! either: Either! hello(to: String! = "x"): String! }
type Mutation { a: A b: B! touch(n: Int!): A! nodes: [Node!] hello: String }
type Subscription { a: A b: B! }
"""


class Thing:
    """An object of the graph, which knows where it is."""

    def __init__(self, world: "World", typename: str, path: tuple[Any, ...], claims: str | None = None) -> None:
        self.world, self.path, self.is_a = world, path, typename
        self.typename = claims or typename
        self.__typename = self.typename if world.names_types else None

    def __repr__(self) -> str:
        return f"Thing({self.is_a}, {self.path})"

    def __getattr__(self, name: str) -> Any:
        # What a hinted field reads: the same as its resolver answers.
        if name.startswith("_"):
            raise AttributeError(name)
        return self.world.field(self.is_a, self.path, name, name, {})


class Row(NamedTuple):
    """An object of the graph that can be unpacked."""

    id: Any
    label: Any
    total: Any
    ratio: Any
    color: Any
    even: Any


class Rows(list[Any]):
    """Rows that say what they consist of."""

    columns = Row._fields


class Later:
    """An awaitable that is no coroutine: nobody minds if it is never awaited."""

    def __init__(self, ticks: int, act: Callable[[], Any]) -> None:
        self._ticks, self._act = ticks, act

    def __await__(self) -> Generator[Any, None, Any]:
        for _ in range(self._ticks):
            yield from asyncio.sleep(0).__await__()
        return self._act()


class World:
    """What resolvers do, for a seed. ``bad``: how often they do badly; ``slow``: how often they answer awaitables."""

    def __init__(self, seed: int, *, bad: float, slow: float, asks_types: bool, hinted: bool) -> None:
        self._seed, self._bad, self._slow = seed, bad, slow
        self.names_types = not asks_types
        self.schema = build_schema(SDL)
        self._color = self.schema.type_map["Color"]
        even: Any = self.schema.type_map["Even"]
        even.coerce_output_value = even.coerce_input_value = _even
        for object_type in self.schema.type_map.values():
            if isinstance(object_type, GraphQLObjectType) and not object_type.name.startswith("__"):
                self._equip(object_type, asks_types=asks_types, hinted=hinted)
            elif isinstance(object_type, GraphQLInterfaceType) and asks_types:
                object_type.resolve_type = self._resolve_type

    def _equip(self, object_type: GraphQLObjectType, *, asks_types: bool, hinted: bool) -> None:
        if object_type.name == "C":
            for name, field in object_type.fields.items():
                if hinted:
                    hint(field, Attribute(name))
            return
        if asks_types and object_type.name in ("A", "B"):
            object_type.is_type_of = self._is_type_of(object_type.name)
        for name, field in object_type.fields.items():
            field.resolve = self._resolver(object_type.name)
            what = random.Random(f"{self._seed}{object_type}{name}").choice(("attribute", "plain", "batch", "none"))
            of_a_thing = object_type.name in ("A", "B")
            if not hinted or what == "none" or (field.args and what != "batch") or not (of_a_thing or what == "batch"):
                continue
            if what == "batch":
                hint(field, Batch(self._batch(object_type.name)))
            elif what == "attribute":
                hint(field, Attribute(name))
            else:
                hint(field, Plain(attrgetter(name)))

    def _resolver(self, typename: str) -> Callable[..., Any]:
        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            path = tuple(_unaliased(key) for key in info.path.as_list())
            assert info.path.typename == typename
            assert getattr(source, "path", path[:-1]) == path[:-1]
            return self.field(typename, path[:-1], info.field_name, path[-1], arguments)

        return resolve

    def _batch(self, typename: str) -> Callable[..., Any]:
        def batch(sources: list[Any], info: Any, **arguments: Any) -> Any:
            values = []
            for source in sources:
                try:
                    path = getattr(source, "path", ())
                    values.append(self.field(typename, path, info.field_name, _unaliased(info.path.key), arguments))
                except Exception as error:
                    values.append(error)
            return values

        return batch

    def field(self, typename: str, path: tuple[Any, ...], name: str, key: str, arguments: Any) -> Any:
        """What a field of an object does."""
        object_type: Any = self.schema.type_map[typename]
        field = object_type.fields[name]
        where = (*path, key)
        rng = random.Random(f"{self._seed}{where}{sorted(arguments.items())}")
        return self._value(rng, field.type, path, key)

    def _value(self, rng: random.Random, of: Any, path: tuple[Any, ...], *keys: Any) -> Any:
        if rng.random() < self._slow:
            ticks, seed = rng.choice((0, 1, 1, 3)), rng.random()
            return Later(ticks, lambda: self._act(random.Random(seed), of, (*path, *keys)))
        return self._act(rng, of, (*path, *keys))

    def _act(self, rng: random.Random, of: Any, path: tuple[Any, ...]) -> Any:
        if rng.random() >= self._bad:
            return self._good(rng, of, path)
        match rng.randrange(8):
            case 0:
                raise ValueError(f"raised at {path}")
            case 1:
                return RuntimeError(f"answered at {path}")
            case 2 | 3:
                return None
            case 4:
                return Undefined
            case 5:
                raise GraphQLError(f"our own at {path}", extensions={"code": "OWN"})
            case 6 if not self._slow:  # else nobody could tell which place it was about
                return GraphQLError("with a path", path=["elsewhere"])
            case _ if is_composite_type(of.of_type if is_non_null_type(of) else of):
                return Thing(self, (of.of_type if is_non_null_type(of) else of).name, path, claims="Either")
            case _ if is_composite_type(get_named_type(of)):
                return rng.choice(("text", 3, True, {"id": 5}, b"bytes", ()))
            case _:
                return rng.choice(("text", 3, 2**40, 1.5, float("nan"), True, [1, "x"], {"id": 5}, b"bytes", ()))

    def _good(self, rng: random.Random, of: Any, path: tuple[Any, ...]) -> Any:
        if is_non_null_type(of):
            return self._good(rng, of.of_type, path)
        if rng.random() < 0.1 and len(path) > 1:
            return None
        if is_list_type(of):
            return self._list(rng, of.of_type, path)
        if is_scalar_type(of):
            return _SCALARS[of.name](rng)
        if is_enum_type(of):
            return rng.choice(("RED", "GREEN", "BLUE"))
        if of.name == "C":
            return self._row(rng)
        if isinstance(of, GraphQLInterfaceType | GraphQLUnionType):
            of = rng.choice(self.schema.get_possible_types(of))
        return Thing(self, of.name, path)

    def _list(self, rng: random.Random, of: Any, path: tuple[Any, ...]) -> Any:
        count = rng.choice((0, 1, 2, 3))
        if get_named_type(of).name == "C":
            return Rows(self._row(rng) for _ in range(count))
        form, seed = rng.random(), rng.random()
        if form < 0.1:
            return self._items(random.Random(seed), of, path, count)
        if form < 0.2 and self._slow:
            return self._items_later(random.Random(seed), of, path, count)
        return (tuple if form > 0.9 else list)(self._item(rng, of, path, index) for index in range(count))

    def _item(self, rng: random.Random, of: Any, path: tuple[Any, ...], index: int) -> Any:
        try:
            return self._value(rng, of, path, index)
        except Exception as error:
            return error

    def _items(self, rng: random.Random, of: Any, path: tuple[Any, ...], count: int) -> Iterator[Any]:
        for index in range(count):
            if rng.random() < self._bad / 2:
                raise ValueError(f"stopped at {path} {index}")
            yield self._item(rng, of, path, index)

    async def _items_later(self, rng: random.Random, of: Any, path: tuple[Any, ...], count: int) -> AsyncIterator[Any]:
        for item in self._items(rng, of, path, count):
            await asyncio.sleep(0)
            yield item

    def _row(self, rng: random.Random) -> Row:
        row = Row(
            str(rng.randrange(99)),
            rng.choice(("l", "")),
            rng.choice((1, None)),
            rng.random(),
            rng.choice(("RED", None)),
            rng.choice((2, None)),
        )
        bad = rng.choice((None, 1, "x", float("inf"), ValueError("in a row"), 2**35))
        return row._replace(**{rng.choice(Row._fields): bad}) if rng.random() < self._bad else row

    def _resolve_type(self, value: Any, _info: Any, _of: Any) -> Any:
        return self._answer(value, "name", getattr(value, "typename", None), ("Either", "Nope", None, 5, "A"))

    def _is_type_of(self, name: str) -> Callable[[Any, Any], Any]:
        return lambda value, _info: self._answer(value, "is", getattr(value, "typename", None) == name, (False, None))

    def _answer(self, value: Any, about: str, right: Any, wrong: tuple[Any, ...]) -> Any:
        rng = random.Random(f"{self._seed}{about}{getattr(value, 'path', value)}")
        chance = rng.random()
        answer = rng.choice(wrong) if chance < self._bad / 3 else right
        if chance > 1 - self._bad / 6:
            raise ValueError(f"{about} raised")
        return Later(1, lambda: answer) if rng.random() < self._slow else answer


def _unaliased(key: Any) -> Any:
    """A key of a path, without an alias that changes nothing; others go with arguments of their own."""
    return key.removeprefix("y_") if isinstance(key, str) else key


def _even(value: Any) -> Any:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not even a number")
    return value if value % 2 == 0 else None


_SCALARS: dict[str, Callable[[random.Random], Any]] = {
    "ID": lambda rng: rng.choice(("id", 7)),
    "String": lambda rng: rng.choice(("s", "", 4, True)),
    "Int": lambda rng: rng.choice((0, 1, -5, 3.0, "8")),
    "Float": lambda rng: rng.choice((0.5, 2, "1.5")),
    "Boolean": lambda rng: rng.choice((True, False, 1)),
    "Even": lambda rng: rng.choice((2, 4)),
}
