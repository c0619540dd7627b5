"""Settings of idempotency: how long an answer is kept for whoever sends a request again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from graph.environment import whole


@dataclass(frozen=True)
class IdempotencySettings:
    """All that can be set of idempotency. The names in capitals are environment variables."""

    lasts: timedelta = timedelta(hours=24)
    """IDEMPOTENCY_HOURS: how long a key stands for its first request."""
    patience: float = 10
    """IDEMPOTENCY_WAIT_SECONDS: how long a request waits for the first of its key, before it is told that that still runs."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "IdempotencySettings":
        """Reads and checks the environment. Raises SettingsError."""
        usual = cls()
        hours = whole(environ, "IDEMPOTENCY_HOURS", 24, least=1, most=24 * 365)
        return cls(timedelta(hours=hours), whole(environ, "IDEMPOTENCY_WAIT_SECONDS", int(usual.patience), least=0))
