"""Interactions by id, and pages of them: of the workspace, of followers and of posts, for many of these at once.

An interaction is about the content that its post is of, and on the platform that its follower is on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Text, any_, bindparam, cast, exists, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from db.engine import Reads
from db.keyset import Order, Page, PageRequest, Shape, is_one_of, page, page_of_keys, page_per_parent, pages
from db.models.content import ContentPlatformRollup, ContentPost
from db.models.followers import Follower
from db.models.interaction_kinds import COUNTERS, InteractionType
from db.models.interactions import Interaction
from db.models.platforms import Platform
from db.queries.columns import Fields, Query, counted, own
from db.statements import Rows, given_ids, given_texts, prepared, workspace

Kinds = tuple[InteractionType, ...]
ALL: Kinds = tuple(InteractionType)
_CONTENT = select(ContentPost.content_id).where(
    ContentPost.workspace_id == Interaction.workspace_id, ContentPost.id == Interaction.post_id
)
NEEDS: dict[str, tuple[Any, ...]] = {
    "follower": (Interaction.follower_id,),
    "post": (Interaction.post_id,),
    "content": (_CONTENT.correlate(Interaction).scalar_subquery().label("content_id"),),
}
NEWEST = Order("interactions:newest", (Interaction.occurred_at, Interaction.id), descending=True)
FEW = 500
"""Up to so many followers a platform's timeline is put together from theirs; of more, the workspace's is walked."""
_COUNTED = frozenset({"types", "platform", "content_id"})


@dataclass(frozen=True)
class Filter:
    """Which interactions. All that is given must hold; the time is half-open."""

    types: Kinds | None = None
    platform: Platform | None = None
    content_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    def values(self) -> dict[str, Any]:
        """What is given, as the parameters of a statement."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.types is not None:
            values["types"] = [kind.value for kind in self.types]
        if self.platform is not None:
            values["platform"] = self.platform.value
        return {name: value for name, value in values.items() if value is not None}

    def given(self) -> frozenset[str]:
        """The names of what is given."""
        return frozenset(self.values())

    def kinds(self) -> Kinds:
        """The types that it lets through."""
        return ALL if self.types is None else self.types


async def by_ids(reads: Reads, selected: Fields, ids: Sequence[int]) -> Rows:
    """The interactions of these ids, in any order; missing ones are left out."""
    return await reads.rows(_by_ids(selected), {"ids": ids})


@prepared
def _by_ids(selected: Fields) -> Query:
    return own(Interaction, NEEDS, selected).where(Interaction.id == any_(given_ids()))


async def listed(reads: Reads, selected: Fields, which: Filter, request: PageRequest) -> Page:
    """One page of the workspace's interactions, newest first."""
    values = {**which.values(), **NEWEST.parameters(request)}
    return Page.of(NEWEST, request, await reads.rows(_listed(selected, which.given(), request.shape), values))


@prepared
def _listed(selected: Fields, given: frozenset[str], shape: Shape) -> Query:
    statement = own(Interaction, NEEDS, selected)
    if given.isdisjoint({"content_id", "platform"}):
        return page(statement.where(*_conditions(given)), NEWEST, shape)
    keys = _about_content(given, shape) if "content_id" in given else _on_platform(given, shape)
    return page(statement.where(is_one_of(Interaction.id, keys)), NEWEST, shape)


def _own_ids(*conditions: ColumnElement[bool]) -> Query:
    return select(Interaction.id).where(Interaction.workspace_id == workspace(), *conditions)


def _about_content(given: frozenset[str], shape: Shape) -> list[Query]:
    """A page of each post of the content."""
    posts = _posts(given).subquery("posts")
    mine = _own_ids(Interaction.post_id == posts.c.id, *_conditions(given - {"content_id", "platform"}))
    each = page_of_keys(mine.correlate(posts), NEWEST, shape).lateral("each")
    return [select(each.c.id).select_from(posts.join(each, true()))]


def _on_platform(given: frozenset[str], shape: Shape) -> list[Query]:
    """A page of each follower who is there, if they are few, and of the timeline if they are not."""
    there = select(Follower.id).where(Follower.workspace_id == workspace(), _is_on(Follower))
    found = func.array(there.limit(FEW + 1).scalar_subquery(), type_=ARRAY(BigInteger)).label("ids")
    people = select(found).cte("people").prefix_with("MATERIALIZED", dialect="postgresql")
    ids: Any = select(people.c.ids).scalar_subquery()
    few, others = func.cardinality(ids) <= FEW, _conditions(given - {"platform"})
    follower = func.unnest(ids).table_valued("id").render_derived("followers")
    mine = _own_ids(Interaction.follower_id == follower.c.id, *others).correlate(follower)
    each = page_of_keys(mine, NEWEST, shape).lateral("each")
    walked = page_of_keys(_own_ids(~few, *_conditions(given)), NEWEST, shape)
    return [select(each.c.id).select_from(follower.join(each, true())).where(few), walked]


