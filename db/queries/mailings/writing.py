"""Making, changing and deleting mailings, and adding recipients to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Text, any_, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, not_found, refuse
from db.models.campaigns import Campaign
from db.models.email_words import MailingStatus
from db.models.lead_items import NewLead
from db.models.leads import Lead
from db.models.mailings import Mailing
from db.queries import email_templates, references
from db.queries.leads import writing as leads
from db.queries.mailings import moving

CHANGED_WHILE = (MailingStatus.DRAFT, MailingStatus.SCHEDULED)
"""While a mailing may be changed."""


async def create(transaction: Transaction, values: Mapping[str, Any], created_by: str) -> int:
    """Inserts a mailing, by column, and answers its id. Raises Refused."""
    problems: list[Problem] = []
    campaign_id = values["campaign_id"]
    if campaign_id not in await references.known(transaction, Campaign, [campaign_id]):
        problems.append(not_found("No such campaign.", "campaign_id"))
    problems += await _no_template(transaction, values)
    refuse(problems)
    row = {"workspace_id": transaction.workspace_id, "status": MailingStatus.DRAFT.value, "created_by": created_by}
    return int(await transaction.scalar(insert(Mailing).values({**row, **values}).returning(Mailing.id)))


async def change(transaction: Transaction, mailing_id: int, values: Mapping[str, Any]) -> None:
    """Changes columns of a mailing that has not been started. Raises Refused."""
    mailing = await moving.locked(transaction, mailing_id)
    if mailing.status not in CHANGED_WHILE:
        raise Refused([conflict(f"A mailing that is {mailing.status} cannot be changed.", "id")])
    refuse(await _no_template(transaction, values))
    if values:
        mine = (Mailing.workspace_id == transaction.workspace, Mailing.id == mailing_id)
        await transaction.run(update(Mailing).where(*mine).values(**values, updated_at=func.clock_timestamp()))


async def delete(transaction: Transaction, mailing_id: int) -> None:
    """Deletes a mailing that is DRAFT: from then on it is nowhere. Raises Refused."""
    mailing = await moving.locked(transaction, mailing_id)
    if mailing.status != MailingStatus.DRAFT:
        raise Refused([conflict(f"A mailing that is {mailing.status} cannot be deleted.", "id")])
    mine = (Mailing.workspace_id == transaction.workspace, Mailing.id == mailing_id)
    await transaction.run(update(Mailing).where(*mine).values(deleted_at=func.clock_timestamp()))


async def _no_template(transaction: Transaction, values: Mapping[str, Any]) -> Sequence[Problem]:
    """That the template of some values is not there. One that is cannot be deleted until the transaction ends."""
    if "template_id" in values:
        try:
            await email_templates.lock_for_use(transaction, values["template_id"], "template_id")
        except Refused as refused:
            return refused.problems
    return []


@dataclass(frozen=True)
class Added:
    """How many recipients are new, how many items named somebody who was there already, and why others were not taken."""

    accepted: int
    duplicates: int
    rejected: dict[int, list[Problem]] = field(default_factory=dict)
    """By position in the batch."""


async def add_recipients(
    transaction: Transaction, mailing_id: int, lead_ids: Mapping[int, int], emails: Mapping[int, str]
) -> Added:
    """Adds leads to a mailing: by position, some by id and some by address, as ``email_of`` makes them.

    An address that is no lead's makes a lead. Somebody who is there already is a duplicate. Raises Refused where the mailing
    is not there, or COMPLETED: nobody is sent to any more. One that is FAILED may be started again.
    """
    mailing = await moving.held(transaction, mailing_id)
    if mailing is None:
        raise Refused([not_found("No such mailing.", "mailing_id")])
    if mailing.status == MailingStatus.COMPLETED:
        raise Refused([conflict(f"A mailing that is {mailing.status} takes no recipients.", "mailing_id")])
    known = await references.known(transaction, Lead, set(lead_ids.values()))
    strangers = {place: one for place, one in lead_ids.items() if one not in known}
    rejected = {place: [not_found("No such lead.", "lead_ids")] for place in strangers}
    found = known | set((await _leads_of(transaction, emails.values())).values())
    added = 0
    if found:
        values = {"workspace": transaction.workspace_id, "mailing": mailing_id, "leads": sorted(found)}
        added = await transaction.run(_ADD, values)
    return Added(added, len(lead_ids) + len(emails) - len(rejected) - added, rejected)


async def _leads_of(transaction: Transaction, emails: Collection[str]) -> dict[str, int]:
    """The leads of some addresses, in lower case. Those that are there stay as they are, the others are made."""
    if not emails:
        return {}
    # As it is written first.
    written = {email.lower(): email for email in reversed(list(emails))}
    found = await _leads_at(transaction, sorted(written))
    items = {index: NewLead(None, written[one], {}) for index, one in enumerate(sorted(written.keys() - found))}
    made = await leads.upsert(transaction, items)
    return found | {items[index].address: lead_id for index, lead_id in made.ids.items()}


async def _leads_at(transaction: Transaction, addresses: Sequence[str]) -> dict[str, int]:
    mine = (Lead.workspace_id == transaction.workspace, Lead.address == any_(literal(addresses, ARRAY(Text))))
    return {row.address: row.id for row in await transaction.rows(select(Lead.address, Lead.id).where(*mine))}


# In the order of the leads: two who add the same ones wait for each other, and not both of them.
_ADD = text(
    "INSERT INTO recipients (workspace_id, mailing_id, lead_id, email_address, address) "
    "SELECT workspace_id, CAST(:mailing AS bigint), id, email, address FROM leads "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND id = ANY (CAST(:leads AS bigint[])) "
    "ORDER BY id ON CONFLICT (workspace_id, lead_id, mailing_id) DO NOTHING"
)
