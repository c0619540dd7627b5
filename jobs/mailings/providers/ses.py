"""What Amazon SES says became of mails: event publishing (``eventType``) and feedback notifications (``notificationType``)."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from db.models.email_words import EmailEventType
from jobs.mailings.providers import notices
from jobs.mailings.providers.notices import Malformed, Notices, Said, words
from jobs.mailings.tokens import Tokens

HEADER = "x-groundswell-recipient"
_NOT_SPAM = "not-spam"


def notices_of(message: str, key: str, sent_at: datetime, now: datetime, tokens: Tokens) -> Notices:
    """What one message says. ``key``: the id of its notification. Messages that are no events, as SES sends one when it
    is set up, say nothing."""
    try:
        event = notices.document(message)
    except Malformed:
        return Notices([], 1)
    said = _said(event, tokens)
    recipient = notices.recipient_of(tokens, _names(event))
    if said is None or recipient is None:
        return Notices([], 1)
    return Notices.of([said.notice(f"ses:{key}:0", recipient, sent_at, now)], now)


def _names(event: Any) -> Iterator[Any]:
    """What may name the recipient, the surest first. Of the headers SES gives some only when it is told to."""
    mail = notices.part(event, "mail")
    tagged = notices.part(mail, "tags").get(notices.NAME)
    yield from tagged if isinstance(tagged, list) else []
    headers = notices.objects(mail.get("headers"))
    for wanted in (HEADER, "message-id"):
        yield from (one.get("value") for one in headers if (words(one.get("name")) or "").lower() == wanted)
    # SES gives each mail a Message-ID of its own. The one here is ours.
    yield notices.part(mail, "commonHeaders").get("messageId")


def _said(event: Any, tokens: Tokens) -> Said | None:
    if not isinstance(event, dict):
        return None
    kind = event.get("eventType") or event.get("notificationType")
    if kind == "Click":
        return _click(notices.part(event, "click"), tokens)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    return None if read is None else read(notices.part(event, str(kind).lower()))


def _bounce(bounce: dict[str, Any]) -> Said:
    first = next(iter(notices.objects(bounce.get("bouncedRecipients"))), {})
    data = notices.bounce(
        words(bounce.get("bounceType")),
        words(bounce.get("bounceSubType")),
        words(first.get("status")),
        notices.reason(first.get("diagnosticCode")),
    )
    return Said(EmailEventType.BOUNCE, notices.moment(bounce.get("timestamp")), data)


def _complaint(complaint: dict[str, Any]) -> Said | None:
    kind = words(complaint.get("complaintFeedbackType"))
    if kind == _NOT_SPAM:  # somebody says that it was none
        return None
    data = {
        "feedbackType": kind,
        "complaintSubType": words(complaint.get("complaintSubType")),
        "userAgent": notices.agent(complaint.get("userAgent")),  # of the program that reports, and of no person
        "arrivalDate": words(complaint.get("arrivalDate")),  # of the mail, and not of the complaint
    }
    return Said(EmailEventType.COMPLAIN, notices.moment(complaint.get("timestamp")), data)


def _open(opened: dict[str, Any]) -> Said:
    return Said(EmailEventType.OPEN, notices.moment(opened.get("timestamp")), {}, *_visitor(opened))


def _click(clicked: dict[str, Any], tokens: Tokens) -> Said | None:
    if notices.is_own_link(tokens, clicked.get("link")):
        return None
    at, data = notices.moment(clicked.get("timestamp")), {"linkUrl": notices.link(clicked.get("link"))}
    return Said(EmailEventType.CLICK, at, data, *_visitor(clicked))


def _visitor(seen: dict[str, Any]) -> tuple[str | None, str | None]:
    return notices.agent(seen.get("userAgent")), notices.address(seen.get("ipAddress"))


def _subscription(changed: dict[str, Any]) -> Said | None:
    """Unsubscribed from all, or from a topic that was not left before."""
    new, old = (notices.part(changed, f"{which}TopicPreferences") for which in ("new", "old"))
    is_all = new.get("unsubscribeAll") is True and old.get("unsubscribeAll") is not True
    left = _left(new) - _left(old)
    if not is_all and not left:
        return None
    data = {"contactList": words(changed.get("contactList")), "source": words(changed.get("source"))}
    return Said(EmailEventType.UNSUBSCRIBE, notices.moment(changed.get("timestamp")), data)


def _left(preferences: dict[str, Any]) -> set[str | None]:
    topics = notices.objects(preferences.get("topicSubscriptions"))
    return {words(one.get("topicName")) for one in topics if one.get("subscriptionStatus") == "OptOut"}


_READERS: dict[str, Callable[[dict[str, Any]], Said | None]] = {
    "Bounce": _bounce,
    "Complaint": _complaint,
    "Open": _open,
    "Subscription": _subscription,
}
