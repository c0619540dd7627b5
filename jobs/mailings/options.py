"""How mail is sent: where to, by how many connections, and how long anything may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_PORTS = {"smtp": 25, "smtps": 465}
_STARTTLS = ("offered", "required", "never")


@dataclass(frozen=True)
class MailOptions:
    """What a sender goes by."""

    smtp_url: str | None
    """None: mails are delivered into ``maildir``."""
    maildir: Path
    connections: int = 8
    claim: int = 200
    """Recipients of one claim, at most."""
    lease: timedelta = timedelta(minutes=2)
    """How long a worker may take for what it has claimed."""
    most_attempts: int = 6
    first_retry: timedelta = timedelta(minutes=1)
    """After the first temporary refusal. Doubled after each, with jitter, up to an hour."""
    late_after: timedelta = timedelta(hours=1)
    poll: float = 0.5
    """Seconds between two looks for something to do."""
    timeout: float = 60
    """Seconds for an answer of the mail server."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of each mail; ``{token}`` in them is what names the recipient."""


@dataclass(frozen=True)
class SmtpUrl:
    """A mail server, and how to speak to it."""

    host: str
    port: int
    tls: bool
    starttls: str
    user: str | None
    password: str | None = field(repr=False, default=None)

    @classmethod
    def parse(cls, url: str) -> "SmtpUrl":
        """Reads smtp://user:password@host:587?starttls=required or smtps://. Raises ValueError, without the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("this is no address: look at its port, and at / and @ in its password.") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.fragment:
            raise ValueError("it must be like smtp://user:password@mail.example.com:587 or smtps://mail.example.com.")
        query = parse_qs(parts.query, keep_blank_values=True)
        starttls = query.pop("starttls", ["offered"])
        if query or len(starttls) != 1 or starttls[0] not in _STARTTLS:
            raise ValueError(
                "it may say starttls=offered, required or never, and nothing else behind the question mark."
            )
        user, password = (None if given is None else unquote(given) for given in (parts.username, parts.password))
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "smtps", starttls[0], user, password)
