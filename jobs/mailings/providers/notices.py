"""What a provider says became of a mail of ours, in our words; and how what it sends is read."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from db.models.email_event_items import NewEmailEvent
from db.models.email_words import BY_MACHINES, LONGEST_AGENT, LONGEST_LINK, LONGEST_REASON, EmailEventType
from db.models.rules import CLOCKS_DIFFER, EARLIEST
from jobs.mailings.machines import is_machine_agent
from jobs.mailings.tokens import Kind, Token, Tokens

NAME = "groundswell"
"""Of the message tag of SES and of the unique argument of SendGrid that hold the recipient's token."""
LONGEST_WORD = 200
"""Characters that are kept of a kind, a status and the like."""


class Malformed(ValueError):
    """What came is not what the provider sends. The message is for whoever sent it."""


class Forged(Exception):
    """What came was not signed by whom it should be, or not now. The message is for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event, and whose it is."""

    workspace_id: int
    event: NewEmailEvent


@dataclass(frozen=True, slots=True)
class Notices:
    """What is to be recorded, and how much else there was: about mails that are not ours, or about nothing that we keep."""

    found: Sequence[Notice]
    ignored: int = 0

    @classmethod
    def of(cls, notices: Iterable[Notice | None], now: datetime) -> "Notices":
        """Those that can be recorded."""
        given = list(notices)
        found = [one for one in given if one is not None and not one.event.problems(now)]
        return cls(found, len(given) - len(found))


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider says of one event. Bounces, complaints and the like are never a machine's."""

    type: EmailEventType
    at: datetime | None
    data: Mapping[str, Any]
    user_agent: str | None = None
    ip_address: str | None = None
    is_machine: bool = False

    def notice(self, key: str, recipient: Token, sent_at: datetime, now: datetime) -> Notice:
        """The event of a recipient. ``sent_at``: when the provider sent this, which stands for times that cannot be."""
        at = self.at if self.at is not None and EARLIEST <= self.at <= now + CLOCKS_DIFFER else min(sent_at, now)
        is_seen = self.type in BY_MACHINES
        event = NewEmailEvent(
            key=key,
            recipient_id=recipient.recipient_id,
            type=self.type,
            occurred_at=at,
            data={name: value for name, value in self.data.items() if value is not None} or None,
            user_agent=self.user_agent,
            ip_address=self.ip_address,
            is_machine=is_seen and (self.is_machine or is_machine_agent(self.type, self.user_agent)),
        )
        return Notice(recipient.workspace_id, event)


def document(written: bytes | str) -> Any:
    """JSON. Raises Malformed."""
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        raise Malformed("This is not JSON.") from None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none of what is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def part(value: Any, name: str) -> dict[str, Any]:
    """An object in an object, empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def words(value: Any, longest: int = LONGEST_WORD) -> str | None:
    """A text as it can be kept: without U+0000, no longer than that; None for what is no text or blank."""
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip()[:longest] or None


def agent(value: Any) -> str | None:
    """A user agent as it can be kept."""
    return words(value, LONGEST_AGENT)


def reason(value: Any) -> str | None:
    """What a mail server said, as it can be kept."""
    return words(value, LONGEST_REASON)


def link(value: Any) -> str | None:
    """The address that a link leads to, as it can be kept."""
    return words(value, LONGEST_LINK)


def address(value: Any) -> str | None:
    """An IP address; None for anything else."""
    try:
        return None if not isinstance(value, str) else str(ipaddress.ip_address(value.strip().partition("%")[0]))
    except ValueError:
        return None


def moment(value: Any) -> datetime | None:
    """A time as ISO 8601 with an offset, or in seconds since 1970; None for anything else."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return None if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def check_fresh(at: datetime | None, now: datetime, oldest: timedelta) -> datetime:
    """The time at which something was signed. Raises Forged for one that is missing, too long ago or ahead."""
    if at is None:
        raise Forged("It does not say when it was sent.")
    if at < now - oldest:
        raise Forged("It was sent too long ago.")
    if at > now + CLOCKS_DIFFER:
        raise Forged("It is sent later than now. Look at this machine's clock.")
    return at


def bounce(kind: str | None, sub_kind: str | None, status: str | None, message: str | None) -> dict[str, Any]:
    """The data of a bounce."""
    return {"bounceType": kind, "bounceSubType": sub_kind, "status": status, "errorMessage": message}


def recipient_of(tokens: Tokens, candidates: Iterable[Any]) -> Token | None:
    """The recipient that the first good text names: a token, or a Message-ID of ours."""
    for one in candidates:
        if isinstance(one, str) and (found := _recipient(tokens, one.strip())) is not None:
            return found
    return None


def _recipient(tokens: Tokens, given: str) -> Token | None:
    if "@" in given:
        return tokens.recipient_of(given)
    return tokens.read(given, Kind.RECIPIENT)


def is_own_link(tokens: Tokens, url: Any) -> bool:
    """Whether a link is one of ours, which tells us itself when somebody comes by it."""
    try:
        path = urlsplit(url).path if isinstance(url, str) else ""
    except ValueError:
        return False
    for mark, kind in (("/t/c/", Kind.CLICK), ("/t/u/", Kind.UNSUBSCRIBE)):
        _, found, token = path.rpartition(mark)
        if found and tokens.read(token, kind) is not None:
            return True
    return False
