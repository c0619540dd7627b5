"""The outermost wall: what every answer says to browsers, which pages may ask, and what is answered when all else fails.

It is passed by every request, so that all is made ready before the first: an answer costs a look-up by the names of its headers.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from db.engine import is_unavailable
from graph.environment import is_loopback
from graph.errors import internal
from graph.refusals import ClientLeft, Refusal
from graph.transport import cors, csrf
from graph.transport.cors import Cors, Headers, Policy
from graph.transport.origins import header

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of all that has none of its own: nothing in it runs, is loaded or is shown in a frame."""
USUAL: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""What an answer says unless it says otherwise itself."""
ELSEWHERE: Mapping[str, str] = {
    name: value for name, value in USUAL.items() if not name.startswith(("cross-", "x-frame"))
} | {"cross-origin-resource-policy": "cross-origin"}
"""The same of what belongs into other pages and mails: pictures, films and files, and links that lead on."""
TRANSPORT = "max-age=63072000"
"""Strict-Transport-Security of a server that is reached by https. Whether its other names are, too, it cannot know."""
_MOST_KNOWN = 256


class Place(NamedTuple):
    """Some paths: all that begin so."""

    path: str
    usual: Mapping[str, str] = USUAL
    policy: Policy | None = None


PLACES = (
    Place("/t/", ELSEWHERE),
    Place("/files/", ELSEWHERE, cors.FILES),
    Place("/uploads/", USUAL, cors.UPLOADS),
    Place("/ingest/events", USUAL, cors.EVENTS),
)
_BELOW, _OTHERS = Place("/graphql/", USUAL, cors.GRAPHQL), Place("")


class Perimeter:
    """Answers as an application does, and as its settings want it.

    ``origins``: the pages that may ask. ``names``: the host names that this server answers to; None: all.
    """

    def __init__(
        self,
        app: ASGIApp,
        endpoint: str,
        origins: frozenset[str] = frozenset(),
        names: Callable[[str], bool] | None = None,
        *,
        is_secure: bool = False,
    ) -> None:
        self._app, self._endpoint, self._origins, self._names = app, endpoint, origins, names
        more = {"strict-transport-security": TRANSPORT} if is_secure else {}
        self._rooms = [(place.path, _Room(place, more, origins)) for place in PLACES]
        self._graphql, self._others = _Room(_BELOW, more, origins), _Room(_OTHERS, more, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket" and not self._is_named(scope):
                await WebSocket(scope, receive, send).close(4403, "This name is not this server's")
            else:
                await self._app(scope, receive, send)
            return
        room = self._room(scope["path"])
        granted = room.cors.granted(scope) if room.cors is not None else ()
        has_begun = False

        def complete(message: Message) -> Awaitable[None]:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = message.get("headers", ())
                message["headers"] = [*headers, *room.missing(headers), *granted]
            return send(message)

        try:
            await self._app_for(room, scope)(scope, receive, complete)
        except ClientLeft:
            return
        except Exception as error:
            if has_begun:
                raise
            await _failed(error).response()(scope, receive, complete)

    def _room(self, path: str) -> "_Room":
        if path.startswith(self._endpoint):
            rest = path[len(self._endpoint) :]
            return self._graphql if not rest or rest[0] == "/" else self._others
        return next((room for begin, room in self._rooms if path.startswith(begin)), self._others)

    def _app_for(self, room: "_Room", scope: Scope) -> ASGIApp:
        """Who answers a request: the application, unless it may not come as far as that."""
        if not self._is_named(scope):
            return _MISDIRECTED
        if scope["method"] == "POST":
            return self._app
        if room.cors is not None and cors.is_preflight(scope):
            return room.cors.preflight
        if (
            room is self._graphql
            and csrf.is_operation(scope, self._endpoint)
            and not csrf.is_meant(scope, self._origins)
        ):
            return _FOREIGN
        return self._app

    def _is_named(self, scope: Scope) -> bool:
        return self._names is None or self._names(header(scope, b"host") or "")


class _Room:
    """A place, ready to answer."""

    def __init__(self, place: Place, more: Mapping[str, str], origins: frozenset[str]) -> None:
        usual = {**place.usual, **more}
        self._usual: Headers = tuple((name.encode(), value.encode()) for name, value in usual.items())
        self._known: dict[tuple[bytes, ...], Headers] = {}
        self.cors = None if place.policy is None else Cors(place.policy, origins)

    def missing(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """What an answer with these headers does not say itself."""
        names = tuple([name for name, _ in headers])
        found = self._known.get(names)
        if found is None:
            found = tuple(one for one in self._usual if one[0] not in names)
            if len(self._known) < _MOST_KNOWN:
                self._known[names] = found
        return found


def own_names(public_url: str | None) -> Callable[[str], bool]:
    """Whether a Host header is a name of this machine itself, or the one under which it is said to be reached.

    Any other leads a browser here with a page of somebody else (DNS rebinding), which then counts as our own.
    """
    public = urlsplit(public_url or "").netloc.lower()

    def is_own(host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name.endswith(".localhost") or (public != "" and host.lower() == public)

    return is_own


def _refused(refusal: Refusal) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await refusal.response()(scope, receive, send)

    return answer


_FOREIGN = _refused(
    Refusal(
        403,
        "FORBIDDEN",
        "This could be a picture, a form or a link of a foreign page. An operation by GET says that it is none: send "
        "Accept: application/graphql-response+json, an Authorization, or GraphQL-Preflight: 1.",
    )
)
_MISDIRECTED = _refused(
    Refusal(
        421,
        "FORBIDDEN",
        "Without JWT_SECRET or JWT_JWKS_URL this server answers only to names of its own machine, like localhost, and to "
        "PUBLIC_URL's.",
    )
)


def _failed(error: Exception) -> Refusal:
    """The answer to what nobody else answered."""
    if is_unavailable(error):
        return Refusal(503, "UNAVAILABLE", "The database cannot be reached just now. Try again.", {"retry-after": "1"})
    masked = internal(error)
    return Refusal(500, "INTERNAL", masked.message)
