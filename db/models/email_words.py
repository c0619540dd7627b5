"""The words of e-mail: statuses, kinds of events, and how long things may be."""

from enum import StrEnum

LONGEST_KEY = 200
LONGEST_NAME = 200
LONGEST_ADDRESS = 254
"""Characters of an e-mail address, as RFC 5321 has it."""
LONGEST_FROM = 320
"""Characters of a sender: a name and an address."""
LONGEST_SUBJECT = 500
LARGEST_HTML = 512 * 1024
"""Characters of a template's HTML."""
LARGEST_TEXT = 128 * 1024
LONGEST_LINK = 2_000
MOST_LINKS = 200
"""Different links of a mail."""
LONGEST_REASON = 1_000
LONGEST_AGENT = 1_000
LARGEST_DATA = 16_384
"""Bytes of the JSON that an event carries."""
FASTEST = 60_000
"""Messages a minute, at most, that a mailing may be limited to."""


class MailingStatus(StrEnum):
    """Where a mailing stands. COMPLETED is final."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


_S = MailingStatus
MOVES: dict[MailingStatus, frozenset[MailingStatus]] = {
    _S.DRAFT: frozenset({_S.SCHEDULED, _S.RUNNING}),
    _S.SCHEDULED: frozenset({_S.DRAFT, _S.RUNNING, _S.FAILED}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.COMPLETED, _S.FAILED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.FAILED}),
    _S.FAILED: frozenset({_S.RUNNING}),
    _S.COMPLETED: frozenset(),
}
"""From each status the ones it may move to."""


class RecipientStatus(StrEnum):
    """How far a mail to somebody has come: the highest that holds, in this order."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    UNCERTAIN = "UNCERTAIN"
    SENT = "SENT"
    FAILED = "FAILED"
    BOUNCED = "BOUNCED"
    UNSUBSCRIBED = "UNSUBSCRIBED"


class EmailEventType(StrEnum):
    """What became of a mail."""

    OPEN = "OPEN"
    CLICK = "CLICK"
    BOUNCE = "BOUNCE"
    REPLY = "REPLY"
    FORWARD = "FORWARD"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    COMPLAIN = "COMPLAIN"


class SuppressionReason(StrEnum):
    """Why nothing is sent to an address any more."""

    UNSUBSCRIBED = "UNSUBSCRIBED"
    COMPLAINED = "COMPLAINED"
    BOUNCED = "BOUNCED"


FIRSTS: dict[EmailEventType, str] = {
    EmailEventType.OPEN: "opened_at",
    EmailEventType.CLICK: "clicked_at",
    EmailEventType.BOUNCE: "bounced_at",
    EmailEventType.REPLY: "replied_at",
    EmailEventType.FORWARD: "forwarded_at",
    EmailEventType.UNSUBSCRIBE: "unsubscribed_at",
    EmailEventType.COMPLAIN: "complained_at",
}
"""The column of a recipient that keeps the first event of each type."""
MACHINE_SECONDS = 3.0
"""What is opened or clicked sooner after it was sent, no person did."""
BY_MACHINES = (EmailEventType.OPEN, EmailEventType.CLICK)
"""What machines do, too. The other types are never theirs."""
