"""Settings of the perimeter: what is said to whom of the schema."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph.environment import one_of

INTROSPECTION = ("on", "token", "off")


@dataclass(frozen=True)
class PerimeterSettings:
    """All that can be set of it. The names in capitals are environment variables."""

    introspection: str
    """INTROSPECTION: who may ask what the schema is like, and is told what may have been meant. on: everybody, which is how it is
    in development; token: whoever has a credential, which is how it is elsewhere; off: nobody."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "PerimeterSettings":
        """Reads and checks the environment. Raises SettingsError."""
        is_development = not environ.get("JWT_SECRET") and not environ.get("JWT_JWKS_URL")
        usual = "on" if is_development else "token"
        return cls(introspection=one_of(environ, "INTROSPECTION", usual, INTROSPECTION))
