"""Notifications of Amazon SNS: whether one is from a topic of ours, by the signature that Amazon puts under it."""

import asyncio
import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from jobs.mailings.providers import notices
from jobs.mailings.providers.notices import Forged, Malformed

OLDEST = timedelta(days=1)
"""How long ago something may have been sent: as long as SNS tries at most."""
LARGEST_ANSWER = 64 * 1024
SECONDS = 5
"""For an answer of SNS."""
MOST_CERTIFICATES = 16
_AT_ONCE = 2
_HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]{2,12}){1,2}-\d{1,2}\.amazonaws\.com(\.cn)?", re.ASCII)
_HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
Fetch = Callable[[str], bytes]


class Type(StrEnum):
    """What a message is."""

    NOTIFICATION = "Notification"
    SUBSCRIPTION = "SubscriptionConfirmation"
    UNSUBSCRIPTION = "UnsubscribeConfirmation"


_CONFIRMED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: dict[Type, tuple[str, ...]] = {
    Type.NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    Type.SUBSCRIPTION: _CONFIRMED,
    Type.UNSUBSCRIPTION: _CONFIRMED,
}
"""What is signed of each type, in order. A subject need not be there."""


class Unreachable(Exception):
    """SNS could not be asked just now."""


@dataclass(frozen=True)
class Envelope:
    """A message as SNS sends it. Nothing of it is true before it was checked."""

    type: Type
    fields: dict[str, str]

    @classmethod
    def of(cls, body: bytes) -> "Envelope":
        """Reads one. Raises Malformed."""
        found = notices.document(body)
        given = found if isinstance(found, dict) else {}
        kind = next((one for one in Type if given.get("Type") == one), None)
        if kind is None:
            raise Malformed("This is no message of Amazon SNS. Raw message delivery must be off.")
        names = {*_SIGNED[kind], "SignatureVersion", "Signature", "SigningCertURL"}
        fields = {name: given[name] for name in names if given.get(name) is not None}
        missing = sorted(names - {"Subject"} - fields.keys())
        if missing:
            raise Malformed(f"A message of Amazon SNS has {missing[0]}.")
        for name in sorted(fields):
            if not isinstance(fields[name], str):
                raise Malformed(f"{name} is a text.")
        return cls(kind, fields)

    def signed(self) -> bytes:
        """What the signature is of."""
        names = [name for name in _SIGNED[self.type] if name in self.fields]
        return "".join(f"{name}\n{self.fields[name]}\n" for name in names).encode()

    @property
    def id(self) -> str:
        """The same whenever it is sent again."""
        return self.fields["MessageId"]

    @property
    def message(self) -> str:
        """What it carries."""
        return self.fields["Message"]


def check_certificate_url(url: str) -> None:
    """Raises Forged for an address at which no certificate of SNS is."""
    parts = _sns(url)
    if parts is None or parts.query or not parts.path.endswith(".pem"):
        raise Forged("The certificate is not at Amazon SNS.")


def check_subscribe_url(url: str) -> None:
    """Raises Forged for an address at which no subscription is confirmed."""
    parts = _sns(url)
    if parts is None or parts.path != "/" or parse_qs(parts.query).get("Action") != ["ConfirmSubscription"]:
        raise Forged("The address that confirms the subscription is not at Amazon SNS.")


def _sns(url: str) -> SplitResult | None:
    """An address of SNS, taken apart; None for any other. Written in one way only, since others may read it otherwise."""
    if not url.isascii() or not url.isprintable() or any(one in url for one in "\\ @#"):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_sns = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None
    return parts if is_sns else None


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: an answer that leads elsewhere is an error."""


_opener = build_opener(_NoRedirects)


def fetched(url: str) -> bytes:
    """What is at an address of SNS, which was checked. Raises Unreachable, and Forged where there is nothing."""
    try:
        with _opener.open(url, timeout=SECONDS) as answer:
            found: bytes = answer.read(LARGEST_ANSWER + 1)
    except HTTPError as error:
        error.close()
        if error.code < 500:
            raise Forged("Amazon SNS does not know this address.") from None
        raise Unreachable from None
    except (OSError, HTTPException):
        raise Unreachable from None
    if len(found) > LARGEST_ANSWER:
        raise Forged("The answer of Amazon SNS is too long.")
    return found


class Certificates:
    """What SNS signs with, fetched once each."""

    def __init__(self, fetch: Fetch = fetched) -> None:
        """``fetch``: what is at an address, in a thread. Raises Unreachable, and Forged."""
        self._fetch = fetch
        self._kept: OrderedDict[str, Certificate] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def at(self, url: str) -> Certificate:
        """The certificate at an address. Raises Unreachable, and Forged."""
        check_certificate_url(url)
        found = self._kept.get(url)
        if found is None:
            try:
                found = load_pem_x509_certificate(await self.visit(url))
            except ValueError:
                raise Forged("What is at the address of the certificate is none.") from None
            self._kept[url] = found
            if len(self._kept) > MOST_CERTIFICATES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(url)
        return found

    async def visit(self, url: str) -> bytes:
        """What SNS answers at an address that was checked. Raises Unreachable, and Forged."""
        async with self._turns:
            try:
                return await asyncio.wait_for(asyncio.to_thread(self._fetch, url), 2 * SECONDS)
            except TimeoutError:
                raise Unreachable from None


async def check(envelope: Envelope, topics: Collection[str], certificates: Certificates, now: datetime) -> datetime:
    """When a message was sent, if SNS sent it from one of these topics. Raises Forged, Malformed and Unreachable."""
    fields = envelope.fields
    # Anybody can have a topic, and Amazon's signature under what is published there.
    if fields["TopicArn"] not in topics:
        raise Forged("This topic is none of those in SES_TOPIC_ARNS.")
    sent_at = notices.check_fresh(notices.moment(fields["Timestamp"]), now, OLDEST)
    algorithm = _HASHES.get(fields["SignatureVersion"])
    if algorithm is None:
        raise Malformed("SignatureVersion is 1 or 2.")
    certificate = await certificates.at(fields["SigningCertURL"])
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Forged("The certificate is not valid now.")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise Forged("The certificate is none of Amazon SNS.")
    try:
        signature = base64.b64decode(fields["Signature"], validate=True)
        key.verify(signature, envelope.signed(), PKCS1v15(), algorithm())
    except (InvalidSignature, ValueError, binascii.Error):
        raise Forged("The signature is not Amazon's.") from None
    return sent_at


async def confirm(envelope: Envelope, certificates: Certificates) -> None:
    """Confirms the subscription that a checked message asks for. Raises Forged and Unreachable."""
    url = envelope.fields["SubscribeURL"]
    check_subscribe_url(url)
    await certificates.visit(url)
