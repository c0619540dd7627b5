"""The door: one Starlette application that holds the pool and answers GraphQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from db.engine import Database
from graph.access import Authenticator
from graph.routes import health
from graph.settings import Settings
from graph.transport.http import GraphQLView


def build_app(settings: Settings, database_url: str) -> Starlette:
    """The application. Its lifespan owns the connections; the database must be migrated already."""
    database = Database(
        database_url, size=settings.pool_size, overflow=settings.pool_overflow, timeout=settings.pool_timeout
    )
    authenticator = Authenticator(
        database,
        secret=settings.signing_secret(),
        jwks_url=settings.jwks_url,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await database.close()

    async def home(_request: object) -> RedirectResponse:
        return RedirectResponse("/graphql")

    view = GraphQLView(database, authenticator)
    routes = [Route("/", home), *health.routes, Route("/graphql", view)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.database = database
    return app
