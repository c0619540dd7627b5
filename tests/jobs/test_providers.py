"""What providers say became of mails: read as they write it, whatever else they may send."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from db.models.email_event_items import NewEmailEvent
from db.models.email_words import EmailEventType
from db.queries.email_events.recording import is_hard
from jobs.mailings.providers import notices, public_key_problem, sendgrid, ses
from jobs.mailings.providers.notices import Forged, Malformed
from jobs.mailings.tokens import Addresses, Kind, Token, Tokens
from tests import mail_providers as sent
from tests.mail_providers import sendgrid_public_key, signed, written

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKENS = Tokens(b"a secret of the tests")
TOKEN = TOKENS.sign(Token(Kind.RECIPIENT, 7, 42))
OWN = Addresses(TOKENS, "https://mail.example.com")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"


def of_ses(event: Any) -> list[notices.Notice]:
    """What an event of SES says. It is ignored or it says something."""
    found = ses.notices_of(json.dumps(event), "m1", NOW, NOW, TOKENS)
    assert len(found.found) + found.ignored == 1
    return list(found.found)


def of_sendgrid(*events: Any) -> list[notices.Notice]:
    """What events of SendGrid say."""
    found = sendgrid.notices_of(json.dumps(events).encode(), NOW, NOW, TOKENS)
    assert len(found.found) + found.ignored == len(events)
    return list(found.found)


def event(found: list[notices.Notice]) -> NewEmailEvent:
    """The only event, which is the usual recipient's."""
    [one] = found
    assert (one.workspace_id, one.event.recipient_id) == (7, 42)
    return one.event


def test_a_token_fits_into_a_tag_of_ses() -> None:
    largest = TOKENS.sign(Token(Kind.RECIPIENT, 2**63 - 1, 2**63 - 1))
    assert (len(largest), largest.replace("-", "").replace("_", "").isalnum()) == (103, True)
    assert notices.recipient_of(TOKENS, [largest]) == Token(Kind.RECIPIENT, 2**63 - 1, 2**63 - 1)


@pytest.mark.parametrize("named", ["eventType", "notificationType"])
def test_a_bounce_of_ses(named: str) -> None:
    given = sent.ses_bounce(TOKEN)
    given[named] = given.pop("eventType")
    given["bounce"]["timestamp"] = "2026-03-01T11:59:58.123Z"
    found = event(of_ses(given))
    assert (found.key, found.type, found.occurred_at) == (
        "ses:m1:0",
        EmailEventType.BOUNCE,
        datetime(2026, 3, 1, 11, 59, 58, 123000, UTC),
    )
    assert found.data == {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "status": "5.1.1",
        "errorMessage": "smtp; 550 5.1.1 user unknown",
    }


@pytest.mark.parametrize(
    ("kind", "sub_kind", "status", "hard"),
    [
        ("Permanent", "NoEmail", "5.1.1", True),
        ("Permanent", "OnAccountSuppressionList", None, True),
        ("Transient", "MailboxFull", "5.2.2", False),
        ("Transient", "General", "4.4.7", False),
        ("Undetermined", "Undetermined", None, False),
        ("Undetermined", "Undetermined", "5.1.10", True),
    ],
)
def test_bounces_of_ses_are_hard_where_they_are_final(kind: str, sub_kind: str, status: str | None, hard: bool) -> None:
    assert is_hard(event(of_ses(sent.ses_bounce(TOKEN, kind, sub_kind, status=status))).data) is hard


def test_a_full_mailbox_keeps_what_the_server_said() -> None:
    data = event(of_ses(sent.ses_bounce(TOKEN, "Transient", "MailboxFull", status="5.2.2", diagnosticCode=None))).data
    assert data == {"bounceType": "Transient", "bounceSubType": "MailboxFull", "status": "5.2.2"}


def test_a_complaint_to_ses_happened_when_it_was_made() -> None:
    report = {"complaintFeedbackType": "abuse", "arrivalDate": "2026-02-28T08:00:00.000Z", "userAgent": "Yahoo!-Mail-Feedback/2.0"}  # fmt: skip
    found = event(of_ses(sent.ses("Complaint", TOKEN, timestamp="2026-03-01T11:00:00.000Z", **report)))
    assert (found.type, found.occurred_at) == (EmailEventType.COMPLAIN, NOW - timedelta(hours=1))
    assert found.data == {
        "feedbackType": "abuse",
        "userAgent": "Yahoo!-Mail-Feedback/2.0",
        "arrivalDate": "2026-02-28T08:00:00.000Z",
    }
    assert of_ses(sent.ses("Complaint", TOKEN, complaintFeedbackType="not-spam")) == []


