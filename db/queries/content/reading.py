"""Content items and posts: look-ups, lists, counts, and the tags and posts of many items at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, any_, bindparam, exists, func, select

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, page, page_per_parent, pages, rows_per_parent
from db.models.content import ContentItem, ContentPost, ContentSummary, ContentTag
from db.models.content_items import FIGURES
from db.models.platforms import Platform
from db.queries.columns import Fields, Query, counted, own
from db.queries.searching import mentions_all
from db.statements import Rows, given_ids, given_texts, prepared, workspace

OF_POST: dict[str, tuple[Any, ...]] = {
    "content": (ContentPost.content_id,),
    "figures": (ContentPost.figures_at, *(getattr(ContentPost, name) for name in FIGURES)),
}
"""What the fields of a post need, where it is not the column of their name."""
_TIME = (ContentItem.created_at, ContentItem.id)
ORDERS = {
    "NEWEST": Order("content:newest", _TIME, descending=True),
    "OLDEST": Order("content:oldest", _TIME),
    "MOST_COMMENTS": Order(
        "content:most_comments", (ContentSummary.comments, ContentSummary.content_id), descending=True
    ),
    "MOST_INTERACTIONS": Order(
        "content:most_interactions", (ContentSummary.interactions, ContentSummary.content_id), descending=True
    ),
}
_BY_NUMBERS = frozenset({"MOST_COMMENTS", "MOST_INTERACTIONS"})
OLDEST = Order("content_posts:oldest", (ContentPost.created_at, ContentPost.id))
"""The order in which an item came to its posts."""
_SEARCHED = (ContentItem.title, ContentItem.slug, ContentItem.description)
_COMMENTED, _UNCOMMENTED = "commented", "uncommented"


@dataclass(frozen=True)
class Filter:
    """Which content items. All that is given must hold; ``search`` looks for each of its words."""

    search: str | None = None
    tag: tuple[str, str] | None = None
    """Type and value."""
    platform: Platform | None = None
    has_comments: bool | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        tag_type, tag_value = self.tag or (None, None)
        values = {
            "words": (self.search or "").split() or None,
            "tag_type": tag_type,
            "tag_value": tag_value,
            "platform": None if self.platform is None else self.platform.value,
        }
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of the conditions that must hold."""
        names = frozenset(self.values())
        if self.has_comments is None:
            return names
        return names | {_COMMENTED if self.has_comments else _UNCOMMENTED}


async def by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The content items of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(fields), {"ids": ids})


@prepared
def _by_ids(fields: Fields) -> Query:
    return own(ContentItem, {}, fields).where(ContentItem.id == any_(given_ids()))


async def by_slugs(reads: Reads, fields: Fields, slugs: Sequence[str]) -> Rows:
    """The content items of these slugs, in any order, with ``slug``; missing ones are left out."""
    return await reads.rows(_by_slugs(fields), {"slugs": slugs})


@prepared
def _by_slugs(fields: Fields) -> Query:
    return own(ContentItem, {}, fields | {"slug"}).where(ContentItem.slug == any_(given_texts("slugs")))


async def listed(reads: Reads, fields: Fields, which: Filter, by: str, request: PageRequest) -> Page:
    """One page of the workspace's content items. ``by``: one of ORDERS."""
    order = ORDERS[by]
    values = {**which.values(), **order.parameters(request)}
    return Page.of(order, request, await reads.rows(_listed(fields, which.given(), by, request.shape), values))


@prepared
def _listed(fields: Fields, given: frozenset[str], by: str, shape: Shape) -> Query:
    return page(_filtered(own(ContentItem, {}, fields), given, by), ORDERS[by], shape)


async def count(reads: Reads, which: Filter) -> int:
    """How many content items the filter lets through."""
    return int((await reads.row(_count(which.given()), which.values()))[0])


@prepared
def _count(given: frozenset[str]) -> Query:
    own_ones = ContentItem.workspace_id == workspace()
    return _filtered(select(func.count()).select_from(ContentItem).where(own_ones), given)


def _filtered(statement: Query, given: frozenset[str], by: str = "") -> Query:
    if by in _BY_NUMBERS or not given.isdisjoint({_COMMENTED, _UNCOMMENTED}):
        # Every item has its numbers, so this leaves none out. Their own workspace is said, for their own indexes.
        of_item = and_(ContentSummary.workspace_id == workspace(), ContentSummary.content_id == ContentItem.id)
        statement = statement.join(ContentSummary, of_item)
    return statement.where(*_conditions(given))


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    tag = (ContentTag.type == bindparam("tag_type", type_=Text), ContentTag.value == bindparam("tag_value", type_=Text))
    conditions = {
        "words": mentions_all(ContentItem, given_texts("words"), *_SEARCHED),
        "tag_type": _has(ContentTag, *tag),
        "platform": _has(ContentPost, ContentPost.platform == bindparam("platform", type_=Text)),
        _COMMENTED: ContentSummary.comments > 0,
        _UNCOMMENTED: ContentSummary.comments == 0,
    }
    return [condition for name, condition in conditions.items() if name in given]


def _has(model: type[Any], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    of_item = (model.workspace_id == ContentItem.workspace_id, model.content_id == ContentItem.id)
    return exists().where(*of_item, *conditions).correlate(ContentItem)


async def tags_of(reads: Reads, ids: Sequence[int]) -> list[Rows]:
    """The tags of each content item, in the order of the ids: rows of ``type`` and ``value``, in that order."""
    rows = await reads.rows(_tags_of(), {"ids": ids})
    mine, none = rows_per_parent(rows), Rows((), rows.columns)
    return [mine.get(one, none) for one in ids]


@prepared
def _tags_of() -> Query:
    return (
        select(ContentTag.content_id, ContentTag.type, ContentTag.value)
        .where(ContentTag.workspace_id == workspace(), ContentTag.content_id == any_(given_ids()))
        .order_by(ContentTag.content_id, ContentTag.type, ContentTag.value)
    )


async def posts_by_ids(reads: Reads, fields: Fields, ids: Sequence[int]) -> Rows:
    """The posts of these ids, in any order; missing ones are left out."""
    return await reads.rows(_posts_by_ids(fields), {"ids": ids})


@prepared
def _posts_by_ids(fields: Fields) -> Query:
    return own(ContentPost, OF_POST, fields).where(ContentPost.id == any_(given_ids()))


async def posts_of(reads: Reads, fields: Fields, request: PageRequest, ids: Sequence[int]) -> list[Page]:
    """A page of the posts of each content item, in the order of the ids: one statement for all."""
    rows = await reads.rows(_posts_of(fields, request.shape), {"ids": ids, **OLDEST.parameters(request)})
    return pages(OLDEST, request, rows, ids)


@prepared
def _posts_of(fields: Fields, shape: Shape) -> Query:
    return page_per_parent(own(ContentPost, OF_POST, fields), ContentPost.content_id, OLDEST, shape)


async def count_posts_of(reads: Reads, ids: Sequence[int]) -> list[int]:
    """How many posts each content item has, in the order of the ids."""
    return counted(await reads.rows(_count_posts_of(), {"ids": ids}), ids)


@prepared
def _count_posts_of() -> Query:
    return (
        select(ContentPost.content_id, func.count())
        .where(ContentPost.workspace_id == workspace(), ContentPost.content_id == any_(given_ids()))
        .group_by(ContentPost.content_id)
    )
