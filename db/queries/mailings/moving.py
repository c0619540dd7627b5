"""How mailings move from status to status: compare and set under the lock of the mailing's row.

Who adds recipients holds the row FOR SHARE (``held``), so no mailing is complete while some are being added. Locks are
taken in one order: campaign, the barrier against intents, mailing, recipients by id.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, insert, select, update

from db.engine import Transaction
from db.errors import Refused, conflict, invalid, not_found
from db.models.campaigns import CampaignStatus
from db.models.email_templates import CONTENT, EmailTemplate
from db.models.email_words import LONGEST_LINK, LONGEST_REASON, MOST_LINKS, MOVES, MailingStatus, RecipientStatus
from db.models.mailings import Mailing, Recipient, TrackedLink
from db.queries import campaigns
from db.queries.mailings import barrier

LinksOf = Callable[[str, str, str | None], Sequence[str]]
"""The links of a subject, an HTML and a text, in order. Raises ValueError where these make no mail."""

STARTED_FROM = (MailingStatus.DRAFT, MailingStatus.SCHEDULED, MailingStatus.FAILED)
"""From where somebody may start a mailing."""
LATE_CLOCK = timedelta(minutes=1)
"""So far a time may lie behind that is meant to lie ahead: clocks differ, and requests take a while."""
FURTHEST_AHEAD = timedelta(days=366)

_S = MailingStatus
# Under the lock: later than all that was committed before it.
_NOW = func.clock_timestamp()
_NO_SUCH = not_found("No such mailing.", "id")
_COLUMNS = (Mailing.id, Mailing.campaign_id, Mailing.template_id, Mailing.status, Mailing.started_at)


async def locked(transaction: Transaction, mailing_id: int) -> Any:
    """A mailing that is not deleted (id, campaign_id, template_id, status, started_at), locked, and nobody intends to send
    any of it. Raises Refused."""
    await barrier.settled(transaction, mailing_id)
    row = await transaction.row(select(*_COLUMNS).where(*_is(transaction, mailing_id)).with_for_update(key_share=True))
    if row is None:
        raise Refused([_NO_SUCH])
    return row


async def held(transaction: Transaction, mailing_id: int) -> Any:
    """The same, held in its status but not kept from others who hold it; None where there is none."""
    return await transaction.row(select(*_COLUMNS).where(*_is(transaction, mailing_id)).with_for_update(read=True))


async def start(
    transaction: Transaction,
    mailing_id: int,
    links_of: LinksOf,
    allowed: Collection[MailingStatus] = STARTED_FROM,
) -> None:
    """Starts a mailing that is in one of the allowed statuses, now. Raises Refused.

    At its first start it keeps what its template says, and its links. Later starts send the same, to those who are left.
    """
    campaign = await _campaign(transaction, mailing_id)
    mailing = await locked(transaction, mailing_id)
    if MailingStatus(mailing.status) not in allowed:
        raise _wrong(mailing.status, "started")
    _must_move(mailing.status, _S.RUNNING, "started")
    _refuse_campaign(campaign)
    await _refuse_empty(transaction, mailing_id)
    kept = {} if mailing.started_at is not None else await _keep(transaction, mailing, links_of)
    started = func.coalesce(Mailing.started_at, _NOW)
    await _move(transaction, mailing_id, _S.RUNNING, started_at=started, status_reason=None, send_after=None, **kept)
    await _activate(transaction, campaign)


async def resume(transaction: Transaction, mailing_id: int) -> None:
    """Lets a mailing that is PAUSED go on. What made it wait before does not any more. Raises Refused."""
    campaign = await _campaign(transaction, mailing_id)
    mailing = await locked(transaction, mailing_id)
    if mailing.status != _S.PAUSED:
        raise _wrong(mailing.status, "resumed")
    _refuse_campaign(campaign)
    await _move(transaction, mailing_id, _S.RUNNING, status_reason=None, send_after=None)
    await _activate(transaction, campaign)


async def pause(transaction: Transaction, mailing_id: int) -> None:
    """Pauses a mailing that is RUNNING: nothing more is sent than what is on its way. Raises Refused."""
    mailing = await locked(transaction, mailing_id)
    _must_move(mailing.status, _S.PAUSED, "paused")
    await _move(transaction, mailing_id, _S.PAUSED, status_reason=None)


async def pause_of_campaign(transaction: Transaction, campaign_id: int, status: str) -> None:
    """Pauses what is RUNNING of a campaign, which is locked and gets this status: of such a one nothing is sent."""
    mine = (Mailing.workspace_id == transaction.workspace, Mailing.campaign_id == campaign_id)
    running = select(Mailing.id).where(*mine, Mailing.status == _S.RUNNING, Mailing.deleted_at.is_(None))
    for found in await transaction.rows(running.order_by(Mailing.id)):
        mailing = await locked(transaction, found.id)
        if mailing.status == _S.RUNNING:  # it may have been completed meanwhile
            await _move(transaction, mailing.id, _S.PAUSED, status_reason=f"Its campaign became {status}.")


async def schedule(transaction: Transaction, mailing_id: int, at: datetime) -> None:
    """Has a mailing that is DRAFT or SCHEDULED start at a time that lies ahead, by a year at most. Raises Refused."""
    mailing = await locked(transaction, mailing_id)
    if mailing.status not in (_S.DRAFT, _S.SCHEDULED):
        raise _wrong(mailing.status, "scheduled")
    now = datetime.now(UTC)
    if at < now - LATE_CLOCK:
        raise Refused([invalid("This is over: a mailing is scheduled for a time that lies ahead.", "scheduled_at")])
    if at > now + FURTHEST_AHEAD:
        raise Refused([invalid("This is further ahead than a year.", "scheduled_at")])
    await _move(transaction, mailing_id, _S.SCHEDULED, scheduled_at=at)


async def unschedule(transaction: Transaction, mailing_id: int) -> None:
    """Makes a mailing that is SCHEDULED a DRAFT again. Raises Refused."""
    mailing = await locked(transaction, mailing_id)
    if mailing.status != _S.SCHEDULED:
        raise _wrong(mailing.status, "unscheduled")
    await _move(transaction, mailing_id, _S.DRAFT, scheduled_at=None)


async def fail(transaction: Transaction, mailing_id: int, reason: str) -> None:
    """Ends a mailing that is SCHEDULED, RUNNING or PAUSED, so that it can be started again. Raises Refused."""
    mailing = await locked(transaction, mailing_id)
    _must_move(mailing.status, _S.FAILED, "failed")
    await _move(transaction, mailing_id, _S.FAILED, status_reason=reason[:LONGEST_REASON])


async def complete_if_done(transaction: Transaction, mailing_id: int) -> bool:
    """Completes a mailing that is RUNNING and has nobody left to send to, and answers whether it did."""
    mine = _is(transaction, mailing_id)
    if await _has_any(transaction, mailing_id, _LEFT):
        return False  # asked first, and again: it is asked often, and a lock has to be written down
    status = await transaction.scalar(select(Mailing.status).where(*mine).with_for_update(key_share=True))
    # Looked for by another statement than the one that locked: it sees what was added while that waited.
    if status != _S.RUNNING or await _has_any(transaction, mailing_id, _LEFT):
        return False
    await _move(transaction, mailing_id, _S.COMPLETED, completed_at=_NOW, status_reason=None, send_after=None)
    return True


_LEFT = Recipient.status.in_((RecipientStatus.PENDING.value, RecipientStatus.QUEUED.value))


def _is(transaction: Transaction, mailing_id: int) -> list[Any]:
    return [Mailing.workspace_id == transaction.workspace, Mailing.id == mailing_id, Mailing.deleted_at.is_(None)]


async def _campaign(transaction: Transaction, mailing_id: int) -> Any:
    """The campaign of a mailing, locked. Which one it is never changes, so it is locked before the mailing."""
    campaign_id = await transaction.scalar(select(Mailing.campaign_id).where(*_is(transaction, mailing_id)))
    if campaign_id is None:
        raise Refused([_NO_SUCH])
    return await campaigns.locked(transaction, campaign_id, against_recording=False)


def _refuse_campaign(campaign: Any) -> None:
    """A mailing makes a campaign ACTIVE that has not begun, and no other: who paused or ended it has a say in it."""
    if campaign.status not in (*_NOT_BEGUN, CampaignStatus.ACTIVE):
        raise Refused([conflict(f"Its campaign is {campaign.status}: its mailings cannot start or go on.", "id")])


_NOT_BEGUN = (CampaignStatus.DRAFT, CampaignStatus.PLANNED, CampaignStatus.SCHEDULED)
"""From all of these a campaign may become ACTIVE, as its own table of moves has it."""


async def _activate(transaction: Transaction, campaign: Any) -> None:
    """Comes last: it is told of in the outbox."""
    if campaign.status != CampaignStatus.ACTIVE:
        await campaigns.change(transaction, campaign.id, {"status": CampaignStatus.ACTIVE})


async def _refuse_empty(transaction: Transaction, mailing_id: int) -> None:
    if not await _has_any(transaction, mailing_id):
        raise Refused([conflict("It has no recipients.", "id")])


async def _has_any(transaction: Transaction, mailing_id: int, *which: Any) -> bool:
    mine = (Recipient.workspace_id == transaction.workspace, Recipient.mailing_id == mailing_id)
    return bool(await transaction.scalar(select(exists().where(*mine, *which))))


async def _keep(transaction: Transaction, mailing: Any, links_of: LinksOf) -> dict[str, Any]:
    """Writes down the links of a mailing's template, and answers its content, for the mailing to keep."""
    columns = [getattr(EmailTemplate, name) for name in CONTENT]
    template = await transaction.row(
        select(*columns).where(
            EmailTemplate.workspace_id == transaction.workspace,
            EmailTemplate.id == mailing.template_id,
            EmailTemplate.deleted_at.is_(None),
        )
    )
    if template is None:
        raise Refused([conflict("Its template was deleted.", "id")])
    try:
        links = links_of(template.subject, template.html, template.text)
    except ValueError as error:
        raise Refused([conflict(f"Its template cannot be sent: {error}", "id")]) from None
    if len(links) > MOST_LINKS:
        message = f"Its template has {len(links)} different links; a mailing has at most {MOST_LINKS}."
        raise Refused([conflict(message, "id")])
    if any(len(link) > LONGEST_LINK for link in links):
        raise Refused([conflict(f"A link of its template is longer than {LONGEST_LINK} characters.", "id")])
    mine = {"workspace_id": transaction.workspace_id, "mailing_id": mailing.id}
    rows = [{**mine, "position": position, "url": url} for position, url in enumerate(links)]
    if rows:
        await transaction.run(insert(TrackedLink).values(rows))
    return template._asdict()  # type: ignore[no-any-return]


async def _move(transaction: Transaction, mailing_id: int, status: MailingStatus, **values: Any) -> None:
    statement = update(Mailing).where(*_is(transaction, mailing_id))
    await transaction.run(statement.values(status=status.value, updated_at=_NOW, **values))


def _must_move(status: str, wanted: MailingStatus, said: str) -> None:
    if wanted not in MOVES[MailingStatus(status)]:
        raise _wrong(status, said)


def _wrong(status: str, said: str) -> Refused:
    return Refused([conflict(f"A mailing that is {status} cannot be {said}.", "id")])
