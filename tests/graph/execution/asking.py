"""A small schema whose fields are read from what they stand on, and how both executors are asked."""

from typing import Any

from graphql import ExecutionResult, Executor, GraphQLSchema, parse

from graph.execution import BreadthFirstExecutor

SDL = """
directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
type Thing { name: String must: String! self: Thing need: Thing! all: [Thing!]! names: [String] }
type Query { name: String other: String self: Thing all: [Thing] must: String! slow: String }
type Mutation { one: String two: String three: String must: String! }
type Subscription { event: Thing }
"""
Ours: type[Executor[Any]] = BreadthFirstExecutor


def field(schema: GraphQLSchema, of: str, name: str) -> Any:
    """A field of a schema."""
    found: Any = schema.type_map[of]
    return found.fields[name]


def run(schema: GraphQLSchema, text: str, root: Any = None, by: type[Executor[Any]] = Ours, **variables: Any) -> Any:
    """What an executor answers at once."""
    executor: Any = by.build(schema, parse(text), root, raw_variable_values=variables)
    return executor.execute_operation()


async def awaited(schema: GraphQLSchema, text: str, root: Any, by: type[Executor[Any]] = Ours) -> ExecutionResult:
    """What an executor answers when all has come."""
    found: Any = run(schema, text, root, by)
    result: ExecutionResult = await found
    return result


def said(result: ExecutionResult) -> list[tuple[str, list[str | int]]]:
    """The errors: message and path."""
    return [(error.message, error.path or []) for error in result.errors or ()]
