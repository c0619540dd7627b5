"""The same schema on Strawberry's own WebSocket handler, on the same database: what the hub is compared with."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from bench.server import SECRET
from db.engine import Database
from graph.access import Authenticator
from graph.context import Context
from graph.encoding import encoded
from graph.live.hub import Live
from graph.live.tailer import Tailer
from graph.schema import schema
from graph.serving import listening
from graph.settings import Settings


class Stock(GraphQL[Context, None]):
    """Strawberry's view as it comes, with our context."""

    def __init__(self, database: Database, live: Live) -> None:
        super().__init__(schema, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._database, self._live = database, live
        self._authenticator = Authenticator(database, secret=SECRET, jwks_url=None, audience=None, issuer=None)

    def encode_json(self, data: object) -> str:
        """A text, which goes out as a text frame; our scalars need our encoder."""
        return encoded(data).decode()

    async def get_context(self, request: Any, response: Any) -> Context:
        """A context for the connection, as the stock handler has it."""
        viewer = await self._authenticator.viewer(request.headers.get("authorization"))
        context = Context(self._database, viewer, self._live)
        context.streams = True
        return context


def application(url: str) -> Starlette:
    """The application."""
    database, live = Database(url), Live()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(Tailer(url, live.hub).run())
        yield
        following.cancel()
        await database.close()

    view = Stock(database, live)
    return Starlette(routes=[Route("/graphql", view), WebSocketRoute("/graphql", view)], lifespan=lifespan)


def main(url: str, port: str) -> None:
    """Serves on a port, with uvicorn set up as ours is."""
    settings = Settings.from_env({"JWT_SECRET": SECRET, "COST_BUDGET": "0"}, data_dir=Path("unused"), port=int(port))
    with listening(settings) as listener:
        listener.listen(2048)
        config = uvicorn.Config(
            application(url),
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
        )
        print(f"http://127.0.0.1:{port}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
