"""Messages of Amazon SNS: only those that it signed, now, of a topic of ours, are believed."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jobs.mailings.providers import sns
from jobs.mailings.providers.notices import Forged, Malformed
from jobs.mailings.providers.sns import Certificates, Envelope, Unreachable, check, confirm
from tests.mail_providers import CERTIFICATE, HOST, SUBSCRIBE, TOPIC, Sns, certificate, enveloped, rsa_key, written


async def checked(given: Any, pages: Sns | None = None, now: datetime | None = None) -> Envelope:
    """A message that was believed."""
    envelope = Envelope.of(json.dumps(given).encode())
    await check(envelope, {TOPIC}, Certificates((pages or Sns.usual()).fetch), now or datetime.now(UTC))
    return envelope


async def refused(given: Any, pages: Sns | None = None, now: datetime | None = None) -> str:
    """Why a message was not believed."""
    with pytest.raises(Forged) as error:
        await checked(given, pages, now)
    return str(error.value)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "Amazon SES Email Event Notification", ""])
async def test_a_notification_is_believed(version: str, subject: str | None) -> None:
    given = enveloped("Notification", 'with "marks",\nlines and ü', version, Subject=subject)
    assert (await checked(given)).message == 'with "marks",\nlines and ü'


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
async def test_confirmations_are_believed(kind: str) -> None:
    assert (await checked(enveloped(kind, "You have chosen to subscribe.", "2"))).type == kind


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
async def test_a_changed_message_is_forged(name: str) -> None:
    changed = written(datetime.now(UTC) - timedelta(seconds=9)) if name == "Timestamp" else "another"
    given = {**enveloped("Notification", "one", Subject="Hello"), name: changed}
    assert await refused(given) == "The signature is not Amazon's."


@pytest.mark.parametrize("name", ["Token", "SubscribeURL", "Type"])
async def test_a_changed_confirmation_is_forged(name: str) -> None:
    changed = "UnsubscribeConfirmation" if name == "Type" else "another"
    given = {**enveloped("SubscriptionConfirmation", "one"), name: changed}
    assert await refused(given) == "The signature is not Amazon's."


async def test_a_subject_that_was_added_or_taken_away_is_forged() -> None:
    assert await refused({**enveloped("Notification", "one"), "Subject": ""}) == "The signature is not Amazon's."
    without = enveloped("Notification", "one", Subject="Hello")
    del without["Subject"]
    assert await refused(without) == "The signature is not Amazon's."


@pytest.mark.parametrize("signature", ["", "AAAA", "no base64", "ü"])
async def test_what_is_no_signature_is_forged(signature: str) -> None:
    assert (
        await refused({**enveloped("Notification", "one"), "Signature": signature}) == "The signature is not Amazon's."
    )


async def test_a_signature_of_another_version_or_key_is_forged() -> None:
    other = {**enveloped("Notification", "one"), "SignatureVersion": "2"}
    assert await refused(other) == "The signature is not Amazon's."
    assert await refused(enveloped("Notification", "one", signer=1)) == "The signature is not Amazon's."


async def test_a_foreign_topic_is_refused_before_anything_is_fetched() -> None:
    pages = Sns.usual()
    foreign = enveloped("Notification", "one", TopicArn="arn:aws:sns:eu-west-1:999999999999:mail")
    assert await refused(foreign, pages) == "This topic is none of those in SES_TOPIC_ARNS."
    assert pages.visited == []


@pytest.mark.parametrize(
    ("ago", "why"),
    [(86_401, "It was sent too long ago."), (-301, "It is sent later than now. Look at this machine's clock.")],
)
async def test_what_was_not_sent_now_is_refused(ago: int, why: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    given = enveloped("Notification", "one", Timestamp=written(now - timedelta(seconds=ago)))
    assert await refused(given, now=now) == why


@pytest.mark.parametrize(
    "timestamp", ["", "yesterday", "2026-03-01", "2026-03-01T12:00:00", "0001-01-01T00:00:00+14:00"]
)
async def test_what_does_not_say_when_it_was_sent_is_refused(timestamp: str) -> None:
    why = await refused(enveloped("Notification", "one", Timestamp=timestamp))
    assert why == "It does not say when it was sent."


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.example.com/x.pem",
        "https://example.com/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@example.com/x.pem",
        "https://ann@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:443/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://sns.eu-west-1.amazonaws.com\\.example.com/x.pem",
        "https://example.com\\@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem?from=https://example.com",
        "https://sns.eu-west-1.amazonaws.com/x.pem#.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem\n",
        "https://sns.eu-west-1.amazonaws.com/x.crt",
        "https://sns.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://sns.s3.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com./x.pem",
        "https://s3.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.co/x.pem",
        "https://xsns.eu-west-1.amazonaws.com/x.pem",
        "https://[sns.eu-west-1.amazonaws.com/x.pem",
        "//sns.eu-west-1.amazonaws.com/x.pem",
        "file:///sns.eu-west-1.amazonaws.com/x.pem",
        "",
    ],
)
async def test_certificates_are_fetched_from_sns_only(url: str) -> None:
    pages = Sns.usual()
    assert await refused({**enveloped("Notification", "one"), "SigningCertURL": url}, pages) == (
        "The certificate is not at Amazon SNS."
    )
    assert pages.visited == []


@pytest.mark.parametrize(
    "host", ["sns.us-gov-west-1.amazonaws.com", "sns.ap-southeast-5.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"]
)
def test_all_regions_have_certificates(host: str) -> None:
    sns.check_certificate_url(f"https://{host}/SimpleNotificationService-1.pem")


async def test_a_certificate_is_fetched_once_and_the_number_kept_is_bounded() -> None:
    pages = Sns.usual()
    certificates = Certificates(pages.fetch)
    for _ in range(2):
        await check(
            Envelope.of(json.dumps(enveloped("Notification", "one")).encode()),
            {TOPIC},
            certificates,
            datetime.now(UTC),
        )
    assert pages.visited == [CERTIFICATE]
    others = [f"{HOST}/{number}.pem" for number in range(sns.MOST_CERTIFICATES)]
    pages.pages.update(dict.fromkeys(others, pages.pages[CERTIFICATE]))
    for url in [*others, CERTIFICATE]:
        await certificates.at(url)
    assert pages.visited == [CERTIFICATE, *others, CERTIFICATE]


@pytest.mark.parametrize(("first", "last"), [(1, 2), (-2, -1)])
async def test_a_certificate_that_is_not_valid_now_is_refused(first: int, last: int) -> None:
    now = datetime.now(UTC)
    page = certificate(rsa_key(0), now + timedelta(days=first), now + timedelta(days=last))
    assert await refused(enveloped("Notification", "one"), Sns({CERTIFICATE: page})) == (
        "The certificate is not valid now."
    )


async def test_what_is_no_certificate_of_sns_is_refused() -> None:
    now = datetime.now(UTC)
    page = certificate(ec.generate_private_key(ec.SECP256R1()), now - timedelta(days=1), now + timedelta(days=1))
    assert await refused(enveloped("Notification", "one"), Sns({CERTIFICATE: page})) == (
        "The certificate is none of Amazon SNS."
    )
    assert await refused(enveloped("Notification", "one"), Sns({CERTIFICATE: b"<html>"})) == (
        "What is at the address of the certificate is none."
    )


async def test_a_certificate_that_cannot_be_fetched_says_nothing_of_the_message() -> None:
    with pytest.raises(Unreachable):
        await checked(enveloped("Notification", "one"), Sns({CERTIFICATE: Unreachable()}))


async def test_a_subscription_is_confirmed_at_sns_only() -> None:
    pages = Sns.usual()
    certificates = Certificates(pages.fetch)
    await confirm(await checked(enveloped("SubscriptionConfirmation", "one")), certificates)
    assert pages.visited == [SUBSCRIBE]
    for url in ["https://example.com/?Action=ConfirmSubscription", f"{HOST}/?Action=Publish", f"{HOST}/x?{SUBSCRIBE}"]:
        with pytest.raises(Forged):
            await confirm(await checked(enveloped("SubscriptionConfirmation", "one", SubscribeURL=url)), certificates)
    assert pages.visited == [SUBSCRIBE]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "This is no message of Amazon SNS. Raw message delivery must be off."),
        ({"eventType": "Bounce"}, "This is no message of Amazon SNS. Raw message delivery must be off."),
        ({**enveloped("Notification", "one"), "Type": ["Notification"]}, "This is no message of Amazon SNS. Raw message delivery must be off."),
        (enveloped("Notification", "one", MessageId=None), "A message of Amazon SNS has MessageId."),
        (enveloped("SubscriptionConfirmation", "one", Token=None), "A message of Amazon SNS has Token."),
        ({**enveloped("Notification", "one"), "Message": {"a": 1}}, "Message is a text."),
        ({**enveloped("Notification", "one"), "SignatureVersion": "3"}, "SignatureVersion is 1 or 2."),
    ],
)  # fmt: skip
async def test_what_is_no_message_of_sns_says_what_is_missing(given: Any, why: str) -> None:
    with pytest.raises(Malformed) as error:
        await checked(given)
    assert str(error.value) == why


class _Pages(BaseHTTPRequestHandler):
    """Answers ``/STATUS/BYTES``. Redirects lead to a page that there is."""

    def do_GET(self) -> None:
        _, status, size = self.path.split("/")
        self.send_response(int(status))
        self.send_header("Location", "/200/3")
        self.end_headers()
        self.wfile.write(b"x" * int(size))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_what_is_fetched_is_bounded_and_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            place = f"http://127.0.0.1:{server.server_port}"
            assert sns.fetched(f"{place}/200/65536") == b"x" * 65536
            for path, error in (("200/65537", Forged), ("302/3", Forged), ("404/3", Forged), ("503/3", Unreachable)):
                with pytest.raises(error):
                    sns.fetched(f"{place}/{path}")
        finally:
            server.shutdown()
            thread.join()
    with pytest.raises(Unreachable):
        sns.fetched(f"{place}/200/3")
