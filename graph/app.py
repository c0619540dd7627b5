"""The door: one Starlette application that holds the pool, follows the live log and answers GraphQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from db.engine import Database
from graph.access import Authenticator
from graph.deadlines import Deadlines
from graph.explorer.page import Explorer, is_for_people
from graph.explorer.routes import routes as explorer_routes
from graph.files import Links
from graph.ingest_events.endpoint import PATH as EVENTS
from graph.ingest_events.endpoint import IngestEvents
from graph.live.connections import Connections
from graph.live.hub import Live
from graph.live.streams import Streams
from graph.live.tailer import Tailer
from graph.operations import Operations
from graph.routes import files, health, metrics, uploads
from graph.routes.mail_webhooks import endpoint as mail_webhooks
from graph.routes.tracking import Tracking
from graph.routes.tracking import routes as tracking_routes
from graph.schema import schema
from graph.settings import Settings
from graph.transport.door import Door
from graph.transport.http import GraphQLView
from graph.transport.leaving import Leaving
from graph.transport.request_ids import Requests
from graph.working import objects_of, worker_of
from jobs.assets.storing import Storage
from jobs.sequencer import Sequencer

ENDPOINT = "/graphql"


class Application(Starlette):
    """Starlette, but that GraphQL goes past its router: finding the one route costs a tenth of a small operation."""

    def __init__(self, door: Door, explorer: Explorer, patience: float, **options: Any) -> None:
        super().__init__(**options)
        self._door, self._explorer = door, explorer
        self._requests = Requests(self._answer, patience)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Called by the server."""
        await self._requests(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == ENDPOINT:
            scope["app"] = self
            await (self._explorer if is_for_people(scope) else self._door)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def build_app(settings: Settings, database_url: str) -> Starlette:
    """The application. Its lifespan owns the connections; the database must be migrated already. Raises SettingsError.

    ``app.state`` holds the ``database``, ``live``, and the ``connections`` that stay open, which whoever stops the server
    must stop first.
    """
    database = Database(database_url, size=settings.pool_size, overflow=settings.pool_overflow)
    authenticator = _authenticator(settings, database)
    live = Live(limits=settings.live_limits())
    operations = Operations(schema, settings.executor, Deadlines(settings.deadlines))
    objects = objects_of(settings)
    address, public = settings.address(settings.port), settings.object_store_public_url
    storage = Storage(database, objects)
    links = Links(objects, database, address, settings.file_link_seconds, storage, public)
    streams = Streams(database, live, links, operations)
    connections = Connections(live.limits.per_client)
    live.hub.on_revocation(authenticator.clients.forget)
    live.hub.on_revocation(connections.revoke)
    own_url = settings.live_database_url or database_url
    sequencer = Sequencer(own_url, settings.live_keep)
    tailer = Tailer(own_url, live.hub)
    tracking = Tracking(database, settings.data_dir / "tracking")
    database.on_announcement = sequencer.nudge

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await tracking.begin()
        works = [sequencer.run(), tailer.run(), authenticator.clients.keep_writing_down(), tracking.run()]
        if settings.worker:
            # Made only now: before, nobody knows which port the links of mails lead to.
            works.append(worker_of(settings, database, database_url, objects, links.address).run())
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
            await database.close()

    view = GraphQLView(database, authenticator, live, links, operations, settings.upload_limits)
    door = Door(Leaving(view, settings.deadlines.body), streams, authenticator, connections, settings.manners())
    ingest = IngestEvents(database, authenticator, settings.ingest_limits)
    plain = [*tracking_routes(tracking), *_beside(settings, database, links), Route(EVENTS, ingest)]
    routes = [*plain, Route(ENDPOINT, door), WebSocketRoute(ENDPOINT, door)]
    explorer = Explorer(settings, database, ENDPOINT)
    app = Application(door, explorer, settings.deadlines.pool, routes=routes, lifespan=lifespan)
    app.state.database, app.state.live, app.state.connections = database, live, connections
    app.state.objects = objects
    app.state.clients, app.state.links = authenticator.clients, links
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


def _beside(settings: Settings, database: Database, links: Links) -> list[Route]:
    """The routes of plain HTTP beside GraphQL that need no credential."""
    found = [Route("/", _home), *health.routes, *files.routes(links)]
    found += uploads.routes(links, settings.upload_limits.quiet_seconds)
    found += mail_webhooks.routes(database, settings.mail.providers)
    found += explorer_routes()
    return [*found, *metrics.routes(database)] if settings.metrics else found


async def _home(_request: object) -> RedirectResponse:
    return RedirectResponse(ENDPOINT)
