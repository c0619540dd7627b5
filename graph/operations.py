"""Operations: checked, and answered by the executor."""

from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.executor import Executor

from graph import access, limits
from graph.context import Context
from graph.documents import Document, Documents
from graph.errors import bad_input, internal, shown
from graph.executors import EXECUTORS

Variables = Mapping[str, Any] | None


class Operations:
    """Answers the operations of a schema."""

    def __init__(self, schema: strawberry.Schema, executor: str) -> None:
        self.schema = schema._schema  # noqa: SLF001 - graphql-core's schema has no public name
        self._documents = Documents(self.schema)
        self._executor = EXECUTORS[executor]

    def document(self, text: str) -> Document:
        """The document of a text."""
        return self._documents.of(text)

    def refusal(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        name: str | None,
        variables: Variables,
        context: Context,
    ) -> GraphQLError | None:
        """Why an operation of a valid document may not run; None where it may."""
        if name is None and len(document.operations) > 1:
            return bad_input("There are several operations: say which one by operationName.")
        if operation.operation == OperationType.SUBSCRIPTION and not context.streams:
            return bad_input("A subscription is a stream: ask with Accept: text/event-stream, or over WebSocket.")
        refusal = access.refusal(document, operation, context.scopes)
        return refusal or limits.refusal(document, operation, variables or {})

    def executor(
        self,
        document: Document,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None = None,
    ) -> Executor[Any] | list[GraphQLError]:
        """The executor of an operation, or what is wrong with its variables."""
        return self._executor.build(
            self.schema,
            document.node,
            context_value=context,
            raw_variable_values=dict(variables or {}),
            operation_name=name,
            plans=document.plans,
            operation_extensions=extensions,
        )

    async def answer(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None = None,
    ) -> ExecutionResult:
        """The answer to an operation of a valid document, its errors as the caller sees them."""
        refusal = self.refusal(document, operation, name, variables, context)
        if refusal is not None:
            return ExecutionResult(None, [shown(refusal, name)])
        try:
            executor = self.executor(document, name, variables, context, extensions)
            if isinstance(executor, list):
                return ExecutionResult(None, [shown(error, name) for error in executor])
            found: Any = executor.execute_operation()
            result: ExecutionResult = await found if executor.is_awaitable(found) else found
        except Exception as error:
            return ExecutionResult(None, [internal(error, operation=name)])
        if result.errors:
            result.errors = [shown(error, name) for error in result.errors]
        return result
