"""Settings of mail: how it is sent, and what is believed of what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from graph.environment import SettingsError, one_of, whole
from jobs.mailings.options import MailOptions, SmtpUrl
from jobs.mailings.providers import ProviderOptions, public_key_problem

PROVIDER_HEADERS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "ses": {"X-SES-MESSAGE-TAGS": "groundswell={token}"},
    "sendgrid": {"X-SMTPAPI": '{"unique_args": {"groundswell": "{token}"}}'},
}
"""Headers by which a provider hands back with each event whose mail it was."""


@dataclass(frozen=True)
class MailSettings:
    """All that can be set of mail. The names in capitals are environment variables."""

    smtp_url: str | None
    """SMTP_URL: smtp://user:password@host:587 or smtps://. None: mails are put into the folder ``maildir`` of the data directory."""
    connections: int
    """SMTP_CONNECTIONS: to the mail server, of one process."""
    lease: timedelta
    """MAIL_LEASE_SECONDS: how long a worker may take for what it has claimed before others settle it."""
    late_after: timedelta
    """MAIL_LATE_MINUTES: a mailing that is found due so long after its time is not sent, but fails and says so."""
    provider: str
    """MAIL_PROVIDER: none, ses or sendgrid: which headers tell the provider whose mail it is."""
    providers: ProviderOptions
    """SES_TOPIC_ARNS, separated by commas; SENDGRID_PUBLIC_KEY: whose events are believed. None: nobody's."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "MailSettings":
        """Reads and checks the environment. Raises SettingsError."""
        return cls(
            smtp_url=_smtp_url(environ.get("SMTP_URL")),
            connections=whole(environ, "SMTP_CONNECTIONS", 8, least=1, most=100),
            lease=timedelta(seconds=whole(environ, "MAIL_LEASE_SECONDS", 120, least=5)),
            late_after=timedelta(minutes=whole(environ, "MAIL_LATE_MINUTES", 60, least=1)),
            provider=one_of(environ, "MAIL_PROVIDER", "none", tuple(PROVIDER_HEADERS)),
            providers=_providers(environ),
        )

    def options(self, data_dir: Path) -> MailOptions:
        """How mail is sent."""
        return MailOptions(
            smtp_url=self.smtp_url,
            maildir=data_dir / "maildir",
            connections=self.connections,
            lease=self.lease,
            late_after=self.late_after,
            headers=PROVIDER_HEADERS[self.provider],
        )


def _smtp_url(given: str | None) -> str | None:
    if not given:
        return None
    try:
        SmtpUrl.parse(given)
    except ValueError as error:
        raise SettingsError(f"SMTP_URL: {error}") from None
    return given


def _providers(environ: Mapping[str, str]) -> ProviderOptions:
    topics = frozenset(one.strip() for one in (environ.get("SES_TOPIC_ARNS") or "").split(",") if one.strip())
    for topic in topics:
        if not topic.startswith("arn:") or ":sns:" not in topic:
            raise SettingsError(
                f"SES_TOPIC_ARNS must be like arn:aws:sns:eu-west-1:123456789012:mail; it holds {topic!r}."
            )
    key = environ.get("SENDGRID_PUBLIC_KEY") or None
    problem = None if key is None else public_key_problem(key)
    if problem is not None:
        raise SettingsError(f"SENDGRID_PUBLIC_KEY: {problem}")
    return ProviderOptions(topics, key)
