"""GraphQL over HTTP: who asks, one context per operation, JSON in and out."""

from typing import Any

import orjson
from cross_web import HTTPException
from graphql import ExecutionResult, GraphQLError, OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.ides import GraphQL_IDE

from db.engine import Database
from graph.access import Authenticator
from graph.context import Context
from graph.errors import shown
from graph.live.hub import Live
from graph.operations import Operations
from graph.schema import schema

STATUS = {"UNAUTHENTICATED": 401, "UNAVAILABLE": 503}
"""What a request is answered with whose credential was not looked at further."""


class GraphQLView(GraphQL[Context, None]):
    """The endpoint. A bad credential is answered with 401 before anything of the operation is looked at."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        live: Live,
        operations: Operations,
        ide: GraphQL_IDE | None = "graphiql",
    ) -> None:
        super().__init__(schema, graphql_ide=ide, subscription_protocols=())
        self._operations = operations
        self._live = live
        self._database = database
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            await super().__call__(scope, receive, send)
        except GraphQLError as error:
            status = STATUS.get(str((error.extensions or {}).get("code")))
            if status is None:
                raise
            body = orjson.dumps({"data": None, "errors": [error.formatted]})
            await Response(body, status, media_type="application/json")(scope, receive, send)

    async def get_context(self, request: Any, response: Any) -> Context:
        """Who asks. Raises UNAUTHENTICATED for a credential that is not good."""
        viewer = await self._authenticator.viewer(request.headers.get("authorization"))
        return Context(self._database, viewer, self._live)

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the operation and ends its snapshot, whatever came of it."""
        context: Context = kwargs["context"]
        try:
            return await super().execute_operation(*args, **kwargs)
        finally:
            await context.close()

    async def execute_single(
        self,
        request: Any,
        request_adapter: Any,
        sub_response: Any,
        context: Context,
        root_value: None,
        request_data: GraphQLRequestData,
    ) -> Any:
        """Answers one operation. Raises what is no GraphQL request as the stock view says it."""
        if not request_data.query:
            raise HTTPException(400, "No GraphQL query found in the request")
        name = request_data.operation_name
        document = self._operations.document(request_data.query)
        if document.errors:
            return ExecutionResult(None, [shown(error, name) for error in document.errors])
        operation = document.operation(name)
        if operation is None:
            what = f'Unknown operation named "{name}".' if name else "Can't get GraphQL operation type"
            raise HTTPException(400, what)
        if operation.operation == OperationType.MUTATION and request_adapter.method == "GET":
            raise HTTPException(400, "mutations are not allowed when using GET")
        return await self._operations.answer(
            document, operation, name, request_data.variables, context, request_data.extensions
        )

    def parse_json(self, data: str | bytes) -> Any:
        """Reads a body. What is JSON but no object (or list, for a batch) is the client's mistake."""
        value = super().parse_json(data)
        if not isinstance(value, dict | list):
            raise HTTPException(400, "The body must be a JSON object with a query.")
        return value

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """The HTTP response; 401 where a credential is missing."""
        errors = response_data.get("errors", ()) if isinstance(response_data, dict) else ()
        if any(error.get("extensions", {}).get("code") == "UNAUTHENTICATED" for error in errors):
            sub_response.status_code = 401
        return super().create_response(response_data, sub_response)

    def decode_json(self, data: str | bytes) -> object:
        """Reads a body. Raises ValueError for what is no JSON."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        """Writes an answer."""
        return orjson.dumps(data)
