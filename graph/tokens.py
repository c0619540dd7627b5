"""Making tokens: for development, and for whoever shares the server's secret."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import jwt


def make_token(
    secret: str,
    *,
    subject: str,
    workspace: str,
    scopes: Iterable[str],
    ttl: timedelta,
    actor: Mapping[str, str] | None = None,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    """A token as graph.access verifies it: HS256, with the workspace's key and the scopes in lower case."""
    now = datetime.now(UTC)
    claims: dict[str, object] = {
        "sub": subject,
        "workspace": workspace,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + ttl,
    }
    further = {"actor": actor and dict(actor), "aud": audience, "iss": issuer}
    claims |= {name: value for name, value in further.items() if value is not None}
    return jwt.encode(claims, secret, algorithm="HS256")
