"""What the replies of a mail server mean: for now or for good, and of whom they speak."""

import re

from jobs.mailings.transports import Away, Bounced, Deferred, Rejected, Result, Unsendable

_LONGEST = 500
_CLOSING = 421
"""The server ends the connection. Before it has heard of a recipient, that says nothing of any."""
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_NO_SUCH_ADDRESS = frozenset({550, 551, 553})
"""What a server that gives no enhanced status says of an address that there is not."""
_ABOUT_THE_SENDER = ("7", "8")
"""Of the details of 5.1: bad sender's mailbox, bad sender's system (RFC 3463). They say nothing of the recipient."""
_UNPRINTABLE = re.compile(r"[^\x21-\x7e\xa1-\ud7ff\ue000-\uffff]+")


def shown(code: int, text: str) -> str:
    """A reply on one line, for people; what cannot be printed is left out."""
    return _UNPRINTABLE.sub(" ", f"{code} {text}").strip()[:_LONGEST]


def of_sender(code: int, text: str) -> Result:
    """What the reply to MAIL FROM means that was not 250."""
    if code == _CLOSING:
        return Away(f"The mail server takes no mail now: {shown(code, text)}")
    if code // 100 == 5:
        return Unsendable(f"The mail server does not take mail of this sender: {shown(code, text)}")
    return _of_any(code, text)


def of_recipient(code: int, text: str) -> Result:
    """What the reply to RCPT TO means that was not 250 or 251."""
    if code // 100 == 5 and _is_of_no_address(code, text):
        return Bounced(code, shown(code, text))
    return _of_any(code, text)


def of_content(code: int, text: str) -> Result:
    """What a reply to DATA, or to the message itself, means that was neither 354 nor 2xx."""
    return _of_any(code, text)


def _of_any(code: int, text: str) -> Result:
    if code // 100 == 4:
        return Deferred(shown(code, text))
    if code // 100 == 5:
        return Rejected(shown(code, text))
    return Away(f"The mail server said what it may not say: {shown(code, text)}")


def _is_of_no_address(code: int, text: str) -> bool:
    enhanced = _ENHANCED.match(text)
    if enhanced is None:
        return code in _NO_SUCH_ADDRESS
    kind, subject, detail = enhanced.groups()
    return kind == "5" and subject == "1" and detail not in _ABOUT_THE_SENDER
