"""Tokens of tracking: what the addresses in a message say, signed, so that nobody can make one for another recipient.

A token is JSON in URL-safe base64, and behind it its HMAC-SHA256, which always has the same length: letters, digits, ``-`` and
``_``, so that it may stand wherever a provider takes a tag. Nothing in it is secret (who has the message has it), nothing of it is
an e-mail address, and the same recipient always has the same ones.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

_LABEL = b"groundswell: mail, 1"
LONGEST_TOKEN = 8 * 1024
"""Characters. What is longer is not even looked at."""
LONGEST_URL = 4 * 1024
"""Bytes of the address that a click leads to, as UTF-8: its token can always be read again."""
_MESSAGE_ID = 1024
_SIGNATURE = 43
"""Characters of an HMAC-SHA256 in base64."""


class Kind(StrEnum):
    """What a token is good for: one of one kind is never taken for another."""

    OPEN = "o"
    CLICK = "c"
    UNSUBSCRIBE = "u"
    RECIPIENT = "r"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. Clicks have a link and the address it leads to for this recipient."""

    kind: Kind
    workspace_id: int
    recipient_id: int
    link_id: int | None = None
    url: str | None = None


class Tokens:
    """Signs and reads tokens with a key that is derived from the database's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _LABEL, "sha256")

    def sign(self, token: Token) -> str:
        """The text of a token."""
        said: list[Any] = [token.kind, token.workspace_id, token.recipient_id]
        if token.kind is Kind.CLICK:
            said += [token.link_id, token.url]
        payload = _base64(orjson.dumps(said))
        return (payload + self._signature(payload)).decode()

    def read(self, text: str, kind: Kind) -> Token | None:
        """What a text says, if it is one of this kind that was signed here; None for anything else. Never raises."""
        if len(text) > LONGEST_TOKEN or not text.isascii():
            return None
        payload, signature = text[:-_SIGNATURE].encode(), text[-_SIGNATURE:].encode()
        # Compared as text: base64 that is read leniently would let one token be written in many ways.
        if not hmac.compare_digest(self._signature(payload), signature):
            return None
        return _token(payload, kind)

    def message_id(self, workspace_id: int, recipient_id: int, domain: str) -> str:
        """The Message-ID of the message to a recipient, angle brackets included: always the same one."""
        return f"<{self.sign(Token(Kind.RECIPIENT, workspace_id, recipient_id))}@{domain}>"

    def recipient_of(self, message_id: str) -> Token | None:
        """The recipient that a Message-ID of ours was made for, with angle brackets or without; None for any other."""
        if len(message_id) > _MESSAGE_ID:
            return None
        return self.read(message_id.strip().removeprefix("<").partition("@")[0], Kind.RECIPIENT)

    def _signature(self, payload: bytes) -> bytes:
        return _base64(hmac.digest(self._key, payload, "sha256"))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _token(payload: bytes, kind: Kind) -> Token | None:
    """What a payload says whose signature was right: only another kind, or another release's shape, is left to be wrong."""
    try:
        said = orjson.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        return Token(kind, *said[1:]) if said[0] == kind else None
    except (binascii.Error, ValueError, TypeError, LookupError):
        return None


class Addresses:
    """The addresses that stand in messages. ``base`` is where this server is reached, like ``https://mail.example.com``."""

    def __init__(self, tokens: Tokens, base: str) -> None:
        self.tokens = tokens
        self._base = base.rstrip("/")

    def open_url(self, workspace_id: int, recipient_id: int) -> str:
        """The picture whose loading is an open."""
        return f"{self._base}/t/o/{self.tokens.sign(Token(Kind.OPEN, workspace_id, recipient_id))}.gif"

    def click_url(self, workspace_id: int, recipient_id: int, link_id: int, url: str) -> str:
        """What counts a click and leads on to ``url``, which has at most LONGEST_URL bytes."""
        token = Token(Kind.CLICK, workspace_id, recipient_id, link_id, url)
        return f"{self._base}/t/c/{self.tokens.sign(token)}"

    def unsubscribe_url(self, workspace_id: int, recipient_id: int) -> str:
        """Where the recipient unsubscribes, by hand or by the one click of RFC 8058."""
        return f"{self._base}/t/u/{self.tokens.sign(Token(Kind.UNSUBSCRIBE, workspace_id, recipient_id))}"
