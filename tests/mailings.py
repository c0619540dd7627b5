"""Short ways to bring mailings with their recipients and links about, by SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from db.engine import Database
from db.models.campaigns import Campaign
from db.models.email_templates import EmailTemplate
from db.models.email_words import MailingStatus
from db.models.leads import Lead
from db.models.mailings import Mailing, Recipient, TrackedLink
from tests.facts import NOON

HTML = "<p>Hello {{ name }}</p>"


@dataclass(frozen=True)
class Made:
    """A mailing, and what hangs on it. Recipients and leads are in the same order, links in the order of their addresses."""

    mailing_id: int
    campaign_id: int
    template_id: int
    recipient_ids: list[int]
    lead_ids: list[int]
    link_ids: list[int]


async def mailing_of(
    database: Database,
    workspace: int,
    recipients: int,
    *,
    status: str = "RUNNING",
    sent: int = 0,
    links: Sequence[str] = (),
    name: str = "News",
    campaign_id: int | None = None,
    lead_ids: Sequence[int] | None = None,
    emails: Sequence[str] | None = None,
    sent_at: datetime = NOON,
    **columns: Any,
) -> Made:
    """A mailing to so many leads, who are new unless their ids are given; the first ``sent`` got it at ``sent_at``.

    Its leads are ``lead0@news.example`` and so on, by the mailing's name in lower case, unless ``emails`` says otherwise; its
    recipients are PENDING where it was not sent. ``columns``: more of the mailing's.
    """
    async with database.write(workspace) as transaction:
        if campaign_id is None:
            values = {"workspace_id": workspace, "name": name, "status": "ACTIVE", "currency": "EUR"}
            campaign_id = await transaction.scalar(insert(Campaign).values(values).returning(Campaign.id))
        template = {"workspace_id": workspace, "name": name, "subject": "Hello", "html": HTML, "created_by": "ada"}
        template_id = await transaction.scalar(insert(EmailTemplate).values(template).returning(EmailTemplate.id))
        mailing = {
            "workspace_id": workspace,
            "campaign_id": campaign_id,
            "template_id": template_id,
            "name": name,
            "from_address": "Ada <ada@groundswell.example>",
            "created_by": "ada",
            **_times(status),
            **columns,
        }
        mailing_id = await transaction.scalar(insert(Mailing).values(mailing).returning(Mailing.id))
        mails = emails or [f"lead{number}@{name.lower()}.example" for number in range(recipients)]
        if lead_ids is None:
            leads = [{"workspace_id": workspace, "email": mail, "address": mail.lower()} for mail in mails]
            lead_ids = await _ids(transaction, Lead, leads)
        people = [
            {
                "workspace_id": workspace,
                "mailing_id": mailing_id,
                "lead_id": lead_id,
                "email_address": mail,
                "address": mail.lower(),
                "intent_at": sent_at if number < sent else None,
                "sent_at": sent_at if number < sent else None,
                "queued_at": sent_at if number < sent else None,
            }
            for number, (lead_id, mail) in enumerate(zip(lead_ids, mails, strict=True))
        ]
        urls = [
            {"workspace_id": workspace, "mailing_id": mailing_id, "position": position, "url": url}
            for position, url in enumerate(links)
        ]
        recipient_ids = await _ids(transaction, Recipient, people)
        link_ids = await _ids(transaction, TrackedLink, urls)
    return Made(mailing_id, campaign_id or 0, template_id, recipient_ids, list(lead_ids), link_ids)


def _times(status: str) -> dict[str, Any]:
    """What a mailing of a status must have."""
    kept = {"started_at": NOON, "subject": "Hello", "html": HTML}
    return {
        "status": MailingStatus(status).value,
        "scheduled_at": datetime(2030, 1, 1, tzinfo=UTC) if status == MailingStatus.SCHEDULED else None,
        "completed_at": NOON if status == MailingStatus.COMPLETED else None,
        **(kept if status in {MailingStatus.RUNNING, MailingStatus.PAUSED, MailingStatus.COMPLETED} else {}),
    }


async def _ids(transaction: Any, kind: Any, rows: Sequence[dict[str, Any]]) -> list[int]:
    """The ids of new rows, in their order."""
    if not rows:
        return []
    statement = insert(kind).returning(kind.id, sort_by_parameter_order=True)
    return [row.id for row in await transaction.rows(statement, rows)]
