"""Operations: checked, and answered by the executor."""

from collections.abc import Callable, Mapping
from typing import Any

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.executor import Executor, default_field_resolver, default_type_resolver
from graphql.execution.values import VariableValues, get_variable_values

from graph import access, limits
from graph.context import Context
from graph.deadlines import Deadlines
from graph.documents import Document, Documents
from graph.errors import bad_input, internal, shown
from graph.executors import EXECUTORS

_NO_VARIABLES = VariableValues({}, {})
_MOST_ERRORS = 50
"""Of the variables of an operation that are told."""

Variables = Mapping[str, Any] | None


class Operations:
    """Answers the operations of a schema."""

    def __init__(self, schema: strawberry.Schema, executor: str, deadlines: Deadlines | None = None) -> None:
        self._deadlines = deadlines or Deadlines()
        self.schema = schema._schema  # noqa: SLF001 - graphql-core's schema has no public name
        self._documents = Documents(self.schema)
        self._executor: Callable[..., Executor[Any]] = EXECUTORS[executor]

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
        """The executor of an operation that the document has, or what is wrong with its variables.

        As Executor.build makes it, without looking through the document again.
        """
        operation = document.operation(name)
        assert operation is not None  # noqa: S101 - for the type checker: see above
        values = _NO_VARIABLES
        if operation.variable_definitions:
            found = get_variable_values(
                self.schema, operation.variable_definitions, dict(variables or {}), _MOST_ERRORS
            )
            if isinstance(found, list):
                return found
            values = found
        return self._executor(
            self.schema,
            document.fragments,
            document.fragment_details,
            None,
            context,
            operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            plans=document.plans,
            operation_extensions=extensions,
        )

    async def answer(
        self,
        document: Document,
        operation: OperationDefinitionNode | None,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None = None,
    ) -> ExecutionResult:
        """The answer to an operation, its errors as the caller sees them. None only of a document that is not valid."""
        answering = self._answer(document, operation, name, variables, context, extensions)
        return await self._deadlines.kept(answering, document, name, context)

    async def _answer(
        self,
        document: Document,
        operation: OperationDefinitionNode | None,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None,
    ) -> ExecutionResult:
        if document.errors or operation is None:
            return ExecutionResult(None, [shown(error, name) for error in document.errors])
        try:
            refusal = self.refusal(document, operation, name, variables, context)
            if refusal is not None:
                return ExecutionResult(None, [shown(refusal, name)])
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
