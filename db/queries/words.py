"""What is found by words, each by how it begins: followers and leads, by the folded words of what they are called.

Where few have the words, they are looked at one by one; where many do, so many are met on the way through the list that it
is walked instead. Either is found by an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, and_, any_, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from db.queries.columns import Query
from db.statements import workspace

FEW = 5_000
"""Up to so many that have the words of a search are looked at one by one."""
_LAST = chr(0x10FFFF)
"""What stands behind every other character."""
Way = list[ColumnElement[bool]]


@dataclass(frozen=True)
class Words:
    """The words of something: its table, that of its words, which column of these says whose they are, and which column of
    its own that is."""

    of: Any
    table: Any
    key: str
    by: str = "id"

    def ways(self, number: int, looked_at: Way, walked: Sequence[Way]) -> list[Way]:
        """Conditions, each of which an index finds in order, and which together let through what has so many words and is let
        through by one of ``walked``. ``looked_at``: the same as these, for what is looked at one by one."""
        if not number:
            return list(walked)
        found = func.array(self.who_has(number).limit(FEW + 1).scalar_subquery(), type_=ARRAY(BigInteger))
        # Worked out once, before the rest: what was found, and with that which of the ways are gone.
        those = select(found.label("ids")).cte("those").prefix_with("MATERIALIZED", dialect="postgresql")
        ids: Any = select(those.c.ids).scalar_subquery()
        few = func.cardinality(ids) <= FEW
        one_by_one = [few, getattr(self.of, self.by) == any_(cast(ids, ARRAY(BigInteger))), *looked_at]
        return [one_by_one, *([~few, *way, *self.has_each(number)] for way in walked)]

    def who_has(self, number: int) -> Query:
        """The keys of those that have so many words; one may come twice."""
        first = aliased(self.table, name="words")
        key = getattr(first, self.key)
        others = [self._has(index, first.workspace_id, key).exists() for index in range(1, number)]
        return select(key).where(first.workspace_id == workspace(), _begins(first, 0), *others)

    def has_each(self, number: int) -> Way:
        """The conditions that a row has so many words."""
        mine = self.of.workspace_id, getattr(self.of, self.by)
        # With an offset it stays what it is: looked up for each row that is met. All that have the words are many.
        return [self._has(index, *mine).offset(literal_column("0")).exists() for index in range(number)]

    def _has(self, index: int, workspace_id: Any, key: Any) -> Query:
        words = aliased(self.table, name=f"words_{index}")
        mine = (words.workspace_id == workspace_id, getattr(words, self.key) == key)
        return select(getattr(words, self.key)).where(*mine, _begins(words, index))


def _begins(words: Any, index: int) -> ColumnElement[bool]:
    first, behind = (bindparam(f"{name}_{index}", type_=Text) for name in ("word", "after_word"))
    return and_(words.word >= first, words.word < behind)


def values(words: Sequence[str]) -> dict[str, Any]:
    """What is searched for, as the parameters of a statement. The longest word first: it leads to the fewest, most likely."""
    given: dict[str, Any] = {}
    for index, word in enumerate(sorted(words, key=len, reverse=True)):
        given |= {f"word_{index}": word, f"after_word_{index}": word + _LAST}
    return given
