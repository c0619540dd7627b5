"""The page at the endpoint for people: GraphiQL from this server's own files, under a strict policy."""

import html
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from db.engine import Database, is_unavailable
from db.queries import workspaces
from graph.development import DEVELOPER_SCOPES
from graph.explorer.build import DIST, PROBLEM
from graph.explorer.owner import is_of_owner
from graph.settings import Settings
from graph.tokens import make_token
from jobs.demo import WORKSPACE

TOKEN_HOURS = 12
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",  # Monaco writes styles as it measures and colours text
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy of the page. No script but from files of this server, and no text that becomes one."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
_OPERATIONS = (b"query=", b"extensions=", b"documentId=", b"token=")
_UNBUILT = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Groundswell</title>'
    '<link rel="icon" href="data:,"></head><body><h1>The explorer is not built</h1><p>Groundswell answers operations here, '
    "sent by POST. The page to explore it with is bundled from packages of npm, which needs a network once: "
    "<code>make explorer</code> builds it, and says why where it cannot; then load this page again.</p>{reason}</body></html>\n"
)


def is_for_people(scope: Scope) -> bool:
    """Whether a request to the endpoint asks for the page: by GET, for HTML, and without an operation."""
    if scope.get("method") not in ("GET", "HEAD"):
        return False
    query: bytes = scope.get("query_string", b"")
    if any(part.startswith(_OPERATIONS) for part in query.split(b"&")):
        return False
    accept = next((value.lower() for name, value in scope["headers"] if name == b"accept"), b"")
    return b"text/html" in accept and b"json" not in accept and b"event-stream" not in accept


class Explorer:
    """The page of a server, as the endpoint answers it to people."""

    def __init__(self, settings: Settings, database: Database, endpoint: str, dist: Path = DIST) -> None:
        self._settings, self._database, self._endpoint = settings, database, endpoint
        self._dist = dist

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        response = await self.page(scope)
        await response(scope, receive, send)

    async def page(self, scope: Scope) -> Response:
        """The page, or, where it is not built, another that says how it is; that one with the status 503."""
        try:
            names = json.loads((self._dist / "manifest.json").read_text())
            template = (self._dist / "index.html").read_text()
        except FileNotFoundError:
            return HTMLResponse(_UNBUILT.format(reason=self._reason()), 503, HEADERS)
        filled = template.replace("%STYLE%", f"/explorer/{names['style']}")
        filled = filled.replace("%SCRIPT%", f"/explorer/{names['script']}")
        told = {"endpoint": self._endpoint, "token": await self._token(scope)}
        return HTMLResponse(filled.replace("%SETTINGS%", _in_html(told)), headers=HEADERS)

    def _reason(self) -> str:
        """Why, in development: it names folders of this machine, and where packages come from."""
        if not self._settings.development:
            return ""
        try:
            return f"<pre>{html.escape((self._dist / PROBLEM).read_text())}</pre>"
        except FileNotFoundError:
            return ""

    async def _token(self, scope: Scope) -> str | None:
        """A token for the demo workspace, if there is one; only in development, and only for who runs the server."""
        secret = self._settings.signing_secret() if self._settings.development else None
        if secret is None or not is_of_owner(scope) or not await self._has_demo():
            return None
        return make_token(
            secret,
            subject="developer",
            workspace=WORKSPACE,
            scopes=DEVELOPER_SCOPES,
            ttl=timedelta(hours=TOKEN_HOURS),
            audience=self._settings.jwt_audience,
            issuer=self._settings.jwt_issuer,
        )

    async def _has_demo(self) -> bool:
        try:
            return await workspaces.id_of(self._database, WORKSPACE) is not None
        except Exception as error:
            if is_unavailable(error):
                return False
            raise


def _in_html(value: Any) -> str:
    """JSON that can stand in a script element, whatever is in it."""
    return json.dumps(value).replace("<", "\\u003c")
