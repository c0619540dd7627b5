"""GraphQL over HTTP: who asks, one context per operation, JSON in and out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from cross_web import HTTPException
from graphql import GraphQLError, OperationType
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData

from db.engine import Database
from graph.access import Authenticator, Viewer
from graph.context import Context
from graph.encoding import encoded
from graph.files import Links
from graph.live.hub import Live
from graph.operations import Operations
from graph.refusals import ClientLeft, Refusal
from graph.schema import schema
from graph.settings import UploadLimits
from graph.transport import forms, uploads


class Asked(NamedTuple):
    """One operation, as a body has it."""

    query: str
    name: str | None
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None


STATUS = {"UNAUTHENTICATED": 401, "UNAVAILABLE": 503}
"""What a request is answered with whose credential was not looked at further."""


class GraphQLView(GraphQL[Context, None]):
    """The endpoint. A bad credential is answered with 401 before anything of the operation is looked at.

    What nearly all requests are, one operation as JSON, is answered here from bytes to bytes. All else goes through
    Strawberry's view.
    """

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        live: Live,
        links: Links,
        operations: Operations,
        limits: UploadLimits | None = None,
    ) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=())  # people get the explorer
        self._operations = operations
        self._limits = limits or UploadLimits()
        self._live = live
        self._links = links
        self._database = database
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            kind = (_header(scope, "content-type") or "") if scope["method"] == "POST" else ""
            if kind.startswith("application/json"):
                body = await _body(receive)
                asked = _asked(body)
                key = _header(scope, "idempotency-key")
                if asked is not None and await self._answer(await self._viewer(scope), asked, send, key):
                    return
                receive = _again(body, receive)
            elif kind.lower().startswith(uploads.MEDIA_TYPE):
                await self._answer_with_files(scope, receive, send)
                return
            await super().__call__(scope, receive, send)
        except ClientLeft:
            return
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        except GraphQLError as error:
            status = STATUS.get(str((error.extensions or {}).get("code")))
            if status is None:
                raise
            await _send(send, status, {"data": None, "errors": [error.formatted]})

    async def _answer_with_files(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers an operation whose variables are files, which are there until it is answered. Raises Refusal, ClientLeft."""
        headers = Headers(scope=scope)
        uploads.check(headers, self._limits)
        viewer = await self._viewer(scope)
        uploads.check_viewer(viewer)
        form = await forms.read(receive, headers, self._limits)
        try:
            asked = _operation(uploads.operation_of(form))
            if asked is None:
                raise forms.bad_form("operations must be one operation: a query, its variables, its operationName.")
            if not await self._answer(viewer, asked, send, headers.get("idempotency-key")):
                raise forms.bad_form("There is no operation of this operationName.")
        finally:
            await form.close()

    async def _viewer(self, scope: Scope) -> Viewer | None:
        return await self._authenticator.viewer(_header(scope, "authorization"))

    async def _answer(self, viewer: Viewer | None, asked: Asked, send: Send, key: str | None) -> bool:
        """Answers an operation; False where there is none of that name, which the stock view says."""
        context = Context(self._database, viewer, self._live, self._links)
        context.idempotency_key = key
        document = self._operations.document(asked.query)
        try:
            operation = document.operation(asked.name)
            if operation is None and not document.errors:
                return False
            result = await self._operations.answer(
                document, operation, asked.name, asked.variables, context, asked.extensions
            )
        finally:
            await context.close()
        answer: dict[str, Any] = {"data": result.data}
        status = 200
        if result.errors:
            answer["errors"] = errors = [error.formatted for error in result.errors]
            if any(error.get("extensions", {}).get("code") == "UNAUTHENTICATED" for error in errors):
                status = 401
        if result.extensions:
            answer["extensions"] = result.extensions
        await _send(send, context.response_status or status, answer, context.response_headers)
        return True

    async def get_context(self, request: Any, response: Any) -> Context:
        """Who asks. Raises UNAUTHENTICATED for a credential that is not good."""
        viewer = await self._authenticator.viewer(request.headers.get("authorization"))
        context = Context(self._database, viewer, self._live, self._links)
        context.idempotency_key = request.headers.get("idempotency-key")
        return context

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
        operation = document.operation(name)
        if operation is None and not document.errors:
            what = f'Unknown operation named "{name}".' if name else "Can't get GraphQL operation type"
            raise HTTPException(400, what)
        if operation is not None and operation.operation == OperationType.MUTATION and request_adapter.method == "GET":
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
        return encoded(data)


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return _part(message)
    parts = [_part(message)]
    while message.get("more_body"):
        message = await receive()
        parts.append(_part(message))
    return b"".join(parts)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    part: bytes = message.get("body", b"")
    return part


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read already to whoever reads it next, and then what comes."""
    read: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return read.pop() if read else await receive()

    return again


def _asked(body: bytes) -> Asked | None:
    """The operation that a body asks for; None where it is anything out of the ordinary."""
    try:
        return _operation(orjson.loads(body))
    except ValueError:
        return None


def _operation(given: object) -> Asked | None:
    if not isinstance(given, dict):
        return None
    query, name = given.get("query"), given.get("operationName")
    variables, extensions = given.get("variables"), given.get("extensions")
    if not isinstance(query, str) or not query or not isinstance(name, str | None):
        return None
    if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None):
        return None
    return Asked(query, name, variables, extensions)


def _header(scope: Scope, name: str) -> str | None:
    wanted = name.encode()
    for key, value in scope["headers"]:
        if key == wanted:
            found: str = value.decode("latin-1")
            return found
    return None


async def _send(send: Send, status: int, answer: object, further: Mapping[str, str] | None = None) -> None:
    body = encoded(answer)
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    headers += [(name.encode(), value.encode()) for name, value in (further or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
