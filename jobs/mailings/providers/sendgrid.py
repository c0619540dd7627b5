"""What SendGrid says became of mails: its Event Webhook, signed with ECDSA."""

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from db.models.email_words import LONGEST_KEY, EmailEventType
from jobs.mailings.providers import notices
from jobs.mailings.providers.notices import Forged, Malformed, Notice, Notices, Said, words
from jobs.mailings.tokens import Tokens

OLDEST = timedelta(days=1)
"""How long ago something may have been signed."""
_DROPPED_FOR_GOOD = frozenset({"Bounced Address", "Invalid"})
"""Why SendGrid did not even try: it knows that the address does not exist."""
_WHOLE = 12
"""Digits of a time in seconds, at most."""


class Key:
    """What SendGrid's events are signed with."""

    def __init__(self, written: str) -> None:
        """Base64 of DER, as its console shows it. Raises ValueError."""
        found = load_der_public_key(base64.b64decode(written, validate=True))
        if not isinstance(found, EllipticCurvePublicKey):
            raise ValueError("The key of another kind than SendGrid's.")
        self._key = found

    def check(self, body: bytes, signature: str, timestamp: str, now: datetime) -> datetime:
        """When a body was signed, if it was. Raises Forged."""
        try:
            self._key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + body, ECDSA(SHA256()))
        except (InvalidSignature, ValueError, binascii.Error):
            raise Forged("The signature is not SendGrid's. Look at SENDGRID_PUBLIC_KEY.") from None
        is_time = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _WHOLE
        return notices.check_fresh(notices.moment(int(timestamp)) if is_time else None, now, OLDEST)


def notices_of(body: bytes, sent_at: datetime, now: datetime, tokens: Tokens) -> Notices:
    """What a body says. Raises Malformed."""
    events = notices.document(body)
    if not isinstance(events, list):
        raise Malformed("SendGrid sends a list of events.")
    return Notices.of((_notice(one, sent_at, now, tokens) for one in events), now)


def _notice(event: Any, sent_at: datetime, now: datetime, tokens: Tokens) -> Notice | None:
    if not isinstance(event, dict):
        return None
    said = _said(event, tokens)
    if said is None:
        return None
    names = [event.get(notices.NAME), notices.part(event, "unique_args").get(notices.NAME), event.get("smtp-id")]
    recipient = notices.recipient_of(tokens, names)
    return None if recipient is None else said.notice(_key(event), recipient, sent_at, now)


def _key(event: dict[str, Any]) -> str:
    """The event's id, which stays when it is sent again. One without any is known by what it says."""
    given = words(event.get("sg_event_id"), LONGEST_KEY)
    if given is None or len(given) > LONGEST_KEY - len("sg:"):
        said = [(name, event[name]) for name in sorted(event) if isinstance(event[name], str | int)]
        given = hashlib.sha256(orjson.dumps(said)).hexdigest()
    return f"sg:{given}"


def _said(event: dict[str, Any], tokens: Tokens) -> Said | None:
    at, kind = notices.moment(event.get("timestamp")), event.get("event")
    if kind in ("open", "click"):
        return _seen(event, at, tokens)
    if kind == "bounce":
        return Said(EmailEventType.BOUNCE, at, _bounced(event))
    why = notices.reason(event.get("reason"))
    if kind == "dropped" and why in _DROPPED_FOR_GOOD:
        return Said(EmailEventType.BOUNCE, at, notices.bounce("Permanent", "Dropped", None, why))
    if kind == "spamreport":
        return Said(EmailEventType.COMPLAIN, at, {})
    if kind in ("unsubscribe", "group_unsubscribe"):
        group = event.get("asm_group_id") if kind == "group_unsubscribe" else None
        return Said(EmailEventType.UNSUBSCRIBE, at, {"groupId": group if type(group) is int else words(group)})
    return None


def _seen(event: dict[str, Any], at: datetime | None, tokens: Tokens) -> Said | None:
    is_open = event.get("event") == "open"
    url = None if is_open else event.get("url")
    if notices.is_own_link(tokens, url):
        return None
    return Said(
        EmailEventType.OPEN if is_open else EmailEventType.CLICK,
        at,
        {"linkUrl": notices.link(url)},
        notices.agent(event.get("useragent")),
        notices.address(event.get("ip")),
        is_machine=event.get("sg_machine_open") is True,
    )


def _bounced(event: dict[str, Any]) -> dict[str, Any]:
    """A block is a mail that was refused, by an address that there is."""
    kind = "Transient" if event.get("type") == "blocked" else "Permanent"
    sub_kind = words(event.get("bounce_classification"))
    return notices.bounce(kind, sub_kind, words(event.get("status")), notices.reason(event.get("reason")))
