"""Keyset connections: pages whose cursors stay put while rows come and go."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar, cast

import strawberry

from db.keyset import Order, Page, PageRequest
from graph.scalars import BigInt
from graph.selection import Selection

T = TypeVar("T")

First = Annotated[int | None, strawberry.argument(description="How many, from the start: 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Only what stands after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="How many, from the end: 1 to 100. Wins over first.")]
Before = Annotated[str | None, strawberry.argument(description="Only what stands before this cursor.")]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """The Relay page info of a connection."""

    has_next_page: bool = strawberry.field(description="Whether more follows.")
    has_previous_page: bool = strawberry.field(description="Whether something stands before.")
    start_cursor: str | None = strawberry.field(description="The first row's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last row's cursor; null on an empty page.")


@strawberry.type(description="A row of a page, with its cursor.")
class Edge(Generic[T]):
    """One row and the cursor that continues after it, or before it."""

    cursor: str = strawberry.field(description="Continues a list here: pass it as after or before.")
    node: T = strawberry.field(description="The row itself.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page. Its total is counted only when it is selected."""

    page: strawberry.Private[Page]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The rows of the page.")
    def nodes(self) -> list[T]:
        return cast(list[T], self.page.rows)

    @strawberry.field(description="The rows of the page with their cursors.")
    def edges(self) -> list[Edge[T]]:
        return [Edge(cursor=self.page.order.cursor(row), node=cast(T, row)) for row in self.page.rows]

    @strawberry.field(description="Where the page stands in its list.")
    def page_info(self) -> PageInfo:
        rows, cursor = self.page.rows, self.page.order.cursor
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursor(rows[0]) if rows else None,
            end_cursor=cursor(rows[-1]) if rows else None,
        )

    @strawberry.field(description="How many rows the whole list has, all pages together.")
    async def total_count(self) -> BigInt:
        return BigInt(await self.count())


def node_fields(selected: Selection) -> frozenset[str]:
    """The fields that a connection's selection asks of its rows."""
    return selected.under("nodes").names | selected.under("edges").under("node").names


async def connection(
    selected: Selection,
    order: Order,
    request: PageRequest,
    load: Callable[[frozenset[str]], Awaitable[Page]],
    count: Callable[[], Awaitable[int]],
) -> Any:
    """The connection for a selection. Reads the page only if something of it is selected."""
    for cursor in (request.after, request.before):
        if cursor is not None:
            order.values(cursor)  # raises before anything is read
    wants_page = not selected.names.isdisjoint({"nodes", "edges", "page_info"})
    page = await load(node_fields(selected)) if wants_page else Page(order)
    return Connection(page=page, count=count)
