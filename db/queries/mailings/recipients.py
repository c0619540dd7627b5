"""Recipients by id, and pages and counts of a mailing's recipients for many mailings at once.

A page is found by indexes whatever is asked for. Where one index cannot find it in order (several statuses, words), it is
put together from parts that are each found by an index of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, any_, exists, false, func, literal_column, not_, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page_per_parent, pages
from db.models.email_words import RecipientStatus
from db.models.leads import LeadWord
from db.models.mailings import STATUS_COUNTS, Mailing, MailingTotal, Recipient
from db.queries import words
from db.queries.columns import Fields, Query, counted, own
from db.queries.words import Way, Words
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {"mailing": (Recipient.mailing_id,), "lead": (Recipient.lead_id,)}
OLDEST = Order("recipients:oldest", (Recipient.id,))
_WORDS = Words(Recipient, LeadWord, "lead_id", by="lead_id")
_UNOPENED = and_(
    Recipient.sent_at.is_not(None),
    Recipient.opened_at.is_(None),
    Recipient.clicked_at.is_(None),
    Recipient.bounced_at.is_(None),
)
_S = RecipientStatus
# Said so that the index of the unopened finds them, and not that of the statuses: nearly all that are unopened are SENT,
# and by no means the other way round.
_SENT_AND_UNOPENED = and_(_UNOPENED, Recipient.unsubscribed_at.is_(None), Recipient.failed_at.is_(None))
_MAY_BE_UNOPENED = (_S.SENT, _S.FAILED, _S.UNSUBSCRIBED)
"""A recipient who is unopened was sent to, and has not bounced."""


class Looks(NamedTuple):
    """What a filter makes a statement look like."""

    statuses: tuple[RecipientStatus, ...] | None
    unopened: bool | None
    words: int
    """How many are searched for."""


@dataclass(frozen=True)
class Filter:
    """Which recipients. All that is given must hold. ``words``: each begins a word of the lead's name, address or key."""

    statuses: tuple[RecipientStatus, ...] | None = None
    unopened: bool | None = None
    words: tuple[str, ...] = ()

    def looks(self) -> Looks:
        """What its statement looks like."""
        statuses = None if self.statuses is None else tuple(sorted(set(self.statuses)))
        return Looks(statuses, self.unopened, len(self.words))

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        return words.values(self.words)


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The recipients of these ids, in any order; missing ones and those of deleted mailings are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    theirs = (Mailing.workspace_id == Recipient.workspace_id, Mailing.id == Recipient.mailing_id)
    live = exists().where(*theirs, Mailing.deleted_at.is_(None))
    return own(Recipient, NEEDS, fields).where(Recipient.id == any_(given_ids()), live)


async def of_mailings(
    reads: Reads, fields: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each mailing's recipients in the order in which they were added, in the order of the ids: one statement."""
    values = {"ids": ids, **which.values(), **OLDEST.parameters(request)}
    return pages(OLDEST, request, await reads.rows(_of_mailings(fields, which.looks(), request.shape), values), ids)


@prepared
def _of_mailings(fields: Fields, looks: Looks, shape: Shape) -> Query:
    statement, ways = own(Recipient, NEEDS, fields), _ways(looks)
    if len(ways) == 1:
        return page_per_parent(statement.where(*ways[0]), Recipient.mailing_id, OLDEST, shape)
    ids = select(Recipient.id).where(Recipient.workspace_id == workspace())
    return page_per_parent(statement, Recipient.mailing_id, OLDEST, shape, parts=[ids.where(*way) for way in ways])


async def count_of_mailings(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many recipients of each mailing the filter lets through, in the order of the ids.

    Of statuses alone and of the unopened alone, and of all: from what is counted already.
    """
    looks = which.looks()
    alone = not looks.words and (looks.statuses is None or looks.unopened is None)
    statement = _counted_of_mailings(looks) if alone else _count_of_mailings(looks)
    return counted(await reads.rows(statement, {"ids": ids, **which.values()}), ids)


@prepared
def _counted_of_mailings(looks: Looks) -> Query:
    mine = (MailingTotal.workspace_id == workspace(), MailingTotal.mailing_id == any_(given_ids()))
    columns: list[Any] = [func.sum(getattr(MailingTotal, name)) for name in _counters(looks)]
    unopened = func.sum(MailingTotal.unopened)
    if looks.unopened is not None:
        columns = [unopened] if looks.unopened else [*columns, -unopened]
    return select(MailingTotal.mailing_id, *columns).where(*mine).group_by(MailingTotal.mailing_id)


def _counters(looks: Looks) -> list[str]:
    return [STATUS_COUNTS[status] for status in (RecipientStatus if looks.statuses is None else looks.statuses)]


@prepared
def _count_of_mailings(looks: Looks) -> Query:
    mine = [Recipient.workspace_id == workspace(), Recipient.mailing_id == any_(given_ids()), *_of_opens(looks)]
    if looks.statuses is not None:
        mine.append(Recipient.status.in_([status.value for status in looks.statuses]))
    if looks.words:
        mine.append(is_one_of(Recipient.lead_id, [_WORDS.who_has(looks.words)]))
    return select(Recipient.mailing_id, func.count()).where(*mine).group_by(Recipient.mailing_id)


def _ways(looks: Looks) -> list[Way]:
    """Conditions, each of which an index finds in order, and which together let through whom the filter does."""
    walked = _each_status(looks) or [[false()]]
    looked_at = _of_opens(looks)
    if looks.statuses is not None:
        looked_at.append(Recipient.status.in_([status.value for status in looks.statuses]))
    return _WORDS.ways(looks.words, looked_at, walked)


def _each_status(looks: Looks) -> list[Way]:
    if looks.statuses is None:
        return [_of_opens(looks)]
    if not looks.unopened:
        return [[_has_status(status), *_of_opens(looks)] for status in looks.statuses]
    possible = [status for status in looks.statuses if status in _MAY_BE_UNOPENED]
    return [[_SENT_AND_UNOPENED] if status == _S.SENT else [_has_status(status), _UNOPENED] for status in possible]


def _has_status(status: RecipientStatus) -> ColumnElement[bool]:
    return Recipient.status == literal_column(f"'{status.value}'", Text)


def _of_opens(looks: Looks) -> Way:
    return [] if looks.unopened is None else [_UNOPENED if looks.unopened else not_(_UNOPENED)]
