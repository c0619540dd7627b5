"""The door: one Starlette application that holds the pool, follows the live log and answers GraphQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from db.engine import Database
from graph.access import Authenticator
from graph.deadlines import Deadlines
from graph.explorer.page import Explorer, is_for_people
from graph.explorer.routes import routes as explorer_routes
from graph.files import Links
from graph.ingest_events.endpoint import PATH as EVENTS
from graph.ingest_events.endpoint import IngestEvents
from graph.keyed_requests import KeyedRequests
from graph.live.connections import Connections
from graph.live.hub import Live
from graph.live.streams import Streams
from graph.live.tailer import Tailer
from graph.operations import Rules
from graph.readiness import Readiness
from graph.routes import files, health, metrics, uploads
from graph.routes.mail_webhooks import endpoint as mail_webhooks
from graph.routes.tracking import Tracking
from graph.routes.tracking import routes as tracking_routes
from graph.schema import schema
from graph.settings import Settings
from graph.telemetry.live import LiveMetrics
from graph.telemetry.setup import Telemetry
from graph.transport.door import Door
from graph.transport.http import DOCUMENT_ID, GraphQLView
from graph.transport.perimeter import Perimeter, own_names
from graph.transport.request_ids import REFUSAL, Requests
from graph.trusted_documents import stored_documents
from graph.working import objects_of, worker_of
from jobs.assets.storing import Storage
from jobs.objects import Objects
from jobs.sequencer import Sequencer

ENDPOINT = "/graphql"
_BELOW = f"{ENDPOINT}/"
"""What comes behind it is the id of a document."""


class Application(Starlette):
    """Starlette, but that GraphQL goes past its router: finding the one route costs a tenth of a small operation."""

    def __init__(self, door: Door, explorer: Explorer, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._door, self._explorer = door, explorer
        names = own_names(settings.public_url) if settings.development else None
        is_secure = (settings.public_url or "").startswith("https://")
        inside = Perimeter(self._found, ENDPOINT, settings.manners().allowed_origins, names, is_secure=is_secure)
        self.outermost: ASGIApp = Requests(inside, settings.deadlines.pool)
        """What answers, and whatever was put around it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server."""
        await self.outermost(scope, receive, send)

    def _found(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope.get("path", "")
        if REFUSAL in scope:
            refused: Awaitable[None] = scope[REFUSAL].response()(scope, receive, send)
            return refused
        if path == ENDPOINT:
            scope["app"] = self
            return (self._explorer if is_for_people(scope) else self._door)(scope, receive, send)
        if path.startswith(_BELOW) and path != _BELOW and scope["type"] == "http":
            scope["app"], scope[DOCUMENT_ID] = self, path.removeprefix(_BELOW)
            return self._door(scope, receive, send)
        if path == _BELOW and scope["type"] == "http":
            return _without_slash(scope)(scope, receive, send)
        return super().__call__(scope, receive, send)


def build_app(settings: Settings, database_url: str) -> Starlette:
    """The application. Its lifespan owns the connections; the database must be migrated already. Raises SettingsError.

    ``app.state`` holds the ``database``, ``live``, and the ``connections`` that stay open, which whoever stops the server
    must stop first.
    """
    database = Database(database_url, size=settings.pool_size, overflow=settings.pool_overflow)
    authenticator = _authenticator(settings, database)
    connections = Connections(settings.live_limits().per_client)
    live = _live(settings, authenticator, connections)
    telemetry = Telemetry.of(settings, database)
    operations = telemetry.operations(schema, _rules(settings))
    objects = objects_of(settings)
    links = _links(settings, database, objects)
    streams = Streams(database, live, links, operations)
    own_url = settings.live_database_url or database_url
    sequencer = Sequencer(own_url, settings.live_keep)
    tailer = Tailer(own_url, live.hub)
    tracking = Tracking(database, settings.data_dir / "tracking")
    readiness = Readiness(database_url, {"tailer": lambda: tailer.seen_at, "sequencer": lambda: sequencer.seen_at})
    database.on_announcement = sequencer.nudge
    telemetry.look_at(LiveMetrics(live, streams, connections, sequencer))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await tracking.begin()
        works = [sequencer.run(), tailer.run(), authenticator.clients.keep_writing_down(), tracking.run()]
        if settings.worker:
            # Made only now: before, nobody knows which port the links of mails lead to.
            worker = worker_of(settings, database, database_url, objects, links.address)
            readiness.worker = lambda: worker.seen_at
            telemetry.follow(worker)
            works.append(worker.run())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):
                await authenticator.clients.write_down()
            await tracking.close()
            await readiness.close()
            await database.close()
            await telemetry.close()

    view = GraphQLView(database, authenticator, live, links, operations, settings.upload_limits, settings.http)
    door = Door(view, streams, authenticator, connections, settings.manners(), settings.deadlines.body)
    ingest = IngestEvents(database, authenticator, settings.ingest_limits)
    telemetry.read(ingest.lines)
    routes: list[BaseRoute] = [*tracking_routes(tracking), *_beside(settings, database, links, readiness, telemetry)]
    routes += [Route(EVENTS, ingest), Route(ENDPOINT, door), WebSocketRoute(ENDPOINT, door)]
    app = Application(door, Explorer(settings, database, ENDPOINT), settings, routes=routes, lifespan=lifespan)
    app.state.database, app.state.live, app.state.connections = database, live, connections
    app.outermost = telemetry.around(app.outermost, ENDPOINT, routes)
    app.state.objects = objects
    app.state.clients, app.state.links, app.state.readiness = authenticator.clients, links, readiness
    app.state.streams, app.state.tailer, app.state.sequencer = streams, tailer, sequencer
    return app


def _authenticator(settings: Settings, database: Database) -> Authenticator:
    return Authenticator(
        database,
        secret=settings.signing_secret(),
        jwks_url=settings.jwks_url,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


def _live(settings: Settings, authenticator: Authenticator, connections: Connections) -> Live:
    """The live stream, which tells of revocations those who have let somebody in."""
    live = Live(limits=settings.live_limits())
    live.hub.on_revocation(authenticator.clients.forget)
    live.hub.on_revocation(connections.revoke)
    return live


def _links(settings: Settings, database: Database, objects: Objects) -> Links:
    address, public = settings.address(settings.port), settings.object_store_public_url
    return Links(objects, database, address, settings.file_link_seconds, Storage(database, objects), public)


def _rules(settings: Settings) -> Rules:
    """How operations are answered. Raises SettingsError."""
    return Rules(
        executor=settings.executor,
        stored=stored_documents(settings.http, schema._schema, settings.operation_limits),  # noqa: SLF001
        limits=settings.operation_limits,
        introspection=settings.perimeter.introspection,
        keyed=KeyedRequests(settings.idempotency),
        deadlines=Deadlines(settings.deadlines),
    )


def _beside(
    settings: Settings, database: Database, links: Links, readiness: Readiness, telemetry: Telemetry
) -> list[Route]:
    """The routes of plain HTTP beside GraphQL that need no credential."""
    found = [Route("/", _home), *health.routes(readiness), *files.routes(links)]
    found += uploads.routes(links, settings.upload_limits.quiet_seconds)
    found += mail_webhooks.routes(database, settings.mail.providers)
    found += explorer_routes()
    return [*found, *(metrics.routes(database, telemetry.metrics) if telemetry.metrics else ())]


def _without_slash(scope: Scope) -> Response:
    """Leads on without naming a scheme and a host: a proxy in front of us may be reached by others."""
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{ENDPOINT}?{query}" if query else ENDPOINT)


async def _home(_request: object) -> RedirectResponse:
    return RedirectResponse(ENDPOINT)
