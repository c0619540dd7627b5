"""Returned mails: delivery status notifications (RFC 3464), feedback reports (RFC 5965), and prose that quotes an SMTP reply.

What a mail is found to be is what it says in a form made for programs. Prose is believed where a reply of SMTP with an enhanced status
code (RFC 3463) stands in it, and no further: every program words its own, in its own language.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message
from typing import Any

from db.models.email_words import LONGEST_ADDRESS, LONGEST_REASON, EmailEventType

LARGEST = 256 * 1024
"""Bytes of a mail that are looked at. What matters stands at its beginning."""
_MOST_BOUNDARIES = 30
"""Of a mail that is read. Each line is compared with all that are open: with hundreds, one mail would take half a minute."""
_LONGEST_LINE = 998
"""Characters of a line, as RFC 5322 has it. What is longer is cut off before anything is looked for in it."""
_LONGEST_FIELD = 4_000
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_REPLY = re.compile(r"(?<![\d.])([45])\d\d[ -]{1,3}#?(\1\.\d{1,3}\.\d{1,3})(?!\d)[^\r\n]*", re.ASCII)
_VAGUE = re.compile(r"[245]\.0\.0", re.ASCII)
_MESSAGE_ID = re.compile(r"^[> \t]{0,9}Message-ID:\s{0,9}(<[^<>\s]+>)", re.IGNORECASE | re.MULTILINE)
_OURS = "X-Groundswell-Recipient"
_TOKEN = re.compile(rf"^[> \t]{{0,9}}{_OURS}:\s{{0,9}}([A-Za-z0-9_-]+)", re.IGNORECASE | re.MULTILINE)
"""Our header where it is quoted. Systems that fold lines fold it behind its name."""
_BRACKETS = re.compile(r"<[^<>\s]+>")
_ADDRESS = re.compile(r"[^\s<>:;,\"@]{1,64}@[^\s<>;,\"]{1,255}")
_COPY = re.compile(
    r"^[ \t>]{0,9}--.*(?:copy of|original message|returned message|message header|below this line|undelivered message).*$"
    r"|^[ \t>]{0,9}(?:Received|Return-Path): ",
    re.IGNORECASE | re.MULTILINE,
)
"""Where the mail that comes back begins, in prose."""
_MACHINES = re.compile(r"mailer-daemon|postmaster|mail delivery|double-bounce", re.IGNORECASE)
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure", "dmarc"})
"""Feedback that is about something else: RFC 6430 and RFC 6591."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a returned mail says. ``kind``: BOUNCE, COMPLAIN, or None where it is no bounce and no complaint, like a delay or an absence.

    ``status``: an enhanced status code, ``5.1.1``. ``action``: of RFC 3464, in lower case. ``original_message_id``: with its angle brackets.
    ``recipient_token``: what the mail that came back has in our header. Message-IDs are replaced by some on the way; it is not.
    """

    kind: EmailEventType | None = None
    status: str | None = None
    action: str | None = None
    diagnostic: str | None = None
    final_recipient: str | None = None
    original_message_id: str | None = None
    recipient_token: str | None = None


def read(content: bytes) -> Returned:
    """Reads one mail. Never raises: what cannot be read says nothing."""
    content = content[:LARGEST]
    if content.lower().count(b"boundary=") > _MOST_BOUNDARIES:
        return Returned()
    try:
        parts = list(message_from_bytes(content).walk())
    except (RecursionError, ValueError, LookupError):  # nested without end, or with a name of no encoding
        return Returned()
    return replace(_said(parts), recipient_token=_token(parts))


def _said(parts: list[Message]) -> Returned:
    original = _original(parts)
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part, original)
    for part in parts:
        if part.get_content_type() == "message/delivery-status" and (groups := _groups(part)):
            return _status(groups, parts, original)
    return _prose(parts, original)


def _complaint(part: Message, original: str | None) -> Returned:
    groups = _fields(part)
    kind = _field(groups, "Feedback-Type").lower()
    recipient = _address(_field(groups, "Original-Rcpt-To") or _field(groups, "Removal-Recipient"))
    return Returned(
        kind=None if kind in _NO_COMPLAINTS else EmailEventType.COMPLAIN,
        diagnostic=kind[:LONGEST_REASON] or None,
        final_recipient=recipient,
        original_message_id=original,
    )


def _groups(part: Message) -> list[Message]:
    """What a delivery status says of each recipient."""
    return [
        one for one in _fields(part) if any(one[name] is not None for name in ("Final-Recipient", "Action", "Status"))
    ]


def _fields(part: Message) -> list[Message]:
    """The groups of fields in a part of fields, which is read anew where it was written in an encoding."""
    payload = part.get_payload()
    groups = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
    found = [one for one in groups if one.keys()]
    if found and part.get("Content-Transfer-Encoding", "").strip().lower() not in ("base64", "quoted-printable"):
        return found
    raw = Message()
    raw["Content-Transfer-Encoding"] = part.get("Content-Transfer-Encoding", "7bit")
    raw.set_payload("\n\n".join(str(one) for one in groups) if groups else payload)
    written = raw.get_payload(decode=True)
    blocks = re.split(rb"\r?\n[ \t]*\r?\n", written.strip()) if isinstance(written, bytes) else []
    return [one for one in map(message_from_bytes, blocks) if one.keys()]


def _status(groups: list[Message], parts: list[Message], original: str | None) -> Returned:
    """Of several recipients the first to whom it failed: mails of ours have one."""
    group = next((one for one in groups if _action(one) == "failed"), groups[0])
    action = _action(group)
    diagnostic = _text(group["Diagnostic-Code"])
    status = _code(_text(group["Status"]))
    if status is None or _VAGUE.fullmatch(status):
        status = _code(diagnostic, like=status) or status
    failed = action == "failed" or (action is None and (status or "").startswith("5"))
    recipient = _address(_text(group["Final-Recipient"])) or _address(_text(group["Original-Recipient"]))
    return Returned(
        kind=EmailEventType.BOUNCE if failed else None,
        status=status,
        action=action,
        diagnostic=diagnostic[:LONGEST_REASON] or None,
        final_recipient=recipient or _address(_text(parts[0]["X-Failed-Recipients"])),
        original_message_id=original,
    )


def _action(group: Message) -> str | None:
    said = _text(group["Action"]).lower()
    return next((one for one in _ACTIONS if said.startswith(one)), "failed" if said.startswith("fail") else None)


def _code(text: str, like: str | None = None) -> str | None:
    """The first enhanced status code in a text, of the same class as another that says less."""
    found = (one[1] for one in _STATUS.finditer(text))
    return next((one for one in found if like is None or (one[0] == like[0] and not _VAGUE.fullmatch(one))), None)


def _prose(parts: list[Message], original: str | None) -> Returned:
    """A bounce where a mail system quotes a reply that is final. Of one that is not it may only tell that it still tries."""
    head = parts[0]
    sender = _text(head["Return-Path"])
    if sender.strip() != "<>" and not _MACHINES.search(_text(head["From"])):
        return Returned(original_message_id=original)
    text = "\n".join(_texts(parts))
    copy = _COPY.search(text)
    reply = _REPLY.search(text[: copy.start()] if copy is not None else text)
    if reply is None:
        return Returned(original_message_id=original)
    return Returned(
        kind=EmailEventType.BOUNCE if reply[1] == "5" else None,
        status=reply[2],
        diagnostic=" ".join(reply[0].split())[:LONGEST_REASON],
        final_recipient=_address(_text(head["X-Failed-Recipients"])),
        original_message_id=original,
    )


def _original(parts: list[Message]) -> str | None:
    """The Message-ID of the mail that came back: of itself, of its headers, of what is quoted of it, or of what is answered."""
    for message in _copies(parts):
        if found := _id(_text(message["Message-ID"])):
            return found
    for text in _texts(parts):
        if (quoted := _MESSAGE_ID.search(text)) and len(quoted[1]) <= _LONGEST_LINE:
            return quoted[1]
    return _id(_text(parts[0]["In-Reply-To"]))


def _token(parts: list[Message]) -> str | None:
    """What our header says in the mail that came back, in its headers, or in what is quoted of it."""
    for message in _copies(parts):
        if found := _text(message[_OURS]):
            return found
    quoted = (_TOKEN.search(text) for text in _texts(parts))
    return next((one[1] for one in quoted if one is not None), None)


def _copies(parts: list[Message]) -> Iterator[Any]:
    """The mails that came back whole."""
    within = [
        part.get_payload() for part in parts[1:] if part.get_content_type() in ("message/rfc822", "message/global")
    ]
    return (one for payload in within if isinstance(payload, list) for one in payload)


def _id(text: str) -> str | None:
    found = _BRACKETS.search(text)
    return found[0] if found and len(found[0]) <= _LONGEST_LINE else None


def _texts(parts: list[Message]) -> Iterator[str]:
    """All that is text or headers, as it can be read: what matters in it is ASCII."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "text/html" or not (part.get_content_maintype() == "text" or kind == "message/rfc822-headers"):
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield "\n".join(line[:_LONGEST_LINE] for line in payload.decode("ascii", "replace").splitlines())
        elif isinstance(inner := part.get_payload(), list):
            for one in (one for one in inner if isinstance(one, Message)):
                yield "\n".join(f"{name}: {_text(one[name])}" for name in ("Message-ID", _OURS))


def _field(groups: list[Message], name: str) -> str:
    return next((_text(one[name]) for one in groups if one[name] is not None), "")


def _text(value: Any) -> str:
    """A field in one line; empty where there is none."""
    return "" if value is None else " ".join(str(value)[:_LONGEST_FIELD].split())


def _address(text: str) -> str | None:
    """The address in ``rfc822; <ann@example.com>`` and the like."""
    found = _ADDRESS.search(text)
    return found[0] if found and len(found[0]) <= LONGEST_ADDRESS else None
