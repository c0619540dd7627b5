"""GraphQL over HTTP: who asks, one context per operation, from bytes to bytes."""

from collections.abc import Awaitable, Mapping
from typing import Any

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from db.engine import Database, is_unavailable
from graph.access import Authenticator, Viewer
from graph.context import Context
from graph.errors import bad_input, internal, unavailable
from graph.files import Links
from graph.http_settings import HttpSettings
from graph.live.hub import Live
from graph.operations import Operations
from graph.refusals import ClientLeft, Refusal
from graph.requests import Asked, asked_of, key_of
from graph.settings import UploadLimits
from graph.stored_documents import UNKNOWN
from graph.transport import forms, uploads
from graph.transport.answering import Answer, deliver, of_error, of_refusal, of_result, together
from graph.transport.asking import body_of, given_in, parameters_of, with_id
from graph.transport.negotiation import JSON, Kind, Media, headers_of, kind_of, media_of, takes_gzip

DOCUMENT_ID = "groundswell.document_id"
"""Where a scope has the id of the document that its address names."""
METHODS = "GET, HEAD, POST, OPTIONS"
_SAFE = frozenset({"GET", "HEAD"})

Given = Mapping[bytes, bytes]
"""The headers of a request."""


class GraphQLView:
    """The endpoint. A bad credential is answered with 401 before anything of the operation is looked at."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        live: Live,
        links: Links,
        operations: Operations,
        limits: UploadLimits | None = None,
        http: HttpSettings | None = None,
    ) -> None:
        self._operations = operations
        self._limits = limits or UploadLimits()
        self._http = http or HttpSettings()
        self._live = live
        self._links = links
        self._database = database
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers = headers_of(scope)
        media = media_of(headers.get(b"accept"))
        try:
            answer = await self._answer(scope, receive, headers, media)
        except ClientLeft:
            return
        except Refusal as refusal:
            answer = of_refusal(refusal)
        except GraphQLError as error:
            answer = of_error(error, media or JSON)
            if DOCUMENT_ID in scope and (error.extensions or {}).get("code") == UNKNOWN:
                answer = answer._replace(status=404)  # an address that leads to nothing
        except Exception as error:
            answer = of_error(_fault(error), media or JSON)
        least = self._http.compress_from
        packed = 0 < least <= len(answer.body) and takes_gzip(headers.get(b"accept-encoding"))
        await deliver(send, answer, media, packed=packed, without_body=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, headers: Given, media: Media | None) -> Answer:
        method = scope["method"]
        if method == "OPTIONS":
            return Answer(204, b"", {"allow": METHODS, "accept-post": f"{Kind.JSON.value}, {Kind.FORM.value}"})
        if media is None:
            message = (
                "Answers are application/graphql-response+json or application/json, in UTF-8: Accept takes neither."
            )
            raise Refusal(406, "NOT_ACCEPTABLE", message)
        if method == "POST":
            return await self._answer_post(scope, receive, headers, media)
        if method not in _SAFE:
            raise Refusal(405, "METHOD_NOT_ALLOWED", f"Ask by POST or GET, not by {method[:20]}.", {"allow": METHODS})
        # Queries change nothing, whoever has them sent; and what is answered to one is for none but who has the token.
        viewer = await self._viewer(headers)
        asked = asked_of(parameters_of(scope["query_string"], scope.get(DOCUMENT_ID)))
        answer = await self._run(viewer, asked, headers, media, may_change=False)
        return answer._replace(further={"cache-control": "private, no-store", **answer.further})

    async def _answer_post(self, scope: Scope, receive: Receive, headers: Given, media: Media) -> Answer:
        kind = kind_of(headers.get(b"content-type"))
        if kind is Kind.JSON:
            body = await body_of(receive, headers, self._http.body_bytes)
            viewer = await self._viewer(headers)
            given = given_in(body)
            if isinstance(given, list):
                return await self._answer_batch(viewer, given, headers, media)
            if DOCUMENT_ID in scope:
                given = with_id(given, scope[DOCUMENT_ID])
            return await self._run(viewer, asked_of(given), headers, media)
        if kind is Kind.FORM:
            return await self._answer_with_files(scope, receive, headers, media)
        raise Refusal(
            415,
            "UNSUPPORTED_TYPE",
            "Send the operation as application/json in UTF-8, or with files as multipart/form-data.",
            {"accept-post": f"{Kind.JSON.value}, {Kind.FORM.value}"},
        )

    async def _answer_with_files(self, scope: Scope, receive: Receive, headers: Given, media: Media) -> Answer:
        """Answers an operation whose variables are files, which are there until it is answered."""
        all_headers = Headers(scope=scope)
        uploads.check(all_headers, self._limits)
        viewer = await self._viewer(headers)
        uploads.check_viewer(viewer)
        form = await forms.read(receive, all_headers, self._limits)
        try:
            asked = asked_of(with_id(uploads.operation_of(form), scope.get(DOCUMENT_ID)))
            return await self._run(viewer, asked, headers, media)
        finally:
            await form.close()

    async def _answer_batch(self, viewer: Viewer | None, given: list[Any], headers: Given, media: Media) -> Answer:
        """Answers operations one after the other, each as if it had come alone."""
        most = self._http.batch_limit
        if not most:
            raise bad_input("Send one operation at a time: arrays of them are not taken here.")
        if not 0 < len(given) <= most:
            raise bad_input(f"An array holds 1 to {most:,} operations; this one {len(given):,}.")
        if not all(isinstance(one, dict) for one in given):
            raise bad_input("An array holds operations: JSON objects with a query.")
        if b"idempotency-key" in headers:
            raise bad_input(
                "An Idempotency-Key is one operation's: in an array, each has its extensions.idempotencyKey."
            )
        answers = []
        for one in given:
            try:
                answers.append(await self._run(viewer, asked_of(one), headers, media))
            except GraphQLError as error:
                answers.append(of_error(error, media))
            except Exception as error:  # what the others have come to, changes among them, is told all the same
                answers.append(of_error(_fault(error), media))
        return together(answers)

    def _viewer(self, headers: Given) -> Awaitable[Viewer | None]:
        authorization = headers.get(b"authorization")
        return self._authenticator.viewer(None if authorization is None else authorization.decode("latin-1"))

    async def _run(
        self, viewer: Viewer | None, asked: Asked, headers: Given, media: Media, *, may_change: bool = True
    ) -> Answer:
        """Answers one operation. Raises what is no operation."""
        query, name, variables, extensions, document_id = asked
        stored = self._operations.stored
        key = headers.get(b"idempotency-key")
        idempotency_key = key_of(None if key is None else key.decode("latin-1"), extensions)
        document = self._operations.document(stored.text(query, document_id, extensions))
        operation = document.operation(name)
        if operation is None and not document.errors:
            what = (
                "There is no operation in the document." if name is None else f"There is no operation named {name!r}."
            )
            return of_result(ExecutionResult(None, [bad_input(what)]), media)
        if not may_change and operation is not None and operation.operation is OperationType.MUTATION:
            message = "A mutation is not for GET: send it by POST."
            raise Refusal(405, "METHOD_NOT_ALLOWED", message, {"allow": "POST"})
        if query and extensions and viewer is not None and not document.errors:
            stored.keep(query, extensions)
        context = Context(self._database, viewer, self._live, self._links)
        context.idempotency_key = idempotency_key
        try:
            result = await self._operations.answer(document, operation, name, variables, context, extensions)
        finally:
            await context.close()
        status = context.response_status
        if status is None and result.data is None and operation is not None and _may_ask_again(operation, result):
            status = 503
        return of_result(result, media, status, context.response_headers)


def _may_ask_again(operation: OperationDefinitionNode, result: ExecutionResult) -> bool:
    """Whether an operation is a query that came to nothing because the database was away."""
    codes = ((error.extensions or {}).get("code") for error in result.errors or ())
    return operation.operation is OperationType.QUERY and next(codes, None) == "UNAVAILABLE"


def _fault(error: Exception) -> GraphQLError:
    """What is told of an error that nobody expected."""
    if is_unavailable(error):
        return unavailable("The database cannot be reached just now. Try again.")
    return internal(error)
