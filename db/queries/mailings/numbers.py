"""What is counted of mailings, of all mailings of a campaign together, and of links: sums over slots, one statement a level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import BigInteger, and_, any_, cast, func, select

from db.engine import Reads
from db.keyset import unnested
from db.models.email_words import RecipientStatus
from db.models.mailings import STATUS_COUNTS, LinkTotal, Mailing, MailingTotal
from db.queries.columns import Fields, Query
from db.statements import Rows, given_ids, prepared, workspace

NUMBERS: Mapping[str, Any] = {
    "total_recipients": reduce(add, (getattr(MailingTotal, name) for name in STATUS_COUNTS.values())),
    "emails_sent": MailingTotal.sent,
    "emails_delivered": MailingTotal.sent - MailingTotal.bounced,
    "emails_opened": MailingTotal.opened,
    "emails_clicked": MailingTotal.clicked,
    "emails_replied": MailingTotal.replied,
    "emails_bounced": MailingTotal.bounced,
    "emails_failed": MailingTotal.failed,
    "emails_suppressed": MailingTotal.suppressed,
    "emails_unopened": MailingTotal.unopened,
    "emails_uncertain": MailingTotal.status_uncertain,
    "unsubscribed": MailingTotal.unsubscribed,
    "complained": MailingTotal.complained,
    "forwarded": MailingTotal.forwarded,
    "opens_total": MailingTotal.opens_total,
    "clicks_total": MailingTotal.clicks_total,
}
"""What is counted, by name: out of the columns of a slot. A bounced mail was sent, so the difference is never below zero."""


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many recipients have a status."""

    status: RecipientStatus
    count: int


async def of_mailings(reads: Reads, needs: Fields, ids: Sequence[int]) -> Rows:
    """One row an id, in any order: ``id`` and what ``needs`` names of NUMBERS. Zeros where there is nothing."""
    return await reads.rows(_of_mailings(needs), {"ids": ids})


@prepared
def _of_mailings(needs: Fields) -> Query:
    parents, total = unnested(), MailingTotal
    mine = and_(total.workspace_id == workspace(), total.mailing_id == any_(given_ids()))
    source = parents.outerjoin(total, and_(mine, total.mailing_id == parents.c.id))
    return select(parents.c.id, *_sums(needs)).select_from(source).group_by(parents.c.id)


async def of_campaigns(reads: Reads, needs: Fields, ids: Sequence[int]) -> Rows:
    """As ``of_mailings``, over all mailings of each campaign that are not deleted."""
    return await reads.rows(_of_campaigns(needs), {"ids": ids})


@prepared
def _of_campaigns(needs: Fields) -> Query:
    parents, total = unnested(), MailingTotal
    live = and_(Mailing.workspace_id == workspace(), Mailing.campaign_id == parents.c.id, Mailing.deleted_at.is_(None))
    mine = and_(total.workspace_id == workspace(), total.mailing_id == Mailing.id)
    source = parents.outerjoin(Mailing, live).outerjoin(total, mine)
    return select(parents.c.id, *_sums(needs)).select_from(source).group_by(parents.c.id)


def _sums(needs: Fields) -> list[Any]:
    return [_sum(NUMBERS[name]).label(name) for name in sorted(needs)]


def _sum(number: Any) -> Any:
    return cast(func.coalesce(func.sum(number), 0), BigInteger)


async def statuses_of(reads: Reads, ids: Sequence[int]) -> list[list[StatusCount]]:
    """For each mailing how many of its recipients have each status: all seven, in their order; zeros, too."""
    found = {row.id: row for row in await reads.rows(_statuses_of(), {"ids": ids})}
    return [
        [StatusCount(status, getattr(found[one], column)) for status, column in STATUS_COUNTS.items()] for one in ids
    ]


@prepared
def _statuses_of() -> Query:
    parents, total = unnested(), MailingTotal
    mine = and_(total.workspace_id == workspace(), total.mailing_id == any_(given_ids()))
    counts = [_sum(getattr(total, name)).label(name) for name in STATUS_COUNTS.values()]
    source = parents.outerjoin(total, and_(mine, total.mailing_id == parents.c.id))
    return select(parents.c.id, *counts).select_from(source).group_by(parents.c.id)


async def link_numbers(reads: Reads, ids: Sequence[int]) -> Rows:
    """One row an id, in any order: ``link_id``, ``clicks`` of people, and ``unique_clicks``: how many recipients clicked it."""
    return await reads.rows(_link_numbers(), {"ids": ids})


@prepared
def _link_numbers() -> Query:
    parents, total = unnested(), LinkTotal
    mine = and_(total.workspace_id == workspace(), total.link_id == any_(given_ids()))
    counts = [_sum(getattr(total, name)).label(name) for name in ("clicks", "unique_clicks")]
    source = parents.outerjoin(total, and_(mine, total.link_id == parents.c.id))
    return select(parents.c.id.label("link_id"), *counts).select_from(source).group_by(parents.c.id)
