"""Messages: read back by the standard library's parser, with every part as it was and no header that nobody wrote."""

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.mailings.messages import Made, MessageMaker, Unmailable, domain_of, from_problems
from jobs.mailings.templates import Template
from jobs.mailings.tokens import Addresses, Kind, Token, Tokens

TOKENS = Tokens(b"a secret of sixt")
ADDRESSES = Addresses(TOKENS, "https://mail.example.com")
HTML = '<html><body><p>{{ v }}</p><a href="https://x.example/?a=1&amp;k={{ key }}">x</a></body></html>'
HEADERS = [
    "From", "MIME-Version", "X-Groundswell-Recipient", "List-Unsubscribe-Post", "Content-Type", "To", "Subject", "Date",
    "Message-ID", "List-Unsubscribe",
]  # fmt: skip


def maker(html: str = HTML, subject: str = "{{ v }}", text: str | None = "{{ v }}|", **headers: str) -> MessageMaker:
    template = Template.of(subject, html, text)
    ids = range(7, 7 + len(template.links))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return MessageMaker.of(template, "Zoë Inc <news@münchen.example>", ADDRESSES, ids, "example.com", named)


def parsed(made: Made) -> EmailMessage:
    message = email.message_from_bytes(made.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(made: Made) -> list[str]:
    return [part.get_content().replace("\r\n", "\n") for part in parsed(made).iter_parts()]


TEXTS = (
    st.text(max_size=60)
    | st.text("aé€😀אב\u202e \"\\,<>@?=\r\n\t.", max_size=300)
    | st.sampled_from(["x" * 2000, "é" * 2000, "x\r\nBcc: b@x.example\r\n\r\nbody", "=?utf-8?b?eA==?=", ".\n..\nFrom x", "a  b ", "word " * 300])
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(name=TEXTS, value=TEXTS)
def test_all_parts_come_back_whatever_they_hold(name: str, value: str) -> None:
    made = maker().make(1, 2, "ana@x.example", name, {"v": value, "name": "other", "email": "other"})
    message = parsed(made)
    rendered = maker().template.render(
        {"v": value}, lambda _, url: ADDRESSES.click_url(1, 2, 7, url), ADDRESSES.unsubscribe_url(1, 2)
    )
    pixel = f'<img src="{ADDRESSES.open_url(1, 2)}" width="1" height="1" alt="">'
    written = [
        part.encode("utf-8", "replace").decode()
        for part in (rendered.text, rendered.html.replace("</body>", f"{pixel}</body>"))
    ]
    assert parts(made) == written
    assert message.keys() == HEADERS
    assert not message.defects
    assert message["Subject"].split() == rendered.subject.encode("utf-8", "replace").decode().split()
    assert [one.addr_spec for one in message["To"].addresses] == ["ana@x.example"]
    assert all(len(line) <= 998 for line in made.content.split(b"\r\n"))
    assert made.content.replace(b"\r\n", b"").find(b"\n") == made.content.replace(b"\r\n", b"").find(b"\r") == -1
    assert made.content.isascii()


@pytest.mark.parametrize("name", ['Ana "A" Li\\x', "Ana, Li", "Zoë", "😀" * 50, "a" * 70, "אבא", "Ana Li", "=?x?="])
def test_the_name_that_is_shown_is_the_name(name: str) -> None:
    content = maker().make(1, 2, "ana@x.example", name, {}).content
    written = email.message_from_bytes(content, policy=email.policy.compat32)["To"]
    # Not by the parser of addresses, which in some releases puts spaces between the encoded words of a name.
    shown, address = parseaddr(str(make_header(decode_header(written)))) if written[0] != '"' else parseaddr(written)
    assert (shown, address) == (name, "ana@x.example")
    assert max(map(len, content.partition(b"\r\nTo: ")[2].partition(b"\r\nSubject")[0].split(b"\r\n"))) <= 76


@pytest.mark.parametrize("subject", ["Hi", "Zoë 😀", "word " * 30 + "end", "é" * 300, "a" * 400, "=?utf-8?q?x?="])
def test_subjects_are_folded_and_come_back(subject: str) -> None:
    made = maker(subject="{{ v }}").make(1, 2, "ana@x.example", None, {"v": subject})
    assert parsed(made)["Subject"] == subject
    [folded] = [part.split(b"\r\nDate:")[0] for part in made.content.split(b"\r\nSubject: ")[1:]]
    assert max(map(len, b"Subject: ".__add__(folded).split(b"\r\n"))) <= 76


def test_the_headers_of_a_message() -> None:
    made = maker(X_SMTPAPI='{"args": {"recipient": "{token}"}}').make(1, 2, "Ana@x.example", "Ana", {"v": "1"})
    message = parsed(made)
    token = TOKENS.sign(Token(Kind.RECIPIENT, 1, 2))
    assert message["From"] == "Zoë Inc <news@xn--mnchen-3ya.example>"
    assert message["To"] == "Ana <Ana@x.example>"
    assert message["X-Groundswell-Recipient"] == token
    assert message["X-SMTPAPI"] == f'{{"args": {{"recipient": "{token}"}}}}'
    assert message["List-Unsubscribe"] == f"<{ADDRESSES.unsubscribe_url(1, 2)}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"] == made.message_id == TOKENS.message_id(1, 2, "example.com")
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert (made.sender, made.recipient) == ("news@xn--mnchen-3ya.example", "Ana@x.example")


def test_a_second_try_is_the_same_message_but_for_its_date() -> None:
    def lines() -> list[bytes]:
        content = maker().make(1, 2, "ana@x.example", "Ana", {"v": "é"}).content
        return [line for line in content.split(b"\r\n") if not line.startswith(b"Date:")]

    assert lines() == lines()


def test_the_name_and_the_address_are_those_that_it_is_sent_to() -> None:
    made = maker("{{ name }} {{ email }} {{ key }}", "s", "t").make(
        1, 2, "ana@x.example", None, {"name": "B", "key": "k"}
    )
    assert parts(made)[1].startswith(" ana@x.example k")


def test_an_address_that_is_too_long_to_be_tracked_stays_as_it_is() -> None:
    made = maker().make(1, 2, "ana@x.example", None, {"key": "x" * 5000})
    assert f'<a href="https://x.example/?a=1&amp;k={"x" * 5000}">' in parts(made)[1]


@pytest.mark.parametrize(
    "address", ["a@x.example\r\nBcc: b", "a b@x.example", "zoë@x.example", "a@x.example,b@x.example", "<a@x>", ""]
)
def test_an_address_that_headers_cannot_hold_is_refused(address: str) -> None:
    with pytest.raises(Unmailable, match="no address that mail can be sent to"):
        maker().make(1, 2, address, None, {})


def test_values_make_no_message_of_any_size() -> None:
    with pytest.raises(Unmailable, match="the message is too large"):
        maker("{{ v }}" * 140, "s", "t").make(1, 2, "ana@x.example", None, {"v": "x" * 16_000})


@pytest.mark.parametrize(
    ("name", "value"), [("X_A", "a\r\nb"), ("Subject", "x"), ("X A", "x"), ("X_A", "é"), ("X_A", "x" * 999)]
)
def test_a_header_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        maker(**{name: value})


@pytest.mark.parametrize(
    "text", ["", "news", "a@b.example, c@d.example", "X <a@b.example> <c@d.example>", "A, B <a@b.example>", "X\n<a@b.example>",
             "zoë@b.example", "x@-.example", "X" * 310 + " <a@b.example>", "<>", '"X <a@b.example>'],
)  # fmt: skip
def test_a_sender_that_is_none_is_a_problem(text: str) -> None:
    assert [problem.field for problem in from_problems(text)] == [("from_address",)]


@pytest.mark.parametrize(
    ("text", "shown", "domain"),
    [
        ("a@b.example", "", "b.example"),
        ("<a@b.example>", "", "b.example"),
        ("Zoë  Li <a@B.example>", "Zoë Li", "b.example"),
        ('"A, \\"B\\" <x>" <a@münchen.example>', 'A, "B" <x>', "xn--mnchen-3ya.example"),
    ],
)
def test_senders(text: str, shown: str, domain: str) -> None:
    assert from_problems(text) == []
    assert domain_of(text) == domain
    template: Any = Template.of("s", "h", "t")
    made = MessageMaker.of(template, text, ADDRESSES, (), "example.com").make(1, 2, "ana@x.example", None, {})
    [address] = parsed(made)["From"].addresses
    assert (address.display_name, address.addr_spec) == (shown, f"a@{domain}")
