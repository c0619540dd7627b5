"""What mail providers send, signed as they sign it, by keys of the tests' own."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
HOST = "https://sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
ORDER = {
    "Notification": ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
    "SubscriptionConfirmation": ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
}
ORDER["UnsubscribeConfirmation"] = ORDER["SubscriptionConfirmation"]


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """One of several keys, each made once."""
    return rsa.generate_private_key(65537, 2048)


def certificate(key: Any, first: datetime, last: datetime) -> bytes:
    """A certificate of a key, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(first)
        .not_valid_after(last)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@dataclass
class Sns:
    """What is at the addresses of Amazon SNS, and which of them were asked for."""

    pages: dict[str, bytes | Exception] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)

    @classmethod
    def usual(cls) -> "Sns":
        """The certificate that is valid now, and where subscriptions are confirmed."""
        now = datetime.now(UTC)
        page = certificate(rsa_key(0), now - timedelta(days=1), now + timedelta(days=1))
        return cls({CERTIFICATE: page, SUBSCRIBE: b"<ConfirmSubscriptionResponse/>"})

    def fetch(self, url: str) -> bytes:
        """What is at an address."""
        self.visited.append(url)
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        return page


def enveloped(kind: str, message: str, version: str = "1", signer: int = 0, **fields: Any) -> dict[str, Any]:
    """A signed message of SNS. None leaves a field out."""
    given: dict[str, Any] = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": written(datetime.now(UTC)),
    }
    if kind != "Notification":
        given |= {"Token": "2336412f37", "SubscribeURL": SUBSCRIBE}
    given = {name: value for name, value in {**given, **fields}.items() if value is not None}
    signed = "".join(f"{name}\n{given[name]}\n" for name in ORDER[kind] if name in given).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = base64.b64encode(rsa_key(signer).sign(signed, PKCS1v15(), algorithm)).decode()
    return {"SignatureVersion": version, "Signature": signature, "SigningCertURL": CERTIFICATE, **given}


def notification(event: Any, **fields: Any) -> dict[str, Any]:
    """A signed message of SNS that carries an event of SES."""
    return enveloped("Notification", json.dumps(event), **fields)


def written(at: datetime) -> str:
    """A time as Amazon writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ses(kind: str, token: str, *, named: str = "eventType", **part: Any) -> dict[str, Any]:
    """An event of SES about the mail to the recipient of a token, as a message tag has it."""
    part = {"timestamp": written(datetime.now(UTC)), **part}
    mail = {
        "timestamp": "2026-03-01T12:00:00.000Z",
        "source": "news@groundswell.example",
        "sendingAccountId": "123456789012",
        "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        "destination": ["ann@example.com"],
        "headersTruncated": False,
        "headers": [{"name": "Subject", "value": "Hello"}, {"name": "To", "value": "ann@example.com"}],
        "commonHeaders": {"subject": "Hello", "to": ["ann@example.com"], "messageId": "<1@elsewhere.example>"},
        "tags": {"ses:configuration-set": ["mail"], "groundswell": [token.replace(".", "")]},
    }
    return {named: kind, kind.lower(): part, "mail": mail}


def ses_bounce(token: str, kind: str = "Permanent", sub_kind: str = "General", **recipient: Any) -> dict[str, Any]:
    """A bounce of SES."""
    bounced = {
        "emailAddress": "ann@example.com",
        "action": "failed",
        "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
        **recipient,
    }
    return ses("Bounce", token, bounceType=kind, bounceSubType=sub_kind, bouncedRecipients=[bounced], feedbackId="01")


@cache
def sendgrid_key(number: int) -> ec.EllipticCurvePrivateKey:
    """One of several keys, each made once."""
    return ec.generate_private_key(ec.SECP256R1())


def sendgrid_public_key() -> str:
    """The key as SendGrid's console shows it."""
    public = sendgrid_key(0).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def signed(body: bytes, at: str | None = None, signer: int = 0) -> dict[str, str]:
    """The headers under which SendGrid sends a body."""
    at = str(int(datetime.now(UTC).timestamp())) if at is None else at
    signature = sendgrid_key(signer).sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
    }


def sendgrid(kind: str, token: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """An event of SendGrid about the mail to the recipient of a token, as a unique argument has it."""
    return {
        "email": "ann@example.com",
        "timestamp": int(datetime.now(UTC).timestamp()),
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["news"],
        "sg_event_id": f"ZGVmZXJyZWQtMC0{number}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "groundswell": token,
        **fields,
    }
