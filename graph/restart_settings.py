"""Settings of restarts: how a server leaves a load balancer."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph.environment import whole


@dataclass(frozen=True)
class RestartSettings:
    """How a server behind a balancer is stopped. Times are seconds. The names in capitals are environment variables."""

    drain: float = 0
    """DRAIN_SECONDS: how long a server that is to stop goes on answering while /health/ready says 503."""
    keep_alive: int = 65
    """KEEP_ALIVE_SECONDS: how long a connection may be idle: longer than the balancer keeps its own, or it asks on one that is
    just being closed."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RestartSettings":
        """Reads and checks the environment. Raises SettingsError."""
        usual = cls()
        return cls(
            drain=whole(environ, "DRAIN_SECONDS", int(usual.drain), least=0, most=3600),
            keep_alive=whole(environ, "KEEP_ALIVE_SECONDS", usual.keep_alive, least=1, most=3600),
        )