def test_an_open_and_a_click_of_ses() -> None:
    who = {"ipAddress": "192.0.2.1", "userAgent": BROWSER, "timestamp": "2026-03-01T11:00:00.000Z"}
    opened = event(of_ses(sent.ses("Open", TOKEN, **who)))
    assert (opened.type, opened.data, opened.ip_address, opened.user_agent, opened.is_machine) == (
        EmailEventType.OPEN,
        None,
        "192.0.2.1",
        BROWSER,
        False,
    )
    clicked = event(of_ses(sent.ses("Click", TOKEN, link="https://shop.example/sale", linkTags=None, **who)))
    assert (clicked.type, clicked.data, clicked.ip_address) == (
        EmailEventType.CLICK,
        {"linkUrl": "https://shop.example/sale"},
        "192.0.2.1",
    )
    assert event(of_ses(sent.ses("Open", TOKEN, userAgent="Mozilla/5.0"))).is_machine is True


def test_links_of_ours_tell_themselves() -> None:
    for url in (OWN.click_url(7, 42, 3, "https://shop.example/"), OWN.unsubscribe_url(7, 42)):
        assert of_ses(sent.ses("Click", TOKEN, link=url)) == []
        assert of_sendgrid(sent.sendgrid("click", TOKEN, url=url)) == []
    forged = "https://mail.example.com/t/c/abc.def"
    assert event(of_ses(sent.ses("Click", TOKEN, link=forged))).data == {"linkUrl": forged}


@pytest.mark.parametrize(
    ("new", "old", "is_one"),
    [
        ({"unsubscribeAll": True}, {"unsubscribeAll": False}, True),
        ({"unsubscribeAll": True}, {"unsubscribeAll": True}, False),
        ({"topicSubscriptions": [{"topicName": "a", "subscriptionStatus": "OptOut"}]}, {}, True),
        ({"topicSubscriptions": [{"topicName": "a", "subscriptionStatus": "OptIn"}]}, {}, False),
        (None, "x", False),
    ],
)
def test_a_subscription_to_ses_is_an_unsubscription_where_something_is_left(new: Any, old: Any, is_one: bool) -> None:
    given = sent.ses(
        "Subscription", TOKEN, contactList="news", source="UnsubscribeHeader", newTopicPreferences=new, oldTopicPreferences=old
    )  # fmt: skip
    found = of_ses(given)
    assert len(found) == int(is_one)
    assert not found or event(found).data == {"contactList": "news", "source": "UnsubscribeHeader"}


@pytest.mark.parametrize("kind", ["Send", "Delivery", "DeliveryDelay", "Reject", "Rendering Failure", "Another"])
def test_all_else_of_ses_says_nothing(kind: str) -> None:
    assert of_ses(sent.ses(kind, TOKEN)) == []


def test_what_ses_sends_when_it_is_set_up_says_nothing() -> None:
    message = "Successfully validated SNS topic for Amazon SES event publishing."
    assert ses.notices_of(message, "m1", NOW, NOW, TOKENS) == notices.Notices([], 1)


@pytest.mark.parametrize(
    "mail",
    [
        {"headers": [{"name": "X-Groundswell-Recipient", "value": TOKEN}]},
        {"headers": [{"name": "Message-ID", "value": TOKENS.message_id(7, 42, "groundswell.example")}]},
        {"commonHeaders": {"messageId": TOKENS.message_id(7, 42, "groundswell.example")}},
        {"tags": {"groundswell": ["other", TOKEN]}},
    ],
)
def test_ses_names_the_recipient_in_several_ways(mail: dict[str, Any]) -> None:
    given = sent.ses_bounce(TOKEN)
    assert event(of_ses({**given, "mail": mail})).type is EmailEventType.BOUNCE
    assert of_ses({**given, "mail": {}}) == []


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.UNSUBSCRIBE])
def test_a_token_of_another_kind_names_nobody(kind: Kind) -> None:
    other = TOKENS.sign(Token(kind, 7, 42))
    assert of_ses(sent.ses_bounce(other)) == []
    assert of_sendgrid(sent.sendgrid("spamreport", other)) == []