async def count(reads: Reads, which: Filter) -> int:
    """How many interactions the filter lets through. Without a window from what is counted already."""
    given = which.given()
    if given <= _COUNTED:
        table = ContentPlatformRollup if which.content_id is not None else Follower
        statement = _sum(table, frozenset(which.kinds()), on_platform=which.platform is not None)
    else:
        statement = _count(given)
    return int((await reads.row(statement, which.values()))[0])


@prepared
def _sum(table: Any, kinds: frozenset[InteractionType], *, on_platform: bool) -> Query:
    statement = select(cast(func.coalesce(func.sum(_counters(table, kinds)), 0), BigInteger))
    statement = statement.where(table.workspace_id == workspace())
    if table is ContentPlatformRollup:
        statement = statement.where(table.content_id == _content_id())
    return statement.where(_is_on(table)) if on_platform else statement


@prepared
def _count(given: frozenset[str]) -> Query:
    own_ones = Interaction.workspace_id == workspace()
    return select(func.count()).select_from(Interaction).where(own_ones, *_conditions(given))


async def of_followers(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each follower's interactions, newest first, in the order of the ids: one statement for all."""
    return await _of(reads, Interaction.follower_id, selected, which, request, ids)


async def of_posts(
    reads: Reads, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    """A page of each post's interactions, newest first, in the order of the ids: one statement for all."""
    return await _of(reads, Interaction.post_id, selected, which, request, ids)


async def _of(
    reads: Reads, parent: Any, selected: Fields, which: Filter, request: PageRequest, ids: Sequence[int]
) -> list[Page]:
    statement = _page_of(parent.key, selected, which.given(), request.shape)
    rows = await reads.rows(statement, {"ids": ids, **which.values(), **NEWEST.parameters(request)})
    return pages(NEWEST, request, rows, ids)


@prepared
def _page_of(parent: str, selected: Fields, given: frozenset[str], shape: Shape) -> Query:
    base = own(Interaction, NEEDS, selected).where(*_conditions(given))
    return page_per_parent(base, getattr(Interaction, parent), NEWEST, shape)


async def count_of_followers(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many interactions each follower has, in the order of the ids: of types from what is counted already."""
    if which.given() <= {"types"}:
        return counted(await reads.rows(_sum_of_followers(frozenset(which.kinds())), {"ids": ids}), ids)
    return await _count_of(reads, Interaction.follower_id, which, ids)


async def count_of_posts(reads: Reads, which: Filter, ids: Sequence[int]) -> list[int]:
    """How many interactions each post has, in the order of the ids."""
    return await _count_of(reads, Interaction.post_id, which, ids)


async def _count_of(reads: Reads, parent: Any, which: Filter, ids: Sequence[int]) -> list[int]:
    return counted(await reads.rows(_counts(parent.key, which.given()), {"ids": ids, **which.values()}), ids)


@prepared
def _counts(parent: str, given: frozenset[str]) -> Query:
    key = getattr(Interaction, parent)
    own_ones = (Interaction.workspace_id == workspace(), key == any_(given_ids()))
    return select(key, func.count()).where(*own_ones, *_conditions(given)).group_by(key)


@prepared
def _sum_of_followers(kinds: frozenset[InteractionType]) -> Query:
    return select(Follower.id, _counters(Follower, kinds)).where(
        Follower.workspace_id == workspace(), Follower.id == any_(given_ids())
    )


def _counters(table: Any, kinds: frozenset[InteractionType]) -> Any:
    nothing: Any = cast(0, BigInteger)
    return sum((getattr(table, COUNTERS[kind]) for kind in sorted(kinds)), nothing)


def _conditions(given: frozenset[str]) -> list[ColumnElement[bool]]:
    conditions = {
        "types": Interaction.type == any_(given_texts("types")),
        "platform": _follower_is_on_platform(),
        "content_id": is_one_of(Interaction.post_id, [_posts(frozenset({"content_id"}))]),
        "start": Interaction.occurred_at >= _moment("start"),
        "end": Interaction.occurred_at < _moment("end"),
    }
    return [condition for name, condition in conditions.items() if name in given]


def _posts(given: frozenset[str]) -> Query:
    own_ones = (ContentPost.workspace_id == workspace(), ContentPost.content_id == _content_id())
    posts = select(ContentPost.id).where(*own_ones)
    return posts.where(_is_on(ContentPost)) if "platform" in given else posts


def _follower_is_on_platform() -> ColumnElement[bool]:
    own_one = (Follower.workspace_id == Interaction.workspace_id, Follower.id == Interaction.follower_id)
    return exists().where(*own_one, _is_on(Follower)).correlate(Interaction)


def _is_on(table: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.platform == bindparam("platform", type_=Text)
    return condition


def _content_id() -> Any:
    return bindparam("content_id", type_=BigInteger)


def _moment(name: str) -> Any:
    return bindparam(name, type_=DateTime(timezone=True))
