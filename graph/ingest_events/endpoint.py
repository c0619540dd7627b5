"""POST /ingest/events: who asks, whether there is room, and what came of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from db.engine import Database, is_unavailable
from graph.access import INGEST, Authenticator, Viewer
from graph.errors import internal
from graph.ingest_events.batches import Result, Status, batches, record
from graph.ingest_events.body import Body, form_of
from graph.ingest_events.lines import Line
from graph.ingest_events.refusals import too_many, unavailable
from graph.ingest_events.report import Report
from graph.refusals import ClientLeft, Refusal
from graph.settings import IngestLimits

PATH = "/ingest/events"
RETRY_SOON, RETRY_LATER = 1, 5
"""Seconds after which to send again: when others are done, and when the database is back."""

log = structlog.get_logger("groundswell.ingest")


class IngestEvents:
    """The endpoint. It holds as many bodies at a time as the limits say, and reads no others."""

    def __init__(self, database: Database, authenticator: Authenticator, limits: IngestLimits) -> None:
        self._database, self._authenticator, self._limits = database, authenticator, limits
        self._running = 0
        self.lines: Counter[str] = Counter()
        """Lines that were answered, by what became of them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Who has left gets no answer; what was not committed by then is not recorded."""
        with suppress(ClientLeft):
            try:
                await self._answer(scope, receive, send)
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            message = f"Events are sent by POST, not by {scope['method']}."
            raise Refusal(405, "METHOD_NOT_ALLOWED", message, {"Allow": "POST"})
        headers = Headers(scope=scope)
        viewer = await self._viewer(headers)
        form = form_of(headers, self._limits)
        with self._room():
            body = await Body.read(receive, form, self._limits)
            left = asyncio.create_task(_left(receive))
            try:
                response = await self._recorded(viewer, body, left)
            finally:
                left.cancel()
                await asyncio.gather(left, return_exceptions=True)
            await response(scope, receive, send)

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._running >= self._limits.concurrency:
            raise too_many(RETRY_SOON)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def _viewer(self, headers: Headers) -> Viewer:
        try:
            viewer = await self._authenticator.viewer(headers.get("authorization"))
        except GraphQLError as error:
            if is_unavailable(error):
                raise unavailable(RETRY_LATER) from None
            if (error.extensions or {}).get("code") == "UNAVAILABLE":
                raise Refusal(503, "UNAVAILABLE", error.message, {"Retry-After": str(RETRY_LATER)}) from None
            raise _unauthenticated(error.message) from None
        except Exception as error:
            if is_unavailable(error):
                raise unavailable(RETRY_LATER) from None
            raise
        if viewer is None:
            raise _unauthenticated("Send a token: Authorization: Bearer ...")
        if INGEST.isdisjoint(viewer.scopes):
            raise Refusal(403, "FORBIDDEN", "Sending events needs a token with the scope ingest or write.")
        return viewer

    async def _recorded(self, viewer: Viewer, body: Body, left: "asyncio.Task[None]") -> Response:
        """Records batch after batch. From the first that fails on, nothing is recorded, and all is to be sent again."""
        report, failure = Report(), None
        async for lines in batches(body, self._limits.line_bytes):
            if left.done():
                raise ClientLeft
            if failure is None:
                try:
                    report.add(await record(self._database, viewer, lines))
                    continue
                except Exception as error:
                    failure = error
            report.add(_to_be_sent_again(lines))
        self.lines.update(report.counts())
        return _answered(report, failure)


def _unauthenticated(message: str) -> Refusal:
    return Refusal(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": "Bearer"})


def _to_be_sent_again(lines: list[Line]) -> Iterator[Result]:
    # A commit of which nothing was heard may have been one: the keys tell, when the lines come again.
    return (Result(line, Status.RETRY) for line in lines)


def _answered(report: Report, failure: Exception | None) -> Response:
    status, more, headers = 200, dict[str, Any](), dict[str, str]()
    if failure is not None:
        headers["Retry-After"] = str(RETRY_LATER)
        if is_unavailable(failure):
            status = 503
            log.warning("events could not be recorded, and are to be sent again", reason=repr(failure))
        else:
            status = 500
            more["errors"] = [internal(failure).formatted]
    return Response(report.closed(**more), status, headers, media_type="application/x-ndjson")


async def _left(receive: Receive) -> None:
    """Ends when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
