"""What spaces and assets are found by: tags, each exactly, and words, each by how it begins. All that is given must hold.

Where few have the terms, they are looked at one by one; where many do, so many are met on the way through the list that it
is walked instead. Either is found by an index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Text, and_, any_, bindparam, cast, delete, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import aliased

from db.engine import Transaction
from db.keyset import is_one_of
from db.models.space_items import TAG, WORD, words_found_by
from db.queries.columns import Query
from db.statements import workspace

FEW = 5_000
"""Up to so many that have the terms are looked at one by one."""
_LAST = chr(0x10FFFF)
"""What stands behind every other character."""
Way = list[ColumnElement[bool]]


class Looks(NamedTuple):
    """How many terms are given."""

    tags: int = 0
    words: int = 0


@dataclass(frozen=True)
class Terms:
    """The terms of something: its table, that of its terms, and which column of these says whose they are."""

    of: Any
    table: Any
    key: str

    def has_each(self, looks: Looks) -> Way:
        """The conditions that a row has all terms."""
        return [self._has(index, looks, self.of.workspace_id, self.of.id) for index in range(sum(looks))]

    def ways(self, looks: Looks, walked: Sequence[Way]) -> list[Way]:
        """Conditions, each of which an index finds in order, and which together let through what has the terms and is let
        through by one of ``walked``."""
        if not sum(looks):
            return list(walked)
        found = func.array(self._who_has(looks).limit(FEW + 1).scalar_subquery(), type_=ARRAY(BigInteger))
        # Worked out once, before the rest: what was found, and with that which of the ways are gone.
        those = select(found.label("ids")).cte("those").prefix_with("MATERIALIZED", dialect="postgresql")
        ids: Any = select(those.c.ids).scalar_subquery()
        few = func.cardinality(ids) <= FEW
        looked_at = [[few, self.of.id == any_(cast(ids, ARRAY(BigInteger))), *way] for way in walked]
        return [*looked_at, *([~few, *way, *self.has_each(looks)] for way in walked)]

    def is_one(self, looks: Looks) -> Way:
        """The condition that a row is one of those that have the terms, for counting them.

        By their keys, which every index of the rows ends with, and no join: that is planned without knowing how many there are.
        """
        return [is_one_of(self.of.id, [self._who_has(looks)])] if sum(looks) else []

    def _who_has(self, looks: Looks) -> Query:
        first = aliased(self.table, name="terms")
        key = getattr(first, self.key)
        others = [self._has(index, looks, first.workspace_id, key) for index in range(1, sum(looks))]
        return select(key).where(first.workspace_id == workspace(), _is(first, 0, looks), *others)

    def _has(self, index: int, looks: Looks, workspace_id: Any, key: Any) -> ColumnElement[bool]:
        terms = aliased(self.table, name=f"terms_{index}")
        mine = (terms.workspace_id == workspace_id, getattr(terms, self.key) == key)
        return exists().where(*mine, _is(terms, index, looks))

    async def write(self, transaction: Transaction, found: Mapping[int, tuple[Sequence[str], Sequence[str]]]) -> None:
        """Writes the terms of new rows: by key, tags and words."""
        rows = [
            {"workspace_id": transaction.workspace_id, self.key: key, "kind": kind, "term": term}
            for key, (tags, words) in sorted(found.items())
            for kind, terms in ((TAG, tags), (WORD, words))
            for term in sorted(set(terms))
        ]
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            await transaction.run(insert(self.table).values(part).on_conflict_do_nothing())

    async def rewrite(
        self, transaction: Transaction, row: Any, changed: Mapping[str, Any], tags: Sequence[str] | None
    ) -> None:
        """Writes the terms of a row anew whose columns were changed: its tags where they are given, its words where name or
        description are. ``row``: as it was before, with ``id``."""
        if tags is not None:
            await self._forget(transaction, row.id, TAG)
            await self.write(transaction, {row.id: (tags, ())})
        if not {"name", "description"}.isdisjoint(changed):
            await self._forget(transaction, row.id, WORD)
            name, description = (changed.get(one, getattr(row, one)) for one in ("name", "description"))
            await self.write(transaction, {row.id: ((), words_found_by(name, description))})

    async def _forget(self, transaction: Transaction, key: int, kind: str) -> None:
        whose = getattr(self.table, self.key) == key
        mine = (self.table.workspace_id == transaction.workspace, whose, self.table.kind == kind)
        await transaction.run(delete(self.table).where(*mine))


_AT_ONCE = 500
"""Rows of one statement: each has four parameters."""


def _is(terms: Any, index: int, looks: Looks) -> ColumnElement[bool]:
    """The condition that a term is the one of an index: tags come first."""
    if index < looks.tags:
        return and_(terms.kind == TAG, terms.term == bindparam(f"tag_{index}", type_=Text))
    place = index - looks.tags
    first, behind = (bindparam(f"{name}_{place}", type_=Text) for name in ("word", "after_word"))
    return and_(terms.kind == WORD, terms.term >= first, terms.term < behind)


def values(tags: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
    """What is given, as the parameters of a statement. The longest word first: it leads to the fewest, most likely."""
    given: dict[str, Any] = {f"tag_{index}": tag for index, tag in enumerate(tags)}
    for index, word in enumerate(sorted(words, key=len, reverse=True)):
        given |= {f"word_{index}": word, f"after_word_{index}": word + _LAST}
    return given
