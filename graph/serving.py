"""Serving: one process with its database, from the first line it prints to the last connection it closes."""

import asyncio
import gc
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
import uvicorn

from db.engine import Database
from db.migrate import upgrade
from graph.app import build_app
from graph.development import DEVELOPER_SCOPES
from graph.draining import GRACE_SECONDS, DrainingServer, WebSocketProtocol
from graph.environment import SettingsError
from graph.logs import configure_logging
from graph.only_one import only_one
from graph.opening import database_at
from graph.schema import schema
from graph.settings import Settings, address_of
from graph.tokens import make_token
from graph.transport.heads import patient
from graph.trusted_documents import stored_documents
from graph.working import objects_of
from jobs import demo
from jobs.sequencer import settle_epoch

PING_SECONDS, PONG_SECONDS = 10, 15
"""A WebSocket whose other side has vanished is closed after these together."""
STALLED_MILLISECONDS = 15_000
"""How long a client may take nothing of what it is sent."""
BACKLOG = 2048

log = structlog.get_logger("groundswell.serve")


def serve(settings: Settings, *, with_demo: bool) -> None:
    """Serves until it is told to stop. Raises SettingsError, EmbeddedError and DatabaseUnavailable."""
    configure_logging(settings.log_level)
    stopping = _Stopping()
    # What can be said at once is said at once: before a database is started.
    with only_one(settings) as announce, listening(settings) as listener:
        announce(listener.getsockname()[1])
        settings.signing_secret()
        objects_of(settings)
        stored_documents(settings.http, schema._schema, settings.operation_limits)  # noqa: SLF001
        with database_at(settings) as url:
            before, after = asyncio.run(upgrade(url))
            if before != after:
                log.info("migrated", revision=after)
            asyncio.run(settle_epoch(settings.live_database_url or url))
            loaded = asyncio.run(_load_demo(url)) if with_demo else False
            server = server_of(settings, url)
            listener.listen(BACKLOG)  # from here on, whoever read the address is let in
            _welcome(settings, listener, with_demo=with_demo, loaded=loaded)
            tune_garbage_collection()
            stopping.hand_over(server).run(sockets=[listener])


def tune_garbage_collection() -> None:
    """Measured on recordImpressions in batches of 1000: a fifth more rows a second than with the defaults.

    A batch makes tens of thousands of objects that die with it; looking through all that live every 700 finds none.
    Answers make few objects, and are as fast with the defaults.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def server_of(settings: Settings, url: str) -> uvicorn.Server:
    """The server of a database, as it is run everywhere."""
    config = uvicorn.Config(
        build_app(settings, url),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=settings.restarts.keep_alive,
        http=patient(settings.deadlines.headers),
        ws=WebSocketProtocol,
        ws_max_size=settings.frame_bytes,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,  # small messages gain nothing, and each connection would keep a dictionary
    )
    return DrainingServer(config, settings)


class _Stopping:
    """Ctrl-C, SIGTERM and a closed terminal end this process by way of its own cleaning up, whenever they come."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._wanted = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def hand_over(self, server: uvicorn.Server) -> uvicorn.Server:
        """From now on the server is told to end, which it does at its next turn."""
        self._server = server
        if self._wanted:
            raise SystemExit(0)
        return server

    def _stop(self, _number: int, _frame: object) -> None:
        self._wanted = True
        if self._server is not None:
            self._server.force_exit = self._server.should_exit  # who insists is obeyed at once
            self._server.should_exit = True
        else:
            # Python drops what is raised while it runs a weak reference's callback: hence hand_over looks again.
            raise SystemExit(0)


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The settings' port, taken. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it. Without it, one whose reader has stopped is never given up: closing waits for it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MILLISECONDS)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SettingsError(
                f"Port {settings.port} on {settings.host} cannot be used: {reason}. Choose another with --port or --host."
            ) from None
        # Taken only: clients are let in when there is something to answer them.
        yield listener


async def _load_demo(url: str) -> bool:
    database = Database(url)
    try:
        return await demo.load(database)
    finally:
        await database.close()


def _welcome(settings: Settings, listener: socket.socket, *, with_demo: bool, loaded: bool) -> None:
    address = address_of(settings.host, listener.getsockname()[1])
    print(f"\nGroundswell answers on {address}/graphql (GraphiQL in a browser, GraphQL by POST).")
    if loaded:
        print("The demo workspace was loaded: 24 campaigns, their impressions, conversations and events.")
    secret = settings.signing_secret()
    if settings.development and secret is not None:
        print("Without JWT_SECRET or JWT_JWKS_URL it listens on this machine only.")
        if with_demo:
            _offer_demo(secret, address)
    if not with_demo:
        print(
            "Make a workspace:   groundswell workspace create KEY\nand a token for it: groundswell token --workspace KEY"
        )
    print("Ctrl-C stops it.", flush=True)


def _offer_demo(secret: str, address: str) -> None:
    token = make_token(secret, subject="developer", workspace="demo", scopes=DEVELOPER_SCOPES, ttl=timedelta(days=30))
    query = json.dumps({"query": "{ campaigns(first: 3) { nodes { name metrics { impressions clickThroughRate } } } }"})
    print(f"A token for the demo workspace, good for 30 days:\n\n{token}\n")
    print(f"Try:\n  curl -s {address}/graphql -H 'Content-Type: application/json' \\")
    print(f"    -H 'Authorization: Bearer {token}' \\\n    -d '{query}'\n")
