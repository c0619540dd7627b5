"""E-mail events by id, and pages of those of mailings and of recipients, for many at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text, and_, any_, bindparam, cast, false, func, not_, select
from sqlalchemy.dialects.postgresql import INET

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page_per_parent, pages
from db.models.email_events import EmailEvent
from db.models.email_words import BY_MACHINES, EmailEventType
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, given_texts, prepared, workspace

Types = tuple[EmailEventType, ...]
Kinds = tuple[tuple[EmailEventType, bool], ...]
"""Types, each with whether a machine did it."""
NEEDS: dict[str, tuple[Any, ...]] = {
    # As a text, which is the same wherever it is written.
    "ip_address": (func.host(EmailEvent.ip_address, type_=Text).label("ip_address"),),
    "recipient": (EmailEvent.recipient_id,),
    "link": (EmailEvent.link_id,),
}
NEWEST = Order("email_events:newest", (EmailEvent.occurred_at, EmailEvent.id), descending=True)
_OF_KIND = frozenset({"types", "people", "machines"})
_MAILING, _RECIPIENT = "mailing_id", "recipient_id"


@dataclass(frozen=True)
class Filter:
    """Which events. All that is given must hold; the time is half-open."""

    types: Types | None = None
    is_machine: bool | None = None
    ip_address: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement; all but the flag, which is part of it."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "is_machine"}
        if self.types is not None:
            values["types"] = [kind.value for kind in self.types]
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of what is given; of the flag which way."""
        flag = {None: (), False: ("people",), True: ("machines",)}[self.is_machine]
        return frozenset((*self.values(), *flag))

    def kinds(self) -> Kinds | None:
        """What it lets through, each type of people and of machines by itself; None for all. Machines only open and click."""
        if self.types is None and self.is_machine is None:
            return None
        ways = (False, True) if self.is_machine is None else (self.is_machine,)
        types = EmailEventType if self.types is None else self.types
        return tuple((kind, way) for kind in types for way in ways if not way or kind in BY_MACHINES)


async def by_ids(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The events of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(selected), {"ids": ids})


@prepared
def _by_ids(selected: Fields) -> Query:
    return own(EmailEvent, NEEDS, selected).where(EmailEvent.id == any_(given_ids()))


async def of_mailings(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of the events of each mailing, newest first, in the order of the ids: one statement for all."""
    # By address there is an index of its own.
    kinds = which.kinds() if which.ip_address is None else None
    return await _of(reads, _MAILING, selected, which, kinds, request, ids)


async def of_recipients(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of the events of each recipient, newest first, in the order of the ids: one statement for all."""
    return await _of(reads, _RECIPIENT, selected, which, which.kinds(), request, ids)


async def _of(
    reads: Reads,
    parent: str,
    selected: Fields,
    which: Filter,
    kinds: Kinds | None,
    request: PageRequest,
    ids: Sequence[int],
) -> list[Page]:
    statement = _page_of(parent, selected, which.given(), kinds, request.shape)
    rows = await reads.rows(statement, {"ids": ids, **which.values(), **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _page_of(parent: str, selected: Fields, given: frozenset[str], kinds: Kinds | None, shape: Shape) -> Query:
    """``kinds``: of which the page is put together; None: it is found in one go."""
    base, key = own(EmailEvent, NEEDS, selected), getattr(EmailEvent, parent)
    if kinds is None:
        return page_per_parent(base.where(*_conditions(given)), key, NEWEST, shape)
    ids = select(EmailEvent.id).where(EmailEvent.workspace_id == workspace(), *_conditions(given - _OF_KIND))
    parts = [ids.where(_is_of(*kind)) for kind in kinds] or [ids.where(false())]
    return page_per_parent(base, key, NEWEST, shape, parts=parts)


def _is_of(kind: EmailEventType, by_machine: bool) -> ColumnElement[bool]:
    # As a bare column or its NOT, and not a comparison: that is what an index matches.
    return and_(EmailEvent.type == kind.value, EmailEvent.is_machine if by_machine else not_(EmailEvent.is_machine))


async def count_of_mailings(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many events each mailing has, in the order of the ids."""
    return await _count_of(reads, _MAILING, which, ids)


async def count_of_recipients(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many events each recipient has, in the order of the ids."""
    return await _count_of(reads, _RECIPIENT, which, ids)


async def _count_of(reads: Reads, parent: str, which: Filter, ids: Sequence[int]) -> list[int]:
    return counted(await reads.rows(_counts(parent, which.given()), {"ids": ids, **which.values()}), ids)


@prepared
def _counts(parent: str, given: frozenset[str]) -> Query:
    key = getattr(EmailEvent, parent)
    own_ones = (EmailEvent.workspace_id == workspace(), key == any_(given_ids()))
    return select(key, func.count()).where(*own_ones, *_conditions(given)).group_by(key)


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    conditions = {
        "types": EmailEvent.type == any_(given_texts("types")),
        "people": not_(EmailEvent.is_machine),
        "machines": and_(EmailEvent.is_machine),
        "ip_address": EmailEvent.ip_address == cast(bindparam("ip_address", type_=Text), INET),
        "start": EmailEvent.occurred_at >= bindparam("start", type_=DateTime(timezone=True)),
        "end": EmailEvent.occurred_at < bindparam("end", type_=DateTime(timezone=True)),
    }
    return [condition for name, condition in conditions.items() if name in given]
