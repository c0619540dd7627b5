"""Headers of messages: whatever a name or a subject holds, it stays within its header."""

import base64
import re

from email_validator import EmailNotValidError, validate_email

from db.errors import Problem, invalid
from db.models.email_words import LONGEST_FROM

LONGEST_LINE = 998
"""Bytes of a line, as RFC 5322 has it."""
_LONGEST_FOLDED = 76
_ENCODED = 39
"""Bytes in one encoded word: with the longest name of a header that is encoded here, its line has at most 76 characters."""
_CONTROLS = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_BARE = re.compile(r"[!#$%&'*+/=?^_`{|}~A-Za-z0-9.-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_NAMED = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^"<>@,;:]*?))\s*<(?P<address>[^<>]*)>')
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_PIECES = re.compile(r" *[^ ]+")


class Unmailable(ValueError):
    """A message that cannot be sent by plain SMTP, mostly because of its address. The message is for the user."""


def from_problems(text: str) -> list[Problem]:
    """What is wrong with a sender, at ``from_address``: an address, or a name and one: ``Groundswell <news@example.com>``."""
    if len(text) > LONGEST_FROM:
        return [invalid(f"At most {LONGEST_FROM} characters.", "from_address")]
    if not text.replace("\u00a0", " ").isprintable():
        return [invalid("A sender has no line breaks or control characters.", "from_address")]
    try:
        sender_of(text)
    except ValueError as error:
        return [invalid(str(error), "from_address")]
    return []


def sender_of(text: str) -> tuple[str, str]:
    """The name of a sender, which may be empty, and its bare address, with its domain in ASCII. Raises ValueError."""
    text = text.strip()
    named = _NAMED.fullmatch(text)
    if named is None and "<" in text:
        raise ValueError(
            'A sender is one address, like "Groundswell" <news@example.com>; what has marks in it is quoted.'
        )
    address = named["address"] if named else text
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    quoted = re.sub(r"\\(.)", r"\1", named["quoted"] or "") if named else ""
    return one_line(quoted or (named["plain"] if named else "")), bare(found or "")


def domain_of(from_address: str) -> str:
    """The domain of a sender, in ASCII. Raises ValueError for what has from_problems."""
    return sender_of(from_address)[1].rpartition("@")[2]


def bare(address: str) -> str:
    """The address, if it can stand in an envelope and in a header as it is. Raises Unmailable."""
    if _BARE.fullmatch(address) is None:
        raise Unmailable(
            "This is no address that mail can be sent to: its letters are not all ASCII, or not all allowed."
        )
    return address


def one_line(text: str) -> str:
    """A text without control characters, each run of white space as one space."""
    return _CONTROLS.sub(" ", text).strip()


def text_header(name: str, text: str) -> str:
    """A header whose value is a text of one line, folded, as RFC 2047 encodes it where it is not ASCII."""
    if not text.isascii() or "=?" in text:
        return f"{name}: {_encoded(text)}"
    if len(name) + 2 + len(text) <= _LONGEST_FOLDED:
        return f"{name}: {text}"
    return _folded(name, text)


def address_header(name: str, address: str, shown: str | None) -> str:
    """A header that names one mailbox: its bare address, which ``bare`` answered, and the name that is shown for it."""
    shown = one_line(shown or "")
    if not shown:
        return f"{name}: {address}"
    if not shown.isascii() or "=?" in shown or len(shown) > 60:
        return f"{name}: {_encoded(shown)}\r\n <{address}>"
    if _ATOMS.fullmatch(shown) is None:
        shown = '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name}: {shown}\r\n <{address}>"


def _encoded(text: str) -> str:
    """Encoded words, one a line. None of them ends within a character."""
    data = text.encode("utf-8", "replace")
    if len(data) <= _ENCODED:
        return f"=?utf-8?b?{base64.b64encode(data).decode()}?="
    words, word = [], b""
    for character in text:
        added = character.encode("utf-8", "replace")
        if len(word) + len(added) > _ENCODED:
            words.append(word)
            word = b""
        word += added
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in [*words, word])


def _folded(name: str, text: str) -> str:
    """An ASCII text broken before its spaces; encoded where a word of it is longer than a line."""
    lines, line = [], f"{name}:"
    for piece in _PIECES.findall(f" {text}"):
        if len(piece) >= _LONGEST_FOLDED:
            return f"{name}: {_encoded(text)}"
        if len(line) + len(piece) > _LONGEST_FOLDED:
            lines.append(line)
            line = ""
        line += piece
    return "\r\n".join([*lines, line])
