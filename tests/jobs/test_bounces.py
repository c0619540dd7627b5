"""Returned mails: what programs say for programs is understood, prose where SMTP speaks in it, and nothing is made up."""

import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.models.email_words import EmailEventType
from jobs.mailings.bounces import LARGEST, Returned, read

BOUNCES = Path(__file__).parents[3] / "shared/data/email/bounces.tar.gz"
ORIGINAL = "<WyJyIiw3LDQyXQ.c2lnbmVk@groundswell.example>"
BOUNCE, COMPLAIN = EmailEventType.BOUNCE, EmailEventType.COMPLAIN


def mail(report: str, *parts: tuple[str, str]) -> bytes:
    """A report of several parts: the type of each, with further headers, and what it says."""
    head = f"From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type={report}; boundary=b\n\n"
    return (head + "".join(f"--b\nContent-Type: {kind}\n\n{text}\n" for kind, text in parts) + "--b--\n").encode()


def status(*fields: str, report: str = "delivery-status") -> bytes:
    """A delivery status with our mail's headers."""
    said = "\n".join(["Reporting-MTA: dns; mx.example", "", *fields])
    headers = f"Message-ID: {ORIGINAL}\nTo: ann@example.com"
    return mail(report, ("text/plain", "Sorry."), ("message/delivery-status", said), ("text/rfc822-headers", headers))


def test_a_delivery_status() -> None:
    given = status("Final-Recipient: rfc822; <ann@example.com>", "Action: Failed", "Status: 5.1.1 (unknown)", "Diagnostic-Code: smtp; 550-5.1.1 No such\n user")  # fmt: skip
    expected = Returned(BOUNCE, "5.1.1", "failed", "smtp; 550-5.1.1 No such user", "ann@example.com", ORIGINAL)
    assert read(given) == expected
    assert read(given.replace(b"\n", b"\r\n")) == expected


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        (("Action: failed", "Status: 4.4.7"), BOUNCE, "4.4.7"),
        (("Action: delayed", "Status: 4.4.1"), None, "4.4.1"),
        (("Action: delivered", "Status: 2.0.0"), None, "2.0.0"),
        (("Status: 5.3.0",), BOUNCE, "5.3.0"),
        (("Status: 4.3.0",), None, "4.3.0"),
        (("Action: failed", "Status: 5.0.0", "Diagnostic-Code: smtp; 550 5.2.1 disabled"), BOUNCE, "5.2.1"),
        (("Action: failed", "Status: 5.0.0", "Diagnostic-Code: smtp; 450 4.2.1 host 192.0.2.5.1"), BOUNCE, "5.0.0"),
        (("Action: failed",), BOUNCE, None),
    ],
)
def test_what_failed_is_a_bounce(fields: tuple[str, ...], kind: EmailEventType | None, code: str | None) -> None:
    found = read(status("Final-Recipient: rfc822; ann@example.com", *fields))
    assert (found.kind, found.status) == (kind, code)


def test_of_several_recipients_the_one_to_whom_it_failed_counts() -> None:
    found = read(status("Final-Recipient: rfc822; a@example.com\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; b@example.com\nAction: failed\nStatus: 5.2.2"))  # fmt: skip
    assert (found.kind, found.final_recipient, found.status) == (BOUNCE, "b@example.com", "5.2.2")


def test_a_status_in_an_encoding_is_read() -> None:
    packed = "UmVwb3J0aW5nLU1UQTogZG5zOyBteAoKRmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFAYi5jCkFjdGlvbjogZmFpbGVkClN0YXR1czogNS4xLjEK"
    kind = "message/delivery-status\nContent-Transfer-Encoding: base64"
    found = read(mail("delivery-status", (kind, packed)))
    assert (found.kind, found.status, found.final_recipient) == (BOUNCE, "5.1.1", "a@b.c")