def test_times_that_cannot_be_are_those_of_the_sending() -> None:
    wrong: list[Any] = ["2026-03-01T12:06:00Z", "1999-12-31T23:59:59Z", "2026-03-01T11:00:00", "soon", None, True, [], 1e300]  # fmt: skip
    for one in wrong:
        given = sent.ses("Open", TOKEN, timestamp=one)
        assert event(of_ses(given)).occurred_at == NOW, one


@pytest.mark.parametrize(
    ("kind", "fields", "type_", "data", "hard"),
    [
        (
            "bounce",
            {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 unknown", "bounce_classification": "Invalid Address"},
            "BOUNCE",
            {"bounceType": "Permanent", "bounceSubType": "Invalid Address", "status": "5.1.1", "errorMessage": "550 5.1.1 unknown"},
            True,
        ),
        (
            "bounce",
            {"type": "blocked", "status": "5.7.1", "reason": "550 5.7.1 spam", "ip": "192.0.2.9"},
            "BOUNCE",
            {"bounceType": "Transient", "status": "5.7.1", "errorMessage": "550 5.7.1 spam"},
            False,
        ),
        ("bounce", {"type": "blocked", "status": "4.2.2"}, "BOUNCE", {"bounceType": "Transient", "status": "4.2.2"}, False),
        (
            "dropped",
            {"reason": "Bounced Address", "status": "5.0.0"},
            "BOUNCE",
            {"bounceType": "Permanent", "bounceSubType": "Dropped", "errorMessage": "Bounced Address"},
            True,
        ),
        ("spamreport", {}, "COMPLAIN", None, False),
        ("unsubscribe", {}, "UNSUBSCRIBE", None, False),
        ("group_unsubscribe", {"asm_group_id": 10}, "UNSUBSCRIBE", {"groupId": 10}, False),
        ("click", {"url": "https://shop.example/", "ip": "192.0.2.1"}, "CLICK", {"linkUrl": "https://shop.example/"}, False),
    ],
)  # fmt: skip
def test_events_of_sendgrid(kind: str, fields: dict[str, Any], type_: str, data: Any, hard: bool) -> None:
    found = event(of_sendgrid(sent.sendgrid(kind, TOKEN, timestamp=1772362800, **fields)))
    assert (found.key, found.type, found.occurred_at) == ("sg:ZGVmZXJyZWQtMC01", type_, NOW - timedelta(hours=1))
    assert (found.data, is_hard(found.data)) == (data, hard)
    assert found.ip_address == ("192.0.2.1" if kind == "click" else None)


@pytest.mark.parametrize(
    ("fields", "is_machine"),
    [
        ({"useragent": BROWSER}, False),
        ({"useragent": BROWSER, "sg_machine_open": False}, False),
        ({"useragent": BROWSER, "sg_machine_open": True}, True),
        ({"useragent": "Mozilla/5.0"}, True),
        ({}, False),
    ],
)
def test_opens_of_machines(fields: dict[str, Any], is_machine: bool) -> None:
    assert event(of_sendgrid(sent.sendgrid("open", TOKEN, **fields))).is_machine is is_machine


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        *((kind, {}) for kind in ("processed", "delivered", "deferred", "group_resubscribe", "account_status_change")),
        *(("dropped", {"reason": why}) for why in ("Unsubscribed Address", "Spam Content", "Invalid SMTPAPI header")),
    ],
)
def test_all_else_of_sendgrid_says_nothing(kind: str, fields: dict[str, Any]) -> None:
    assert of_sendgrid(sent.sendgrid(kind, TOKEN, **fields)) == []


def test_sendgrid_names_the_recipient_by_our_message_id_too() -> None:
    own: dict[str, Any] = {"smtp-id": TOKENS.message_id(7, 42, "groundswell.example")}
    assert event(of_sendgrid(sent.sendgrid("spamreport", "", **own))).type is EmailEventType.COMPLAIN
    assert of_sendgrid(sent.sendgrid("spamreport", ""), "text", None, 3, ["a"]) == []


