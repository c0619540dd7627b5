"""Settings: read once from the environment, at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from graph.deadline_settings import DeadlineSettings
from graph.development import development_secret
from graph.environment import (
    SettingsError,
    database_url,
    is_loopback,
    jwks_url,
    networks,
    object_store_public_url,
    object_store_url,
    one_of,
    origin_of,
    origins,
    public_url,
    secret,
    whole,
)
from graph.http_settings import HttpSettings
from graph.idempotency_settings import IdempotencySettings
from graph.mail_settings import MailSettings
from graph.operation_limits import OperationLimits
from graph.perimeter_settings import PerimeterSettings
from graph.restart_settings import RestartSettings
from graph.tracing_settings import TracingSettings
from jobs.mailings.options import MailOptions

LONGEST_LINK = 7 * 24 * 60 * 60
"""Seconds for which a link to a file is good at most: no store signs for longer."""


@dataclass(frozen=True)
class Limits:
    """What one process bears."""

    queue: int = 1_000
    """Messages that a subscriber may be behind before it is told that it lags."""
    per_connection: int = 100
    """Subscriptions of a connection."""
    per_client: int = 1_000
    """Subscriptions and connections of a subject of a workspace, each."""


@dataclass(frozen=True)
class Manners:
    """How connections that stay open are treated. Times are seconds."""

    allowed_origins: frozenset[str] = frozenset()
    init_timeout: float = 10
    ping_every: float = 12


@dataclass(frozen=True)
class IngestLimits:
    """What one process takes of events by HTTP: of a request, and ``concurrency`` requests at once."""

    body_bytes: int = 8 * 1024 * 1024
    unpacked_bytes: int = 32 * 1024 * 1024
    line_bytes: int = 64 * 1024
    lines: int = 50_000
    concurrency: int = 8
    body_seconds: float = 60


@dataclass(frozen=True)
class UploadLimits:
    """What one request may bring that sends files."""

    body_bytes: int = 4 * 1024**3
    files: int = 10
    quiet_seconds: float = 60
    """How long nothing of a body may come."""


@dataclass(frozen=True)
class Settings:
    """All that can be set. The names in capitals are environment variables."""

    database_url: str | None
    """DATABASE_URL: a PostgreSQL server, 16 or newer. None: the embedded one below ``data_dir``."""
    data_dir: Path
    """GROUNDSWELL_DATA_DIR: the embedded database, the development secret, locks."""
    host: str
    port: int
    jwt_secret: str | None
    """JWT_SECRET: signs and verifies tokens with HS256; at least 32 bytes."""
    jwks_url: str | None
    """JWT_JWKS_URL: where the public keys are that verify RS256 and ES256 tokens."""
    jwt_audience: str | None
    """JWT_AUDIENCE: what a token's aud must be."""
    jwt_issuer: str | None
    """JWT_ISSUER: what a token's iss must be."""
    pool_size: int
    """DATABASE_POOL_SIZE: connections that stay open."""
    pool_overflow: int
    """DATABASE_POOL_OVERFLOW: connections that come and go beyond those."""
    deadlines: DeadlineSettings
    """REQUEST_SECONDS, DATABASE_POOL_TIMEOUT, SLOW_SECONDS and others, see there."""
    live_database_url: str | None
    """LIVE_DATABASE_URL: the same database by another way, for the two connections that listen and hold a lock. Needed where
    DATABASE_URL leads through a pooler of transactions."""
    live_keep: timedelta
    """LIVE_KEEP_HOURS: how long live events are kept, and cursors can be resumed from."""
    live_queue: int
    """LIVE_QUEUE: messages that a subscriber may be behind before it is told that it lags."""
    live_per_connection: int
    """LIVE_PER_CONNECTION: subscriptions of a connection."""
    live_per_client: int
    """LIVE_PER_CLIENT: connections, and subscriptions, of a subject of a workspace in one process."""
    frame_bytes: int
    """WEBSOCKET_FRAME_BYTES: the longest message that a client may send."""
    init_timeout: float
    """WEBSOCKET_INIT_SECONDS: how long a connection may wait to say who it is."""
    allowed_origins: frozenset[str]
    """ALLOWED_ORIGINS: pages of these origins, separated by commas, may open streams. Those of the server's own always may."""
    trusted_proxies: tuple[str, ...]
    """TRUSTED_PROXIES: addresses and networks, separated by commas, whose X-Forwarded-For says where a hit of a mail's link came
    from. None: nobody's, and it came from whoever connected."""
    public_url: str | None
    """PUBLIC_URL: how clients reach the server, for the links that it hands out. None: http, and the host and port it listens on."""
    file_link_seconds: int
    """FILE_LINK_SECONDS: how long a link to a file is good."""
    object_store_url: str | None
    """OBJECT_STORE_URL: where files are kept: file:///folder, s3://bucket/prefix, gs:// or az://. None: the folder ``objects``
    of the data directory."""
    object_store_public_url: str | None
    """OBJECT_STORE_PUBLIC_URL: where anybody can read what the object store holds. None: nowhere."""
    upload_limits: UploadLimits
    """Of requests with files. UPLOAD_BYTES: of a body. UPLOAD_FILES. UPLOAD_QUIET_SECONDS."""
    http: HttpSettings
    """GRAPHQL_BODY_BYTES and others, see there."""
    mail: MailSettings
    """SMTP_URL and others, see there."""
    restarts: RestartSettings
    """DRAIN_SECONDS, KEEP_ALIVE_SECONDS, see there."""
    perimeter: PerimeterSettings
    """INTROSPECTION, see there."""
    idempotency: IdempotencySettings
    """IDEMPOTENCY_HOURS and others, see there."""
    worker: bool
    """WORKER: on, or off where only processes of their own (``groundswell worker``) do background work."""
    jobs_heartbeat: timedelta
    """JOBS_HEARTBEAT_SECONDS: how long a worker may be silent before others take its jobs over."""
    export_part_rows: int
    """EXPORT_PART_ROWS: rows of one file of an export."""
    ingest_limits: IngestLimits
    """Of POST /ingest/events. INGEST_BODY_BYTES: of a body as it comes. INGEST_UNPACKED_BYTES: of one that is unpacked.
    INGEST_LINE_BYTES, INGEST_LINES. INGEST_CONCURRENCY: requests at once in one process. INGEST_BODY_SECONDS: for a body to come."""
    metrics: bool
    """METRICS: on, or off where /metrics is not to be answered. It needs no token, and holds sums over all workspaces only."""
    tracing: TracingSettings
    """OTEL_...: what is traced, and where spans go."""
    operation_limits: OperationLimits
    """LIMIT_DEPTH, COST_BUDGET and others, see there."""
    executor: str
    """EXECUTOR: what answers operations: breadth-first, or stock, which is graphql-core's own and slow."""
    log_level: str
    """LOG_LEVEL: debug, info, warning or error."""

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str],
        *,
        data_dir: Path | None = None,
        host: str | None = None,
        port: int | None = None,
        worker: bool | None = None,
    ) -> "Settings":
        """Reads and checks the environment; what is given here wins. Raises SettingsError."""
        settings = cls(
            database_url=database_url(environ.get("DATABASE_URL")),
            data_dir=(data_dir or Path(environ.get("GROUNDSWELL_DATA_DIR") or ".groundswell")).absolute(),
            host=host or "127.0.0.1",
            port=8000 if port is None else port,
            jwt_secret=secret(environ.get("JWT_SECRET")),
            jwks_url=jwks_url(environ.get("JWT_JWKS_URL")),
            jwt_audience=environ.get("JWT_AUDIENCE") or None,
            jwt_issuer=environ.get("JWT_ISSUER") or None,
            pool_size=whole(environ, "DATABASE_POOL_SIZE", 10, least=1),
            pool_overflow=whole(environ, "DATABASE_POOL_OVERFLOW", 10, least=0),
            deadlines=DeadlineSettings.from_env(environ),
            live_database_url=database_url(environ.get("LIVE_DATABASE_URL"), "LIVE_DATABASE_URL"),
            live_keep=timedelta(hours=whole(environ, "LIVE_KEEP_HOURS", 7 * 24, least=1)),
            live_queue=whole(environ, "LIVE_QUEUE", 1_000, least=1),
            live_per_connection=whole(environ, "LIVE_PER_CONNECTION", 100, least=1),
            live_per_client=whole(environ, "LIVE_PER_CLIENT", 1_000, least=1),
            frame_bytes=whole(environ, "WEBSOCKET_FRAME_BYTES", 256 * 1024, least=1024),
            init_timeout=whole(environ, "WEBSOCKET_INIT_SECONDS", 10, least=1),
            allowed_origins=origins(environ.get("ALLOWED_ORIGINS") or ""),
            trusted_proxies=networks(environ.get("TRUSTED_PROXIES") or "", "TRUSTED_PROXIES"),
            public_url=public_url(environ.get("PUBLIC_URL") or ""),
            file_link_seconds=whole(environ, "FILE_LINK_SECONDS", 900, least=1, most=LONGEST_LINK),
            object_store_url=object_store_url(environ.get("OBJECT_STORE_URL")),
            object_store_public_url=object_store_public_url(environ.get("OBJECT_STORE_PUBLIC_URL") or ""),
            upload_limits=_upload_limits(environ),
            http=HttpSettings.from_env(environ),
            mail=MailSettings.from_env(environ),
            restarts=RestartSettings.from_env(environ),
            perimeter=PerimeterSettings.from_env(environ),
            idempotency=IdempotencySettings.from_env(environ),
            worker=one_of(environ, "WORKER", "on", ("on", "off")) == "on" if worker is None else worker,
            jobs_heartbeat=timedelta(seconds=whole(environ, "JOBS_HEARTBEAT_SECONDS", 30, least=1)),
            export_part_rows=whole(environ, "EXPORT_PART_ROWS", 100_000, least=1),
            ingest_limits=_ingest_limits(environ),
            tracing=TracingSettings.from_env(environ),
            metrics=one_of(environ, "METRICS", "on", ("on", "off")) == "on",
            operation_limits=OperationLimits.from_env(environ),
            executor=one_of(environ, "EXECUTOR", "breadth-first", ("breadth-first", "stock")),
            log_level=one_of(environ, "LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        )
        settings._check_together()
        return settings

    @property
    def development(self) -> bool:
        """Whether tokens are signed with a secret made up here: then only this machine may ask."""
        return self.jwt_secret is None and self.jwks_url is None

    def objects_url(self) -> str:
        """Where files are kept."""
        return self.object_store_url or (self.data_dir / "objects").as_uri()

    def mail_options(self) -> MailOptions:
        """How mail is sent."""
        return self.mail.options(self.data_dir)

    def live_limits(self) -> Limits:
        """What the live stream of a process bears."""
        return Limits(self.live_queue, self.live_per_connection, self.live_per_client)

    def manners(self) -> Manners:
        """How connections that stay open are treated."""
        # Where a proxy asks us by another name, our own pages come from the one that it is reached by.
        own = () if self.public_url is None else (origin_of(self.public_url),)
        return Manners(self.allowed_origins.union(own), self.init_timeout)

    def signing_secret(self) -> str | None:
        """The secret that signs tokens; the development secret where none is set; None where JWKS verifies."""
        return development_secret(self.data_dir) if self.development else self.jwt_secret

    def address(self, port: int) -> str:
        """How clients reach the server that listens on a port."""
        return self.public_url or address_of(self.host, port)

    def _check_together(self) -> None:
        if self.jwt_secret and self.jwks_url:
            raise SettingsError("Set JWT_SECRET or JWT_JWKS_URL, not both: a token is verified in one way.")
        if self.development and not is_loopback(self.host):
            raise SettingsError(
                f"Without JWT_SECRET or JWT_JWKS_URL the server listens on this machine only, not on {self.host}: "
                "set one of them, or use --host 127.0.0.1."
            )


def _ingest_limits(environ: Mapping[str, str]) -> IngestLimits:
    usual = IngestLimits()
    return IngestLimits(
        body_bytes=whole(environ, "INGEST_BODY_BYTES", usual.body_bytes, least=1024),
        unpacked_bytes=whole(environ, "INGEST_UNPACKED_BYTES", usual.unpacked_bytes, least=1024),
        line_bytes=whole(environ, "INGEST_LINE_BYTES", usual.line_bytes, least=1024),
        lines=whole(environ, "INGEST_LINES", usual.lines, least=1),
        concurrency=whole(environ, "INGEST_CONCURRENCY", usual.concurrency, least=1),
        body_seconds=whole(environ, "INGEST_BODY_SECONDS", int(usual.body_seconds), least=1),
    )


def _upload_limits(environ: Mapping[str, str]) -> UploadLimits:
    usual = UploadLimits()
    return UploadLimits(
        body_bytes=whole(environ, "UPLOAD_BYTES", usual.body_bytes, least=1024),
        files=whole(environ, "UPLOAD_FILES", usual.files, least=1),
        quiet_seconds=whole(environ, "UPLOAD_QUIET_SECONDS", int(usual.quiet_seconds), least=1),
    )


def address_of(host: str, port: int) -> str:
    """The address of a server on this machine. One that listens on all its addresses is reached by the local one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - that is who asks, and not what is done
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
