"""Followers by id, and pages and counts of them: the leaderboard, and whom a search finds.

A page is found by indexes whatever is asked for. Where one index cannot find it in order (scores of two tiers that are not
neighbours, words of names), it is put together from parts that are each found by an index of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    false,
    func,
    or_,
    select,
    true,
)

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys
from db.models.followers import Follower, FollowerWord
from db.models.interaction_kinds import COUNTERS, EngagementTier, scores_of
from db.models.platforms import Platform
from db.queries import words
from db.queries.columns import Fields, Query, own
from db.queries.followers import ranks
from db.queries.followers.ranks import Range
from db.queries.words import Way, Words
from db.statements import Rows, given_ids, prepared, workspace

NEEDS: dict[str, tuple[Any, ...]] = {
    "score": (Follower.score, *(getattr(Follower, name) for name in COUNTERS.values()), Follower.calculated_at),
    "rank": (Follower.score,),
}
ORDERS = {
    "SCORE": Order("followers:score", (Follower.score, Follower.last_seen_at, Follower.id), descending=True),
    "NEWEST": Order("followers:newest", (Follower.first_seen_at, Follower.id), descending=True),
    "LAST_SEEN": Order("followers:last_seen", (Follower.last_seen_at, Follower.id), descending=True),
    "USERNAME": Order("followers:username", (Follower.username, Follower.id)),
}
_WORDS = Words(Follower, FollowerWord, "follower_id")


class Looks(NamedTuple):
    """What a filter makes a statement look like."""

    on_platform: bool
    words: int
    """How many are searched for."""
    scores: tuple[bool, ...] | None
    """For each range of scores whether it has an end; None: whatever the score."""


@dataclass(frozen=True)
class Filter:
    """Which followers. All that is given must hold. ``words``: each begins a word of the follower's names."""

    platform: Platform | None = None
    tiers: tuple[EngagementTier, ...] | None = None
    words: tuple[str, ...] = ()
    min_score: int | None = None

    def ranges(self) -> list[Range]:
        """From which score on, and below which: the fewest ranges that say the same as tiers and minimum."""
        found: list[Range] = []
        least = max(self.min_score or 0, 0)
        for low, high in sorted(scores_of(tier) for tier in set(EngagementTier if self.tiers is None else self.tiers)):
            if high is not None and high <= least:
                continue
            if found and found[-1][1] == low:
                found[-1] = (found[-1][0], high)
            else:
                found.append((max(low, least), high))
        return found

    def looks(self) -> Looks:
        """What its statement looks like."""
        ranges = self.ranges()
        scores = None if ranges == ranks.ALL else tuple(high is not None for _, high in ranges)
        return Looks(self.platform is not None, len(self.words), scores)

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        values: dict[str, Any] = {"platform": self.platform and self.platform.value}
        for index, (low, high) in enumerate(self.ranges()):
            values |= {f"low_{index}": low, f"high_{index}": high}
        return {**values, **words.values(self.words)}


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The followers of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(Follower, NEEDS, fields).where(Follower.id == any_(given_ids()))


async def listed(reads: Reads, fields: Fields, which: Filter, by: str, request: PageRequest) -> Page:
    """One page of the workspace's followers. ``by``: one of ORDERS."""
    order = ORDERS[by]
    values = {**which.values(), **order.parameters(request)}
    return Page.of(order, request, await reads.rows(_listed(fields, which.looks(), by, request.shape), values))


@prepared
def _listed(fields: Fields, looks: Looks, by: str, shape: Shape) -> Query:
    statement = own(Follower, NEEDS, fields)
    ways = _ways(looks, by)
    if len(ways) == 1:
        return page(statement.where(*ways[0]), ORDERS[by], shape)
    keys = [page_of_keys(_own_ids().where(*way), ORDERS[by], shape) for way in ways]
    return page(statement.where(is_one_of(Follower.id, keys)), ORDERS[by], shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many followers the filter lets through. Of scores alone: without looking at followers."""
    looks = which.looks()
    if not looks.on_platform and not looks.words:
        return await ranks.count(reads, which.ranges())
    return int((await reads.row(_count(looks), which.values()))[0])


@prepared
def _count(looks: Looks) -> Query:
    statement = select(func.count()).select_from(Follower).where(Follower.workspace_id == workspace())
    if looks.words:
        statement = statement.where(is_one_of(Follower.id, [_WORDS.who_has(looks.words)]))
    return statement.where(*_on_platform(looks), _of_scores(looks))


def _ways(looks: Looks, by: str) -> list[Way]:
    """Conditions, each of which an index finds in order, and which together let through whom the filter does."""
    ranges = _each_range(looks) if by == "SCORE" else [[_of_scores(looks)]]
    walked = [[*_on_platform(looks), *one] for one in ranges]
    return _WORDS.ways(looks.words, [*_on_platform(looks), _of_scores(looks)], walked)


def _own_ids() -> Query:
    return select(Follower.id).where(Follower.workspace_id == workspace())


def _on_platform(looks: Looks) -> Way:
    return [Follower.platform == bindparam("platform", type_=Text)] if looks.on_platform else []


def _each_range(looks: Looks) -> list[Way]:
    """The conditions of each range of scores. One that nobody meets where there is none."""
    if looks.scores is None:
        return [[]]
    return [_range(index, has_end) for index, has_end in enumerate(looks.scores)] or [[false()]]


def _range(index: int, has_end: bool) -> Way:
    conditions = [Follower.score >= bindparam(f"low_{index}", type_=Integer)]
    return [*conditions, Follower.score < bindparam(f"high_{index}", type_=Integer)] if has_end else conditions


def _of_scores(looks: Looks) -> ColumnElement[bool]:
    return or_(*(and_(true(), *one) for one in _each_range(looks)))
