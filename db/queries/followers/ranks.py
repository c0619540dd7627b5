"""Ranks, and how many followers have which scores: from a histogram of scores, never from followers.

Followers are counted by score, by score without its last digit (of DIGIT_BITS bits), without its last two, and so on. Those
with higher scores than one are, at each level, in the buckets behind its own that share all digits above: at most fifteen.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, SmallInteger, and_, bindparam, cast, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.models.followers import Follower, FollowerScoreCount
from db.models.interaction_kinds import DIGIT_BITS, SCORE_LEVELS
from db.queries.columns import Query
from db.statements import prepared, workspace

Range = tuple[int, int | None]
"""From which score on, and below which; None: without an end."""
ALL: list[Range] = [(0, None)]
_ZERO = -1
"""Stands for the followers whose score is 0: the histogram does not count them."""


async def of_scores(reads: Reads, scores: Sequence[int]) -> list[int]:
    """The rank of each score in the workspace, in order: 1 + the number of followers with higher ones."""
    above = dict(await reads.rows(_above(), {"scores": sorted(set(scores))}))
    return [1 + above[score] for score in scores]


async def count(reads: Reads, ranges: Sequence[Range]) -> int:
    """How many followers have scores in these ranges, which do not overlap."""
    ends = [max(end - 1, 0) for one in ranges for end in one if end is not None]
    above = dict(await reads.rows(_above_or_zero(), {"scores": sorted(set(ends))}))
    found = 0
    for low, high in ranges:
        found += above[low - 1] if low else above[0] + above[_ZERO]
        found -= above[high - 1] if high is not None else 0
    return found


@prepared
def _above() -> Query:
    return _higher()


@prepared
def _above_or_zero() -> Any:
    zero = select(literal(_ZERO, BigInteger), func.count()).where(
        Follower.workspace_id == workspace(), Follower.score == 0
    )
    return union_all(_higher(), zero)


def _higher() -> Query:
    """For each of the scores that are given, all different, how many followers have higher ones.

    A subquery for each score and level, and not a join, which would read all counts for each.
    """
    given = func.unnest(bindparam("scores", type_=ARRAY(BigInteger))).table_valued("score").render_derived("given")
    levels = func.generate_series(0, SCORE_LEVELS - 1).table_valued("level").render_derived("levels")
    level, score = levels.c.level, cast(given.c.score, BigInteger)
    own = score.bitwise_rshift(DIGIT_BITS * level)
    last = score.bitwise_rshift(DIGIT_BITS * (level + 1)).bitwise_lshift(DIGIT_BITS) + (2**DIGIT_BITS - 1)
    higher = and_(
        FollowerScoreCount.workspace_id == workspace(),
        FollowerScoreCount.level == cast(level, SmallInteger),
        FollowerScoreCount.bucket > cast(own, Integer),
        FollowerScoreCount.bucket <= cast(last, Integer),
    )
    counted = select(func.sum(FollowerScoreCount.followers)).where(higher).correlate(given, levels).scalar_subquery()
    return (
        select(given.c.score, cast(func.coalesce(func.sum(counted), 0), BigInteger).label("higher"))
        .select_from(given.join(levels, true()))
        .group_by(given.c.score)
    )
