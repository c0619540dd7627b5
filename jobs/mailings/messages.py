"""Messages: one recipient's e-mail as the bytes that a mail server takes.

What all messages of a mailing have in common is written once. The same recipient's message is the same bytes each time it is
made, but for its date: a second try is no second message.
"""

import binascii
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from jobs.mailings.headers import (
    LONGEST_LINE,
    Unmailable,
    address_header,
    bare,
    domain_of,
    from_problems,
    sender_of,
    text_header,
)
from jobs.mailings.templates import Template
from jobs.mailings.tokens import LONGEST_URL, Addresses, Kind, Token

__all__ = ["LARGEST_MESSAGE", "Made", "MessageMaker", "Unmailable", "domain_of", "from_problems"]

_BOUNDARY = "=_groundswell"
"""Neither quoted-printable nor base64 ever has ``=_``."""
_PLACE = "{token}"
LARGEST_MESSAGE = 2 * 1024 * 1024
"""Characters of a message's text and HTML. Templates have fewer; long values in many places would make many more."""
_LONGEST_TOKEN = 200
"""Characters of a recipient's token, and more."""
_OURS = frozenset(
    (
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "x-groundswell-recipient",
        "content-type",
        "content-transfer-encoding",
        "sender",
        "reply-to",
        "bcc",
        "cc",
        "return-path",
    )
)
"""Headers that a provider's extra ones may not be."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,70}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Made:
    """A message, and the bare addresses that its envelope names."""

    message_id: str
    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True)
class MessageMaker:
    """Makes the messages of one mailing."""

    template: Template
    sender: str
    addresses: Addresses
    link_ids: tuple[int, ...]
    domain: str
    head: str
    """The headers that all messages have, ``{token}`` standing for the recipient's token."""

    @classmethod
    def of(
        cls,
        template: Template,
        from_address: str,
        addresses: Addresses,
        link_ids: Sequence[int],
        domain: str,
        headers: Mapping[str, str] | None = None,
    ) -> "MessageMaker":
        """A maker for a template whose links have these ids, in their order, and for Message-IDs of ``domain``.

        ``headers`` are more headers, like those in which a provider gives back what it was told: ``{token}`` in a value is the
        recipient's token. Raises ValueError for a header that cannot be one, and for a sender that has from_problems.
        """
        if len(link_ids) != len(template.links):
            raise ValueError(f"{len(template.links)} links have {len(link_ids)} ids")
        name, sender = sender_of(from_address)
        head = [address_header("From", sender, name), "MIME-Version: 1.0", f"X-Groundswell-Recipient: {_PLACE}"]
        head += [_extra(name, value) for name, value in (headers or {}).items()]
        head += ["List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
        head += [f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"']
        return cls(template, sender, addresses, tuple(link_ids), domain, "\r\n".join(head))

    def make(
        self, workspace_id: int, recipient_id: int, to_email: str, to_name: str | None, values: Mapping[str, Any]
    ) -> Made:
        """The message to a recipient. ``values`` are the lead's attributes and its key.

        Raises Unmailable for an address that has to be written in other letters than ASCII before its ``@``, or is none, and
        for a message that is too large with these values.
        """
        recipient = bare(to_email)
        unsubscribe_url = self.addresses.unsubscribe_url(workspace_id, recipient_id)

        def link(position: int, url: str) -> str:
            if len(url.encode("utf-8", "replace")) > LONGEST_URL:
                return url
            return self.addresses.click_url(workspace_id, recipient_id, self.link_ids[position], url)

        pixel = f'<img src="{self.addresses.open_url(workspace_id, recipient_id)}" width="1" height="1" alt="">'
        named = {**values, "email": to_email, "name": to_name}
        rendered = self.template.render(named, link, unsubscribe_url, pixel)
        if len(rendered.html) + len(rendered.text) > LARGEST_MESSAGE:
            raise Unmailable("With the values of this lead the message is too large.")
        token = self.addresses.tokens.sign(Token(Kind.RECIPIENT, workspace_id, recipient_id))
        message_id = f"<{token}@{self.domain}>"
        head = (
            f"{self.head.replace(_PLACE, token)}\r\n{address_header('To', recipient, to_name)}\r\n"
            f"{text_header('Subject', rendered.subject)}\r\nDate: {_date(int(time.time()))}\r\nMessage-ID: {message_id}\r\n"
            f"List-Unsubscribe: <{unsubscribe_url}>\r\n\r\n"
        )
        content = b"".join(
            (
                head.encode("ascii"),
                _part("plain", rendered.text),
                _part("html", rendered.html),
                _END,
            )
        )
        return Made(message_id, self.sender, recipient, content)


_END = f"--{_BOUNDARY}--\r\n".encode()


def _extra(name: str, value: str) -> str:
    """A provider's header. Raises ValueError where it cannot be one."""
    longest = LONGEST_LINE - _LONGEST_TOKEN * value.count(_PLACE)
    if _NAME.fullmatch(name) is None or name.lower() in _OURS:
        raise ValueError(f"{name!r} cannot be a header of messages")
    if _VALUE.fullmatch(value) is None or len(name) + len(value) > longest:
        raise ValueError(f"the header {name} is not one line of ASCII, of {LONGEST_LINE} characters at most")
    return f"{name}: {value}"


@lru_cache(maxsize=2)
def _date(now: int) -> str:
    return format_datetime(datetime.fromtimestamp(now, UTC))


def _part(kind: str, text: str) -> bytes:
    """A part of the message: quoted-printable, base64 where most of it is not ASCII."""
    data = text.encode("utf-8", "replace")
    if len(data) > len(text) * 3 // 2:
        coding, body = b"base64", _base64(data.replace(b"\n", b"\r\n"))
    else:
        # Lines end by "\n" for it to find them all, also those that it breaks itself.
        coding, body = b"quoted-printable", binascii.b2a_qp(data).replace(b"\n", b"\r\n")
    return b'--%b\r\nContent-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n' % (
        _BOUNDARY.encode(),
        kind.encode(),
        coding,
        body,
    )


def _base64(data: bytes) -> bytes:
    encoded = binascii.b2a_base64(data, newline=False)
    return b"\r\n".join([encoded[at : at + 76] for at in range(0, len(encoded), 76)])
