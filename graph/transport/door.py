"""What comes to /graphql: one answer over HTTP, or a connection that stays open."""

from collections.abc import Awaitable, Callable

import orjson
from graphql import GraphQLError
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from db.engine import is_unavailable
from graph import arrivals
from graph.access import Authenticator, Viewer
from graph.errors import bad_input, forbidden, not_found, unauthenticated, unavailable
from graph.live.connections import Connections
from graph.live.streams import Refused, Request, Streams
from graph.refusals import ClientLeft, Refusal
from graph.requests import key_of
from graph.settings import Manners
from graph.transport import multipart, sse
from graph.transport.asking import body_of, given_in, parameters_of, with_id
from graph.transport.http import DOCUMENT_ID, METHODS
from graph.transport.leaving import Leaving
from graph.transport.negotiation import Kind, headers_of, kind_of, likes_json
from graph.transport.origins import is_welcome
from graph.transport.sse import Reservations, errors_of
from graph.transport.websocket import Socket

TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 - the name of a header
LONGEST_BODY = 256 * 1024
"""Bytes of a request for a stream."""
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
        body_seconds: float,
    ) -> None:
        self._plain = plain
        self._streams, self._authenticator, self._connections = streams, authenticator, connections
        self._manners = manners
        self._reservations = Reservations(streams, connections, manners.init_timeout)
        # Around all of it: clients that take streams, too, send bodies, and send them before anybody knows who they are.
        self._patient = Leaving(self._answer, body_seconds)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answers one request, or speaks on one connection."""
        if scope["type"] == "websocket":
            return self._speak(WebSocket(scope, receive, send))
        return self._patient(scope, receive, send)

    def _answer(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (self._answer_or_stream if _wants_a_stream(scope) else self._plain)(scope, receive, send)

    async def _answer_or_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] != "PUT" and not _has_token(scope) and likes_json(_accept(scope).encode("latin-1")):
                again = await _kept(receive)
                if not await self._is_subscription(HttpRequest(scope, again()), again()):
                    await self._plain(scope, again(), send)
                    return
                receive = again()
            await self._stream(HttpRequest(scope, receive), receive, send)
        except (GraphQLError, Refused) as error:
            await _refuse(error)(scope, receive, send)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
        except ClientLeft:
            return

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
        with arrivals.by("websocket"):
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
        with arrivals.by("sse" if is_sse else "multipart"):
            await answer(receive, send, self._streams, self._connections, viewer, asked, self._manners.ping_every)

    async def _is_subscription(self, request: HttpRequest, receive: Receive) -> bool:
        """Whether a request asks for a stream. What is no request does not: it is said by JSON what is wrong with it."""
        try:
            return self._streams.is_subscription(await _asked(request, receive))
        except (GraphQLError, Refused, Refusal):
            return False

    async def _single(self, request: HttpRequest, token: str, receive: Receive, send: Send) -> None:
        """A request of the single connection mode. The token stands for the credential that it was reserved with."""
        reservation = self._reservations.of(token)
        if reservation is None:
            raise not_found("There is no such stream: reserve one by PUT.")
        if sse.MEDIA_TYPE in _accept(request.scope) and request.method == "GET":
            if reservation.is_taken:
                await PlainTextResponse("The stream is open already.", 409)(request.scope, receive, send)
                return
            with arrivals.by("sse"):
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
        with arrivals.by("sse"):
            reservation.start(name, asked)
        await PlainTextResponse("", 202)(request.scope, receive, send)

    async def _viewer(self, request: HttpRequest) -> Viewer:
        try:
            credentials = request.headers.getlist("authorization")  # two are none, as for all others
            viewer = await self._authenticator.viewer(", ".join(credentials) if credentials else None)
        except Exception as error:
            if isinstance(error, GraphQLError) or not is_unavailable(error):
                raise
            raise unavailable("The database cannot be reached just now. Try again.") from None
        if viewer is None:
            raise unauthenticated("A stream needs a token: Authorization: Bearer ...")
        return viewer


async def _kept(receive: Receive) -> Callable[[], Receive]:
    """What gives a body again and again to those who read it, and then what comes. Of one too long only the beginning."""
    messages, length = [await receive()], 0
    while messages[-1].get("more_body") and length <= LONGEST_BODY:
        length += len(messages[-1].get("body", b""))
        messages.append(await receive())

    def again() -> Receive:
        left = iter(messages)

        async def next_one() -> Message:
            return next(left, None) or await receive()

        return next_one

    return again


def _wants_a_stream(scope: Scope) -> bool:
    if scope["method"] == "OPTIONS":
        return False
    if scope["method"] == "PUT" or _has_token(scope):
        return True
    accept = _accept(scope)
    return sse.MEDIA_TYPE in accept or (multipart.MEDIA_TYPE in accept and "subscriptionspec" in accept)


def _accept(scope: Scope) -> str:
    """What the client takes, in lower case."""
    return headers_of(scope).get(b"accept", b"").decode("latin-1").lower()


def _has_token(scope: Scope) -> bool:
    is_named = _TOKEN_NAME in headers_of(scope) or b"token=" in scope["query_string"]
    return is_named and _token(HttpRequest(scope)) is not None


def _token(request: HttpRequest) -> str | None:
    return request.headers.get(TOKEN_HEADER) or request.query_params.get("token")


async def _asked(request: HttpRequest, receive: Receive) -> Request:
    """The operation that a request asks for: in its body, or by GET in its address. Raises Refusal, ClientLeft."""
    headers, document_id = headers_of(request.scope), request.scope.get(DOCUMENT_ID)
    if request.method == "POST":
        if kind_of(headers.get(b"content-type")) is not Kind.JSON:
            raise Refusal(415, "UNSUPPORTED_TYPE", "Send the operation as application/json.")
        given = with_id(given_in(await body_of(receive, headers, LONGEST_BODY)), document_id)
    elif request.method == "GET":
        given = parameters_of(request.scope["query_string"], document_id)
    else:
        message = f"A stream is asked for by POST or GET, not by {request.method[:20]}."
        raise Refusal(405, "METHOD_NOT_ALLOWED", message, {"allow": METHODS})
    asked = Request.of(
        given,
        resume_after=request.headers.get("last-event-id"),
        may_change=request.method == "POST",
        idempotency_key=request.headers.get("idempotency-key"),
    )
    key_of(asked.idempotency_key, asked.extensions)  # while it can be said by a status
    return asked


def _refuse(error: GraphQLError | Refused) -> Response:
    errors = errors_of(error)
    code = str(errors[0].get("extensions", {}).get("code")) if errors else ""
    return Response(orjson.dumps({"errors": errors}), STATUS.get(code, 400), media_type="application/json")