def test_an_event_of_sendgrid_without_an_id_is_known_by_what_it_says() -> None:
    one = sent.sendgrid("spamreport", TOKEN, timestamp=1, sg_event_id=None)
    keys = [found.event.key for found in of_sendgrid(one, {**one, "category": []}, {**one, "timestamp": 2})]
    assert [len(key) for key in keys] == [67, 67, 67]
    assert (keys[0] == keys[1], keys[0] == keys[2]) == (True, False)


def test_a_body_of_sendgrid_that_is_no_list_is_malformed() -> None:
    for body in (b"{}", b"null", b"[1", b"\xff"):
        with pytest.raises(Malformed):
            sendgrid.notices_of(body, NOW, NOW, TOKENS)


def test_a_signature_of_sendgrid() -> None:
    key, body, now = sendgrid.Key(sendgrid_public_key()), b'[{"a": 1}]\r\n', NOW
    seconds = int(NOW.timestamp())

    def check(body: bytes, headers: dict[str, str], timestamp: str | None = None) -> datetime:
        signature, at = headers.values()
        return key.check(body, signature, timestamp or at, now)

    assert check(body, signed(body, str(seconds - 86_400))) == NOW - timedelta(days=1)
    for came, headers in (
        (body.strip(), signed(body, str(seconds))),
        (body, signed(body, str(seconds), signer=1)),
        (body, signed(body, str(seconds - 86_401))),
        (body, signed(body, str(seconds + 301))),
        (body, signed(body, "")),
        (body, signed(body, "9" * 40)),
        (body, signed(body, "\u0661")),
        *((body, {"signature": wrong, "timestamp": str(seconds)}) for wrong in ("AAAA", "no base64", "\u00fc")),
    ):
        with pytest.raises(Forged):
            check(came, headers)
    with pytest.raises(Forged):
        check(body, signed(body, str(seconds)), str(seconds + 1))


def test_a_key_of_another_kind_is_none_of_sendgrids() -> None:
    public = sent.rsa_key(0).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for wrong in ("", "AAAA", "no base64", base64.b64encode(public).decode()):
        assert public_key_problem(wrong) is not None
        with pytest.raises(ValueError, match=r"\w"):
            sendgrid.Key(wrong)
    assert public_key_problem(sendgrid_public_key()) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LONG = st.sampled_from(
    ["\x01" * 5000, "\0", "\U0001f600" * 5000, "5.1.1", written(NOW), "fe80::1%eth0", "[" * 900 + "]" * 900]
)
PARTS = ["bounceType", "bounceSubType", "bouncedRecipients", "timestamp", "complaintFeedbackType", "link", "ipAddress", "userAgent",
         "newTopicPreferences", "status", "diagnosticCode", "topicSubscriptions"]  # fmt: skip
FIELDS = ["timestamp", "event", "type", "status", "reason", "useragent", "ip", "url", "sg_event_id", "sg_machine_open",
          "asm_group_id", "unique_args", "smtp-id", "bounce_classification"]  # fmt: skip
VALUES = JSON | LONG | st.dictionaries(st.sampled_from(PARTS), JSON | LONG, max_size=3)
KINDS = ["Bounce", "Complaint", "Open", "Click", "Subscription"]


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(PARTS), VALUES, max_size=5), JSON, JSON)
def test_whatever_ses_sends_is_recorded_or_ignored(kind: str, part: dict[str, Any], mail: Any, whole: Any) -> None:
    for one in (sent.ses(kind, TOKEN, **part), {**sent.ses(kind, TOKEN), "mail": mail}, {**sent.ses(kind, TOKEN), kind.lower(): mail}, whole):  # fmt: skip
        assert all(found.event.problems(NOW) == [] for found in of_ses(one))


@settings(max_examples=150)
@given(
    st.sampled_from(["bounce", "dropped", "open", "click", "spamreport", "group_unsubscribe"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6),
    JSON,
)
def test_whatever_sendgrid_sends_is_recorded_or_ignored(kind: str, fields: dict[str, Any], whole: Any) -> None:
    found = of_sendgrid({**sent.sendgrid(kind, TOKEN), **fields}, {**sent.sendgrid(kind, TOKEN), "groundswell": whole}, whole)  # fmt: skip
    assert all(one.event.problems(NOW) == [] for one in found)
