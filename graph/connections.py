"""Keyset connections: pages whose cursors stay put while rows come and go."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, cast

import strawberry
from orjson import Fragment

from db.keyset import Order, Page, PageRequest
from graph.context import Info
from graph.execution import Complete
from graph.leaves import written_of
from graph.loaders import Fetch
from graph.scalars import BigInt
from graph.selection import Selection, selection_of

T = TypeVar("T")

Fetched = tuple[Fetch, tuple[Any, ...]]
"""What is fetched, and with which arguments."""

First = Annotated[int | None, strawberry.argument(description="How many, from the start: 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Only what stands after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many, from the end: 1 to 100. Wins over first.")]
Before = Annotated[str | None, strawberry.argument(description="Only what stands before this cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """The Relay page info of a connection."""

    page: strawberry.Private[Page]

    @strawberry.field(description="Whether more follows.")
    def has_next_page(self) -> bool:
        return self.page.has_next

    @strawberry.field(description="Whether something stands before.")
    def has_previous_page(self) -> bool:
        return self.page.has_previous

    @strawberry.field(description="The first row's cursor; null on an empty page.")
    def start_cursor(self) -> str | None:
        return self.page.order.cursor(self.page.rows[0]) if self.page.rows else None

    @strawberry.field(description="The last row's cursor; null on an empty page.")
    def end_cursor(self) -> str | None:
        return self.page.order.cursor(self.page.rows[-1]) if self.page.rows else None


@strawberry.type(description="A row of a page, with its cursor.")
class Edge(Generic[T]):
    """A row in the order of its list."""

    order: strawberry.Private[Order]
    row: strawberry.Private[Any]

    @strawberry.field(description="Continues a list here: pass it as after or before.")
    def cursor(self) -> str:
        return self.order.cursor(self.row)

    @strawberry.field(description="The row itself.")
    def node(self) -> T:
        return cast(T, self.row)


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page. Its total is counted only when it is selected."""

    page: strawberry.Private[Page]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The rows of the page.")
    def nodes(self) -> list[T]:
        if self.page.json is not None:
            return cast(list[T], Complete(Fragment(self.page.json), self.page.count))
        return cast(list[T], self.page.rows)

    @strawberry.field(description="The rows of the page with their cursors.")
    def edges(self) -> list[Edge[T]]:
        return [Edge(order=self.page.order, row=row) for row in self.page.rows]

    @strawberry.field(description="Where the page stands in its list.")
    def page_info(self) -> PageInfo:
        return PageInfo(page=self.page)

    @strawberry.field(description="How many rows the whole list has, all pages together.")
    async def total_count(self) -> BigInt:
        return BigInt(await self.count())


def node_fields(selected: Selection) -> frozenset[str]:
    """The fields that a connection's selection asks of its rows."""
    return selected.under("nodes").names | selected.under("edges").under("node").names


async def connection(
    info: Info,
    order: Order,
    request: PageRequest,
    load: Callable[[frozenset[str], PageRequest], Awaitable[Page]],
    count: Callable[[], Awaitable[int]],
) -> Any:
    """The connection of a list that is there once."""
    asked = _asked(info, order, request)
    page = await load(asked.fields, asked.request) if asked.page else Page(order)
    return Connection(page=page, count=count)


async def connections(
    info: Info,
    order: Order,
    request: PageRequest,
    keys: Sequence[int],
    pages: Callable[[frozenset[str], PageRequest], Fetched],
    counts: Fetched,
    *,
    may_be_written: bool = True,
) -> Any:
    """The connections of the lists that hang on some rows, one for each key.

    ``may_be_written``: whether PostgreSQL may write the rows; not where what must not be null is worked out.
    """
    loaders, asked = info.context.loaders, _asked(info, order, request, may_be_written=may_be_written)
    if not asked.page:
        return [Connection(page=Page(order), count=partial(loaders.many, *counts, key)) for key in keys]
    found = await loaders.many_each(*pages(asked.fields, asked.request), keys)
    if asked.only_rows is not None:
        return [Complete({asked.only_rows: Fragment(page.json)}, page.count) for page in found]
    return [
        Connection(page=page, count=partial(loaders.many, *counts, key)) for page, key in zip(found, keys, strict=True)
    ]


class _Asked(NamedTuple):
    """What is asked of a connection."""

    page: bool
    """Whether anything of its page is."""
    fields: frozenset[str]
    """The fields that are asked of the rows."""
    request: PageRequest
    only_rows: str | None = None
    """The key of the rows, if PostgreSQL writes them and they are all that is asked for."""


def _asked(info: Info, order: Order, request: PageRequest, *, may_be_written: bool = True) -> _Asked:
    """What a connection is asked for. Raises BadPage for a bad cursor."""
    order.parameters(request)  # raises before anything is read
    selected = selection_of(info)
    if selected.names.isdisjoint(_OF_PAGE):
        return _Asked(False, frozenset(), request)
    fields = node_fields(selected)
    written = written_of(info) if may_be_written and not request.backward else None
    if written is not None:
        return _Asked(True, fields, replace(request, leaves=written.leaves), written.key)
    cursors = "cursor" in selected.under("edges").names or not selected.under("pageInfo").names.isdisjoint(_ENDS)
    return _Asked(True, fields, replace(request, cursors=cursors))


_OF_PAGE = frozenset({"nodes", "edges", "page_info"})
_ENDS = frozenset({"start_cursor", "end_cursor"})
