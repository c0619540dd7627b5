"""What comes to /graphql: one answer over HTTP, or a connection that stays open."""

from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from db.engine import is_unavailable
from graph.access import Authenticator, Viewer
from graph.errors import bad_input, forbidden, not_found, unauthenticated, unavailable
from graph.live.connections import Connections
from graph.live.streams import Refused, Request, Streams
from graph.settings import Manners
from graph.transport import multipart, sse, streaming
from graph.transport.origins import is_welcome
from graph.transport.sse import Reservations, errors_of
from graph.transport.websocket import Socket

TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header
_TOKEN_NAME = TOKEN_HEADER.encode()
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "LIMIT_REACHED": 429, "UNAVAILABLE": 503}
"""What a request is answered with that could not become a stream; others are 400."""


class Door:
    """The endpoint."""

    def __init__(
        self,
        plain: ASGIApp,
        streams: Streams,
        authenticator: Authenticator,
        connections: Connections,
        manners: Manners,
    ) -> None:
        self._plain = plain
        self._streams, self._authenticator, self._connections = streams, authenticator, connections
        self._manners = manners
        self._reservations = Reservations(streams, connections, manners.init_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or speaks on one connection."""
        if scope["type"] == "websocket":
            await self._speak(WebSocket(scope, receive, send))
            return
        if not _wants_a_stream(scope):
            await self._plain(scope, receive, send)
            return
        try:
            await self._stream(HttpRequest(scope, receive), receive, send)
        except (GraphQLError, Refused) as error:
            await _refuse(error)(scope, receive, send)
        except streaming.TooLong:
            response = PlainTextResponse(f"A body has at most {streaming.LONGEST_BODY:,} bytes.", 413)
            await response(scope, receive, send)

    async def _speak(self, websocket: WebSocket) -> None:
        if not is_welcome(websocket.scope, self._manners.allowed_origins):
            await websocket.close(4403, "This origin may not connect")
            return
        socket = Socket(
            websocket,
            self._streams,
            self._authenticator,
            self._connections,
            init_timeout=self._manners.init_timeout,
            ping_every=self._manners.ping_every,
        )
        await socket.run()

    async def _stream(self, request: HttpRequest, receive: Receive, send: Send) -> None:
        if not is_welcome(request.scope, self._manners.allowed_origins):
            raise forbidden("This origin may not connect. ALLOWED_ORIGINS names those that may.")
        if request.method == "PUT":  # before tokens: graphql-sse sends the last one along when it connects again
            created = PlainTextResponse(self._reservations.make(await self._viewer(request)), 201)
            await created(request.scope, receive, send)
            return
        token = _token(request)
        if token is not None:
            await self._single(request, token, receive, send)
            return
        viewer = await self._viewer(request)
        asked = await _asked(request, receive)
        is_sse = sse.MEDIA_TYPE in _accept(request.scope)
        answer = sse.answer_distinct if is_sse else multipart.answer
        await answer(receive, send, self._streams, self._connections, viewer, asked, self._manners.ping_every)

    async def _single(self, request: HttpRequest, token: str, receive: Receive, send: Send) -> None:
        """A request of the single connection mode. The token stands for the credential that it was reserved with."""
        reservation = self._reservations.of(token)
        if reservation is None:
            raise not_found("There is no such stream: reserve one by PUT.")
        if sse.MEDIA_TYPE in _accept(request.scope) and request.method == "GET":
            if reservation.is_taken:
                await PlainTextResponse("The stream is open already.", 409)(request.scope, receive, send)
                return
            await self._reservations.take(token, receive, send, self._manners.ping_every)
            return
        if request.method == "DELETE":
            name = request.query_params.get("operationId")
            if not name:
                raise bad_input("Say which operation: operationId.")
            reservation.stop(name)
            await PlainTextResponse("", 200)(request.scope, receive, send)
            return
        asked = await _asked(request, receive)
        name = asked.extensions.get("operationId")
        if not isinstance(name, str) or not name:
            raise bad_input("Say which operation: extensions.operationId.")
        if reservation.has(name):
            await PlainTextResponse("An operation of this id runs already.", 409)(request.scope, receive, send)
            return
        reservation.start(name, asked)
        await PlainTextResponse("", 202)(request.scope, receive, send)

    async def _viewer(self, request: HttpRequest) -> Viewer:
        try:
            viewer = await self._authenticator.viewer(request.headers.get("authorization"))
        except Exception as error:
            if isinstance(error, GraphQLError) or not is_unavailable(error):
                raise
            raise unavailable("The database cannot be reached just now. Try again.") from None
        if viewer is None:
            raise unauthenticated("A stream needs a token: Authorization: Bearer ...")
        return viewer


def _wants_a_stream(scope: Scope) -> bool:
    if scope["method"] == "PUT" or _has_token(scope):
        return True
    accept = _accept(scope)
    return sse.MEDIA_TYPE in accept or (multipart.MEDIA_TYPE in accept and "subscriptionspec" in accept)


def _accept(scope: Scope) -> str:
    """What the client takes, in lower case. The header is looked for by hand: most requests are looked at no further."""
    given = (value for name, value in scope["headers"] if name == b"accept")
    return next(given, b"").decode("latin-1").lower()


def _has_token(scope: Scope) -> bool:
    is_named = b"token=" in scope["query_string"] or any(name == _TOKEN_NAME for name, _ in scope["headers"])
    return is_named and _token(HttpRequest(scope)) is not None


def _token(request: HttpRequest) -> str | None:
    return request.headers.get(TOKEN_HEADER) or request.query_params.get("token")


async def _asked(request: HttpRequest, receive: Receive) -> Request:
    """The operation that a request asks for: in its body, or by GET in its address."""
    if request.method == "POST":
        if "application/json" not in request.headers.get("content-type", ""):
            raise bad_input("Send the operation as application/json.")
        given = _json(await streaming.body(receive), "The body")
    elif request.method == "GET":
        parameters = request.query_params
        given = {name: parameters[name] for name in ("query", "operationName") if name in parameters}
        for name in ("variables", "extensions"):
            if name in parameters:
                given[name] = _json(parameters[name], name)
    else:
        raise bad_input(f"A stream is asked for by POST or GET, not by {request.method}.")
    key, after = request.headers.get("idempotency-key"), request.headers.get("last-event-id")
    return Request.of(given, resume_after=after, may_change=request.method == "POST", idempotency_key=key)


def _json(given: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(given)
    except ValueError:
        raise bad_input(f"{what} is not JSON.") from None


def _refuse(error: GraphQLError | Refused) -> Response:
    errors = errors_of(error)
    code = str(errors[0].get("extensions", {}).get("code")) if errors else ""
    return Response(orjson.dumps({"errors": errors}), STATUS.get(code, 400), media_type="application/json")
