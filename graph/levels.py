"""Fields that are written for all objects of a level at once, and how the executor is told of them and of plain ones."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

import strawberry
from graphql import GraphQLObjectType
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from graph.execution import Attribute, Batch, Call, FieldNodes, Hint, Plain, always_own, hint, own
from graph.ids import Node
from graph.scalars import OWN

Roots = Sequence[Any]
"""The objects of a level, in the order in which their values are answered."""
OfLevel = Callable[..., Awaitable[Sequence[Any]]]

_OF_LEVEL = "of_level"
_PARENT: Any = strawberry.Parent[Any]  # type: ignore[misc]


def level_field(*, description: str, written_as: str | None = None) -> Callable[[OfLevel], Any]:
    """A field whose resolver answers all objects of a level: ``async def f(roots: Roots, info, ...) -> list[T]``.

    A value may be an exception, which is that object's error. The field's type is T. ``written_as``: under which name the
    statements that find the objects can have PostgreSQL write it, where it is asked without arguments. An executor that asks for one
    object after another is answered by the same function: what it asks for in one go is gathered first.
    """

    def decorate(function: OfLevel) -> Any:
        signature = inspect.signature(function)
        [roots, *others] = signature.parameters.values()
        [of_one] = get_args(signature.return_annotation)

        def resolve(root: Any, info: Any, **arguments: Any) -> Awaitable[Any]:
            nodes = info._raw_info.field_nodes  # noqa: SLF001 - the wrapped info has no public way to the nodes

            async def batch(roots: list[Any]) -> list[Any]:
                return list(await function(roots, info, **arguments))

            # The same nodes have the same arguments, wherever they are met.
            return info.context.loaders.level((function, *map(id, nodes)), batch).load(root)

        resolve.__name__, resolve.__module__ = function.__name__, function.__module__
        resolve.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[roots.replace(name="root", annotation=_PARENT), *others],
            return_annotation=of_one,
        )
        setattr(resolve, _OF_LEVEL, function)
        vars(function)["written_as"] = written_as
        return strawberry.field(resolver=resolve, description=description)

    return decorate


def equip(schema: strawberry.Schema) -> None:
    """Tells the executor how the fields of a schema can be answered without calling each resolver in the general way."""
    core: Any = schema._schema  # noqa: SLF001 - graphql-core's schema has no public name
    for name, values in OWN.items():
        own(core.type_map[name], values)
    for kind in core.type_map.values():
        # What a subscription's resolver answers is its source stream: the field of an event is the event itself.
        if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__") or kind is core.subscription_type:
            continue
        definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if definition is not None and issubclass(definition.origin, Node):
            always_own(kind)
        for field in kind.fields.values():
            made = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            what = _hint_of(schema, made) if isinstance(made, StrawberryField) else None
            if what is not None:
                hint(field, what)


def _hint_of(schema: strawberry.Schema, field: StrawberryField) -> Hint | None:
    resolver = field.base_resolver
    if resolver is None:
        return Attribute(field.python_name)
    if field.extensions or field.permission_classes:
        return None
    function: Any = resolver.wrapped_func
    of_level = getattr(function, _OF_LEVEL, None)
    if of_level is not None:
        called: Any = _called(schema, field, of_level, None)
        called.written_as = vars(of_level)["written_as"]
        return Batch(called)
    source = resolver.parent_parameter or resolver.root_parameter
    if source is None and resolver.self_parameter is None:
        return None
    if resolver.info_parameter is not None or resolver.arguments or resolver.is_async:
        return Call(_called(schema, field, function, source.name if source is not None else None))
    known: Hint | None = getattr(function, "hint", None)
    return known or Plain(function)


def _called(
    schema: strawberry.Schema, field: StrawberryField, function: Callable[..., Any], source_name: str | None
) -> Callable[..., Any]:
    """A resolver, called as Strawberry calls it. Arguments that never change are converted once for a plan.

    ``source_name``: the parameter that takes the source; None: the first one.
    """
    resolver, config, registry = field.base_resolver, schema.config, schema.schema_converter.scalar_registry
    info_name = resolver.info_parameter.name if resolver is not None and resolver.info_parameter is not None else None

    def arguments(nodes: Any, given: dict[str, Any], info: Any) -> dict[str, Any]:
        if not given:
            return {}
        memo = nodes.memo if isinstance(nodes, FieldNodes) and nodes.plan.has_fixed_arguments else {}
        known: dict[str, Any] | None = memo.get(arguments)
        if known is None:
            known = memo[arguments] = convert_arguments(
                given, field.arguments, scalar_registry=registry, config=config, info=info
            )
        return known.copy()

    def call(source: Any, raw_info: Any, **given: Any) -> Any:
        info = config.info_class(_raw_info=raw_info, _field=field)
        passed = arguments(raw_info.field_nodes, given, info)
        if info_name is not None:
            passed[info_name] = info
        if source_name is None:
            return function(source, **passed)
        passed[source_name] = source
        return function(**passed)

    return call
