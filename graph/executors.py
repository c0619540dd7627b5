"""Which executor answers operations."""

from typing import Any

from graphql.execution.executor import Executor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graph.execution import BreadthFirstExecutor


class _BreadthFirst(BreadthFirstExecutor[Any], StrawberryGraphQLCoreExecutionContext):
    """Ours, with the ``info`` that Strawberry's resolvers expect."""


class _Stock(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's own. It works out everything anew each time."""

    def __init__(self, *args: Any, plans: object = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


EXECUTORS: dict[str, type[Executor[Any]]] = {"breadth-first": _BreadthFirst, "stock": _Stock}
"""By the names that the setting EXECUTOR knows."""
