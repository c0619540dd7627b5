"""POST /mail/ses and /mail/sendgrid: who has signed what came, and what is answered.

Providers send again what was answered with 429 or 5xx, and nothing that was refused otherwise (SendGrid does, in vain).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.engine import Database, is_unavailable
from graph.refusals import ClientLeft, Refusal, TooQuiet, pieces
from graph.routes.mail_webhooks.recording import record
from jobs.mailings.keys import tokens_of
from jobs.mailings.providers import ProviderOptions, sendgrid, ses, sns
from jobs.mailings.providers.notices import Forged, Malformed, Notices
from jobs.mailings.tokens import Tokens

SES, SENDGRID = "/mail/ses", "/mail/sendgrid"
LARGEST_OF_SNS, LARGEST_OF_SENDGRID = 256 * 1024, 2 * 1024 * 1024
"""Bytes of a body. SNS sends 256 KiB at most, its envelope included."""
MOST_AT_ONCE = 32
QUIET_SECONDS, BODY_SECONDS = 10, 30
RETRY_SOON, RETRY_LATER = 1, 5
"""Seconds after which to send again: when others are done, and when what is away is back."""

log = structlog.get_logger("groundswell.mail")
Answer = Callable[[Request], Awaitable[Response]]


def routes(
    database: Database,
    options: ProviderOptions,
    certificates: sns.Certificates | None = None,
) -> list[Route]:
    """Where providers send to. Who sends needs no token: what was not signed by them is refused."""
    webhooks = Webhooks(database, options, certificates or sns.Certificates())
    return [
        Route(SES, webhooks.answered(webhooks.ses), methods=["POST"]),
        Route(SENDGRID, webhooks.answered(webhooks.sendgrid), methods=["POST"]),
    ]


class Webhooks:
    """The endpoints of one process."""

    def __init__(self, database: Database, options: ProviderOptions, certificates: sns.Certificates) -> None:
        self._database = database
        self._topics, self._certificates = options.ses_topic_arns, certificates
        key = options.sendgrid_public_key
        self._key = None if key is None else sendgrid.Key(key)
        self._tokens: Tokens | None = None
        self._running = 0

    def answered(self, work: Answer) -> Answer:
        """An endpoint that answers what its work raises."""

        async def endpoint(request: Request) -> Response:
            try:
                with self._room():
                    return await work(request)
            except ClientLeft:
                return Response(status_code=400)  # which nobody reads
            except Refusal as refusal:
                return refusal.response()
            except Malformed as error:
                return Refusal(400, "BAD_USER_INPUT", f"{error} Nothing was recorded.").response()
            except Forged as error:
                log.warning("an event of a mail was refused", path=request.url.path, reason=str(error))
                return Refusal(403, "FORBIDDEN", f"{error} Nothing was recorded.").response()
            except sns.Unreachable:
                return _later("Amazon SNS cannot be reached just now. Send it again.").response()
            except Exception as error:
                if not is_unavailable(error):
                    raise
                log.warning("events of mails could not be recorded, and are to be sent again", reason=repr(error))
                return _later("The database cannot be reached just now. Send it again.").response()

        return endpoint

    async def ses(self, request: Request) -> Response:
        """One message of SNS."""
        if not self._topics:
            raise _missing("SES_TOPIC_ARNS", "the topics of Amazon SNS whose messages are believed")
        envelope = sns.Envelope.of(await _body(request, LARGEST_OF_SNS))
        if request.headers.get("x-amz-sns-message-type", envelope.type) != envelope.type:
            raise Malformed("The header says another type than the message.")
        now = datetime.now(UTC)
        sent_at = await sns.check(envelope, self._topics, self._certificates, now)
        if envelope.type is sns.Type.NOTIFICATION:
            notices = ses.notices_of(envelope.message, envelope.id, sent_at, now, await self._read())
            return await self._recorded(notices, "ses")
        if envelope.type is sns.Type.SUBSCRIPTION:
            await sns.confirm(envelope, self._certificates)
            log.info("a topic of Amazon SNS sends its messages here now", topic=envelope.fields["TopicArn"])
        else:
            log.warning("a topic of Amazon SNS sends nothing here any more", topic=envelope.fields["TopicArn"])
        return await self._recorded(Notices([]), "ses")

    async def sendgrid(self, request: Request) -> Response:
        """Some events of SendGrid."""
        if self._key is None:
            raise _missing("SENDGRID_PUBLIC_KEY", "the key that SendGrid's events are verified with")
        body = await _body(request, LARGEST_OF_SENDGRID)
        signature, timestamp = (
            request.headers.get(f"x-twilio-email-event-webhook-{name}", "") for name in ("signature", "timestamp")
        )
        now = datetime.now(UTC)
        sent_at = self._key.check(body, signature, timestamp, now)
        notices = sendgrid.notices_of(body, sent_at, now, await self._read())
        return await self._recorded(notices, "sendgrid")

    async def _read(self) -> Tokens:
        if self._tokens is None:
            self._tokens = await tokens_of(self._database)
        return self._tokens

    async def _recorded(self, notices: Notices, provider: str) -> Response:
        counts = await record(self._database, notices, provider)
        return Response(orjson.dumps(counts), media_type="application/json")

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._running >= MOST_AT_ONCE:
            message = "Too many requests bring events of mails just now. Send it again."
            raise Refusal(429, "LIMIT_REACHED", message, {"Retry-After": str(RETRY_SOON)})
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


async def _body(request: Request, most: int) -> bytes:
    length, given = request.headers.get("content-length", ""), bytearray()
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in pieces(request.receive, QUIET_SECONDS):
                given += piece
                if len(given) > most:
                    raise _too_large(most)
    except (TooQuiet, TimeoutError):
        raise Refusal(408, "TIMED_OUT", "The body did not come in time. Nothing was recorded.") from None
    return bytes(given)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "TOO_LARGE", f"A body has at most {most:,} bytes. Nothing was recorded.")


def _later(message: str) -> Refusal:
    return Refusal(503, "UNAVAILABLE", message, {"Retry-After": str(RETRY_LATER)})


def _missing(setting: str, what: str) -> Refusal:
    return Refusal(404, "NOT_FOUND", f"Nothing is taken here: {setting} is not set, {what}.")
