"""Operations: checked, and answered by the executor."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType
from graphql.execution.executor import Executor, default_field_resolver, default_type_resolver
from graphql.execution.values import VariableValues, get_variable_values

from graph import access
from graph.admission import Admission
from graph.context import Context
from graph.deadlines import Deadlines
from graph.documents import Document, Documents
from graph.errors import bad_input, shown
from graph.executors import EXECUTORS
from graph.introspection import Introspection
from graph.keyed_requests import KeyedRequests, Request
from graph.operation_limits import OperationLimits
from graph.stored_documents import StoredDocuments

_NO_VARIABLES = VariableValues({}, {})
_MOST_ERRORS = 50
"""Of the variables of an operation that are told."""

Variables = Mapping[str, Any] | None
T = TypeVar("T")


@dataclass(frozen=True)
class Rules:
    """How the operations of a schema are answered."""

    executor: str = "breadth-first"
    """A name of EXECUTORS."""
    stored: StoredDocuments = field(default_factory=StoredDocuments)
    """Finds the texts of documents that clients name."""
    limits: OperationLimits = field(default_factory=OperationLimits)
    introspection: str = "off"
    """Whom the schema is told: ``on``, ``token`` or ``off``."""
    keyed: KeyedRequests = field(default_factory=KeyedRequests)
    deadlines: Deadlines = field(default_factory=Deadlines)


class Operations:
    """Answers the operations of a schema."""

    def __init__(self, schema: strawberry.Schema, rules: Rules) -> None:
        self._deadlines = rules.deadlines
        self.schema = schema._schema  # noqa: SLF001 - graphql-core's schema has no public name
        self._documents = Documents(self.schema, rules.limits)
        self._admission = Admission(rules.limits)
        self._keyed = rules.keyed
        self.stored = rules.stored
        self._introspection = Introspection(rules.introspection)
        self._executor: Callable[..., Executor[Any]] = EXECUTORS[rules.executor]

    def document(self, text: str) -> Document:
        """The document of a text."""
        return self._documents.of(text)

    def errors(self, document: Document, is_known: bool) -> list[GraphQLError]:
        """What is wrong with a document, as somebody is told of it who has a credential or has none."""
        return self._introspection.errors(document, is_known)

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
        refusal = self._introspection.refusal(document, operation, context.scopes is not None)
        refusal = refusal or access.refusal(document, operation, context.scopes)
        return refusal or self._admission.refusal(document, operation, variables or {}, context)

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
        is_closed = not self._introspection.is_open(context.scopes is not None)
        if operation.variable_definitions:
            found = get_variable_values(
                self.schema, operation.variable_definitions, dict(variables or {}), _MOST_ERRORS, is_closed
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
            hide_suggestions=is_closed,
        )

    def answer(
        self,
        document: Document,
        operation: OperationDefinitionNode | None,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None = None,
    ) -> Coroutine[Any, Any, ExecutionResult]:
        """The answer to an operation, its errors as the caller sees them. None only of a document that is not valid."""
        answering = self._answer(document, operation, name, variables, context, extensions)
        return self._deadlines.kept(answering, document, name, context)

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
            errors = self.errors(document, context.scopes is not None)
            return ExecutionResult(None, [shown(error, name) for error in errors])
        try:
            refusal = self.refusal(document, operation, name, variables, context)
            if refusal is not None:
                return ExecutionResult(None, [shown(refusal, name)])
            if not self._admission.enters(context):
                refusal = await self._admission.wait(context)
                if refusal is not None:
                    return ExecutionResult(None, [shown(refusal, name)])
            try:
                return await self._answer_admitted(document, operation, name, variables, context, extensions)
            finally:
                self._admission.leave(context)
        except Exception as error:
            return ExecutionResult(None, [shown(GraphQLError(str(error), original_error=error), name)])

    async def _answer_admitted(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None,
    ) -> ExecutionResult:
        executor = self.executor(document, name, variables, context, extensions)
        if isinstance(executor, list):
            self._admission.settle(context, executor)
            return ExecutionResult(None, [shown(error, name) for error in executor])
        is_change = operation.operation == OperationType.MUTATION
        if is_change and context.idempotency_key is not None and context.scopes is not None:
            return await self._answer_once(executor, document, operation, name, variables, context, extensions)
        return _shown(await self._run(executor, context, extensions), name)

    async def _answer_once(
        self,
        executor: Executor[Any],
        document: Document,
        operation: OperationDefinitionNode,
        name: str | None,
        variables: Variables,
        context: Context,
        extensions: Mapping[str, Any] | None,
    ) -> ExecutionResult:
        """The answer to a mutation with a key: what was answered first under it."""
        made = [executor]

        async def run() -> ExecutionResult:
            again: Any = made.pop() if made else self.executor(document, name, variables, context, extensions)
            return await self._run(again, context, extensions)

        fields = [node.name.value for node, _ in access.root_fields(document, operation)]
        request = Request(document.text, name, variables)
        try:
            return await self._keyed.answer(
                context.idempotency_key, request, fields, context, run, lambda result: _shown(result, name)
            )
        finally:
            if made:
                self._admission.settle(context, [])  # nothing was executed

    async def _run(
        self, executor: Executor[Any], context: Context, extensions: Mapping[str, Any] | None
    ) -> ExecutionResult:
        found: Any = executor.execute_operation()
        result: ExecutionResult = await found if executor.is_awaitable(found) else found
        self._admission.settle(context, executor, result, extensions)
        return result

    def settle(self, context: Context, errors: list[GraphQLError]) -> None:
        """Gives back what an operation was charged that cannot run."""
        self._admission.settle(context, errors)

    def withdraw(self, context: Context) -> None:
        """Gives back all that an operation was charged that is to be asked for again."""
        self._admission.withdraw(context)

    async def opening(self, _document: Document, _operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """Opens a subscription: for whoever measures."""
        return await work

    async def answering(self, _document: Document, _operation: OperationDefinitionNode, work: Awaitable[T]) -> T:
        """Answers events of a subscription: for whoever measures."""
        return await work


def _shown(result: ExecutionResult, name: str | None) -> ExecutionResult:
    """A result with its errors as the caller sees them."""
    if result.errors:
        result.errors = [shown(error, name) for error in result.errors]
    return result