@pytest.mark.parametrize(("kind", "expected"), [("abuse", COMPLAIN), ("fraud", COMPLAIN), ("not-spam", None), ("auth-failure", None)])  # fmt: skip
def test_a_feedback_report(kind: str, expected: EmailEventType | None) -> None:
    report = f"Feedback-Type: {kind}\nUser-Agent: Test/1\nVersion: 1\nOriginal-Rcpt-To: <ann@example.com>"
    parts = ("message/feedback-report", report), ("message/rfc822", f"Message-ID: {ORIGINAL}\n\nHello")
    assert read(mail("feedback-report", *parts)) == Returned(
        kind=expected, diagnostic=kind, final_recipient="ann@example.com", original_message_id=ORIGINAL
    )


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("said: 550 5.1.1 <ann@example.com>: unknown", BOUNCE, "5.1.1"),
        ("said: 550-5.7.26 no", BOUNCE, "5.7.26"),
        ("said: 451 4.7.1 later", None, "4.7.1"),
        ("said: 550 unknown", None, None),
        ("version 5.1.1 of 550 things", None, None),
        ("550 4.1.1 and 192.0.2.550 5.1.1", None, None),
        ("--- Below this line is a copy of the message.\n\n550 5.1.1 what we wrote ourselves", None, None),
    ],
)
def test_prose_is_believed_where_smtp_speaks(text: str, kind: EmailEventType | None, code: str | None) -> None:
    found = read(f"Return-Path: <>\nX-Failed-Recipients: ann@example.com\n\n{text}\n".encode())
    assert (found.kind, found.status) == (kind, code)
    assert found.final_recipient == ("ann@example.com" if code else None)


def test_what_people_write_is_no_bounce() -> None:
    written = f"From: ann@example.com\nIn-Reply-To: {ORIGINAL}\n\nI am away. 550 5.1.1 is what I got.".encode()
    assert read(written) == Returned(original_message_id=ORIGINAL)


@pytest.mark.skipif(not BOUNCES.exists(), reason="needs ../shared/data/email")
def test_of_197_real_ones_so_many_are_understood() -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    known: Counter[str] = Counter()
    with tarfile.open(BOUNCES) as archive:
        for one in archive:
            file = archive.extractfile(one)
            if file is None:
                continue
            content = file.read()
            found = read(content)
            forms = {"feedback": b"message/feedback-report", "status": b"message/delivery-status"}
            form = next((name for name, mark in forms.items() if mark in content.lower()), "prose")
            kinds[form, "none" if found.kind is None else found.kind.value] += 1
            known.update(name for name in ("status", "final_recipient", "original_message_id") if getattr(found, name))
    assert kinds == {
        ("status", "BOUNCE"): 100,
        ("status", "none"): 8,  # five delays, and three that hold no status of anybody
        ("feedback", "COMPLAIN"): 4,
        ("feedback", "none"): 1,  # a failed authentication
        ("prose", "BOUNCE"): 28,
        ("prose", "none"): 56,  # a word of no standard, in many languages; delays; an absence
    }
    assert known == {"status": 133, "final_recipient": 113, "original_message_id": 168}


@settings(max_examples=100)
@given(
    st.binary(max_size=200),
    st.integers(0, 400),
    st.sampled_from([status("Final-Recipient: rfc822; a@b.c", "Action: failed", "Status: 5.1.1"), b"Return-Path: <>\n\n550 5.1.1 no"]),
)  # fmt: skip
def test_whatever_comes_is_read(noise: bytes, place: int, content: bytes) -> None:
    for one in (noise, content[:place] + noise + content[place:], content[:place] + noise):
        assert isinstance(read(one), Returned)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x" * (LARGEST + 1),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(900)) + b"\n" * LARGEST,
        b"Content-Type: message/rfc822\n\n" * 2000,
        mail("delivery-status", ("text/plain; charset=none-such", "\ufffd 550")),
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n=\xff=",
    ],
)  # fmt: skip
def test_what_is_made_to_break_readers_says_nothing(content: bytes) -> None:
    assert read(content) == Returned()
