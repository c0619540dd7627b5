"""What followers did with content items, in total and by platform: one statement for all items of a level."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, any_, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.keyset import rows_per_parent
from db.models.content import ContentPlatformRollup, ContentPost, ContentSummary
from db.models.interaction_kinds import COUNTERS, WEIGHTS
from db.queries.columns import Fields, Query
from db.statements import Rows, given_ids, prepared, workspace

_COUNTED = (*COUNTERS.values(), "unique_followers")
"""What is counted by platform."""
TOTALS: Mapping[str, Any] = {
    **{f"total_{name}": getattr(ContentSummary, name) for name in (*COUNTERS.values(), "interactions")},
    "unique_followers": ContentSummary.unique_followers,
}
"""What is counted in total: by its name there, the column."""


async def summaries_of(reads: Reads, needs: Fields, ids: Sequence[int]) -> Rows:
    """One row a content item: ``id`` and what ``needs`` names of TOTALS, ``platforms`` and ``best_platform``.

    ``platforms``: those of its posts, by name. ``best_platform``: null where nobody did anything.
    """
    return await reads.rows(_summaries_of(needs), {"ids": ids})


@prepared
def _summaries_of(needs: Fields) -> Query:
    columns: dict[str, Any] = {**TOTALS, "platforms": _platforms(), "best_platform": _best_platform()}
    asked = [column.label(name) for name, column in columns.items() if name in needs]
    return select(ContentSummary.content_id.label("id"), *asked).where(
        ContentSummary.workspace_id == workspace(), ContentSummary.content_id == any_(given_ids())
    )


def _platforms() -> ColumnElement[Any]:
    found = (
        select(ContentPost.platform)
        .where(_of(ContentPost, ContentSummary))
        .distinct()
        .order_by(ContentPost.platform)
        .correlate(ContentSummary)
    )
    return func.array(found.scalar_subquery(), type_=ARRAY(Text))


def _best_platform() -> ColumnElement[Any]:
    """By score, then comments, then the earliest post there, then name."""
    rollup = ContentPlatformRollup
    counts = {kind: getattr(rollup, name) for kind, name in COUNTERS.items()}
    score = reduce(add, (weight * counts[kind] for kind, weight in WEIGHTS.items()))
    first_post = (
        select(func.min(ContentPost.posted_at))
        .where(_of(ContentPost, rollup), ContentPost.platform == rollup.platform)
        .correlate(rollup)
        .scalar_subquery()
    )
    return (
        select(rollup.platform)
        .where(_of(rollup, ContentSummary), score > 0)
        .order_by(score.desc(), rollup.comments.desc(), first_post.asc().nulls_last(), rollup.platform)
        .limit(1)
        .correlate(ContentSummary)
        .scalar_subquery()
    )


def _of(model: type[Any], owner: type[Any]) -> ColumnElement[bool]:
    return and_(model.workspace_id == owner.workspace_id, model.content_id == owner.content_id)


async def platforms_of(reads: Reads, needs: Fields, ids: Sequence[int]) -> list[Rows]:
    """The numbers by platform of each content item, in the order of the ids: a row for each platform of its posts, by name.

    A row is ``platform`` and what ``needs`` names of ``posts``, how many there are, and the counts. Zeros where nobody did
    anything.
    """
    rows = await reads.rows(_platforms_of(needs), {"ids": ids})
    mine, none = rows_per_parent(rows), Rows((), rows.columns)
    return [mine.get(one, none) for one in ids]


@prepared
def _platforms_of(needs: Fields) -> Query:
    posts = (
        select(ContentPost.content_id, ContentPost.platform, func.count().label("posts"))
        .where(ContentPost.workspace_id == workspace(), ContentPost.content_id == any_(given_ids()))
        .group_by(ContentPost.content_id, ContentPost.platform)
        .subquery("posts")
    )
    rollup = ContentPlatformRollup
    own_ones = and_(rollup.workspace_id == workspace(), rollup.content_id == any_(given_ids()))
    same = and_(own_ones, rollup.content_id == posts.c.content_id, rollup.platform == posts.c.platform)
    counts = [func.coalesce(getattr(rollup, name), 0).label(name) for name in _COUNTED if name in needs]
    statement = select(posts.c.content_id, posts.c.platform, posts.c.posts, *counts).select_from(posts)
    if counts:
        statement = statement.outerjoin(rollup, same)
    return statement.order_by(posts.c.content_id, posts.c.platform)
