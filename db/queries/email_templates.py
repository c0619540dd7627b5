"""Templates of e-mails: look-ups, lists, and changes. One that is deleted is found by its id alone, for mailings that had it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import any_, func, insert, or_, select, update

from db.engine import Reads, Transaction
from db.errors import Refused, conflict, not_found
from db.keyset import Order, Page, PageRequest, Shape, page
from db.models.email_templates import CONTENT, EmailTemplate
from db.models.email_words import MailingStatus
from db.models.mailings import Mailing
from db.queries.columns import Fields, Query, own
from db.queries.searching import mentions_all
from db.statements import Rows, given_ids, given_texts, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {}
"""What the fields of a template need, where it is not the column of their name."""
NEWEST = Order("emailTemplates:newest", (EmailTemplate.id,), descending=True)
_LIVE = EmailTemplate.deleted_at.is_(None)
_MISSING = "No such template."
_TO_COME = (MailingStatus.DRAFT.value, MailingStatus.SCHEDULED.value)
"""Mailings that will take over what the template says then."""


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The templates of these ids, deleted ones too, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(EmailTemplate, NEEDS, fields).where(EmailTemplate.id == any_(given_ids()))


async def live_by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The templates of these ids that are not deleted, in any order; the others are left out."""
    return await reads.rows(_live_by_ids(fields), {"ids": ids})


@prepared
def _live_by_ids(fields: Fields) -> Query:
    return own(EmailTemplate, NEEDS, fields).where(EmailTemplate.id == any_(given_ids()), _LIVE)


async def listed(reads: Reads, fields: Fields, words: Sequence[str], request: PageRequest) -> Page:
    """One page of the workspace's templates. ``words``: each stands somewhere in name or subject."""
    values = {"words": list(words), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(fields, bool(words), request.shape), values))


@prepared
def _listed(fields: Fields, searched: bool, shape: Shape) -> Query:
    return page(own(EmailTemplate, NEEDS, fields).where(*_conditions(searched)), NEWEST, shape)


async def count(reads: Reads, words: Sequence[str]) -> int:
    """How many templates there are, or have the words."""
    return int((await reads.row(_count(bool(words)), {"words": list(words)}))[0])


@prepared
def _count(searched: bool) -> Query:
    mine = (EmailTemplate.workspace_id == workspace(), *_conditions(searched))
    return select(func.count()).select_from(EmailTemplate).where(*mine)


def _conditions(searched: bool) -> list[Any]:
    texts = (EmailTemplate.name, EmailTemplate.subject)
    return [_LIVE, *([mentions_all(EmailTemplate, given_texts("words"), *texts)] if searched else [])]


async def create(transaction: Transaction, values: Mapping[str, Any], created_by: str) -> int:
    """Inserts a template that is valid, by column, and answers its id."""
    row = {"workspace_id": transaction.workspace_id, "created_by": created_by, **values}
    return int(await transaction.scalar(insert(EmailTemplate).values(row).returning(EmailTemplate.id)))


async def lock_for_change(transaction: Transaction, template_id: int, field: str) -> Any:
    """A template that is not deleted, with name and content, locked. Raises Refused."""
    return await _locked(transaction, template_id, field, {"key_share": True})


async def lock_for_use(transaction: Transaction, template_id: int, field: str) -> Any:
    """The same for a mailing that is to have it: nobody deletes it until the transaction ends. Raises Refused."""
    return await _locked(transaction, template_id, field, {"read": True, "key_share": True})


async def change(transaction: Transaction, template_id: int, values: Mapping[str, Any]) -> None:
    """Writes columns of a template that was locked for it, and is valid with them."""
    differs = or_(*(getattr(EmailTemplate, name).is_distinct_from(value) for name, value in values.items()))
    await transaction.run(
        update(EmailTemplate)
        .where(*_is(transaction, template_id), differs)
        .values({**values, "updated_at": func.now()})
    )


async def delete(transaction: Transaction, template_id: int, field: str) -> None:
    """Deletes a template, so that mailings that began with it still have it. Raises Refused."""
    # Locked against those that are about to use it: they wait, or are seen by the next statement.
    await _locked(transaction, template_id, field, {})
    used_by = await transaction.scalar(
        select(Mailing.name)
        .where(
            Mailing.workspace_id == transaction.workspace,
            Mailing.template_id == template_id,
            Mailing.status.in_(_TO_COME),
            Mailing.deleted_at.is_(None),
        )
        .order_by(Mailing.id)
        .limit(1)
    )
    if used_by is not None:
        raise Refused([conflict(f'The mailing "{used_by}" is still to be sent with this template.', field)])
    await transaction.run(update(EmailTemplate).where(*_is(transaction, template_id)).values(deleted_at=func.now()))


async def _locked(transaction: Transaction, template_id: int, field: str, lock: Mapping[str, Any]) -> Any:
    columns = [getattr(EmailTemplate, name) for name in ("id", "name", *CONTENT)]
    row = await transaction.row(select(*columns).where(*_is(transaction, template_id), _LIVE).with_for_update(**lock))
    if row is None:
        raise Refused([not_found(_MISSING, field)])
    return row


def _is(transaction: Transaction, template_id: int) -> tuple[Any, ...]:
    return EmailTemplate.workspace_id == transaction.workspace, EmailTemplate.id == template_id
