"""Settings of time: how long a request may take, wait and be silent, and from when on it is slow."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph.environment import seconds


@dataclass(frozen=True)
class DeadlineSettings:
    """All that can be set of it, in seconds. The names in capitals are environment variables."""

    request: float = 30
    """REQUEST_SECONDS: for an operation. Then all that it does is cancelled, statements included."""
    body: float = 10
    """REQUEST_BODY_SECONDS: for the body of an operation to come. Files have a limit of their own."""
    headers: float = 10
    """REQUEST_HEADER_SECONDS: for the head of a request to come, counted from its first byte or from the connection."""
    pool: float = 0.4
    """DATABASE_POOL_TIMEOUT: that a request waits for a connection before it is answered with 503."""
    slow: float = 1
    """SLOW_SECONDS: from which on an operation is logged with its statements. 0: never."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "DeadlineSettings":
        """Reads and checks the environment. Raises SettingsError."""
        return cls(
            request=seconds(environ, "REQUEST_SECONDS", cls.request, least=0.1),
            body=seconds(environ, "REQUEST_BODY_SECONDS", cls.body, least=0.1),
            headers=seconds(environ, "REQUEST_HEADER_SECONDS", cls.headers, least=0.1),
            pool=seconds(environ, "DATABASE_POOL_TIMEOUT", cls.pool, least=0.01),
            slow=seconds(environ, "SLOW_SECONDS", cls.slow, least=0),
        )
