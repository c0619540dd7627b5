"""Under row-level security, as the application's role, lists of content go through their indexes: first page and later ones alike."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON
from tests.graph.test_campaigns import cursor

ROWS = 10_000
BEFORE = 99 * 20
"""So many stand before the hundredth page."""


async def write(database: Database, workspace: int) -> None:
    """Items, each a minute newer than the one before and with one comment more, with a tag and two posts."""
    items, numbered = "FROM content_items WHERE workspace_id = :w", "row_number() OVER (ORDER BY id)"
    statements = (
        "INSERT INTO content_items (workspace_id, slug, title, created_at) "
        f"SELECT :w, 's' || n, 'Title ' || n, timestamptz '{NOON}' + n * interval '1 minute' FROM generate_series(1, {ROWS}) n",
        f"INSERT INTO content_summaries (workspace_id, content_id, comments) SELECT :w, id, {numbered} {items}",
        f"INSERT INTO content_tags SELECT :w, id, 'topic', 't' || id % 1000 {items}",
        f"INSERT INTO content_posts (workspace_id, content_id, platform, external_post_id) SELECT :w, id, 'META', id {items}",
        f"INSERT INTO content_posts (workspace_id, content_id, platform, external_post_id) SELECT :w, id, 'TIKTOK', id {items}",
        f"INSERT INTO content_platform_rollups (workspace_id, content_id, platform, comments) SELECT :w, id, 'META', 1 {items}",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            await transaction.run(text(statement), {"w": workspace})


async def fill_database(database: Database, workspace: int, other_workspace: int) -> int:
    """The key of the oldest item of many, in a workspace that the statistics do not know, beside one that they do."""
    await write(database, other_workspace)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await write(database, workspace)
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text("SELECT min(id) FROM content_items")))


@pytest.fixture
def first_id(filled: tuple[str, int]) -> int:
    """What ``fill_database`` answered."""
    return filled[1]


async def explained(api: Api, workspace: int, query: str, **variables: Any) -> str:
    """The plans of the statements that an operation executes."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    found: list[str] = []
    async with api.database.write(workspace) as transaction:
        for statement, parameters in asked:
            if "content_" in statement:
                found += [row[0] for row in await transaction.driver.fetch(f"EXPLAIN {statement}", *parameters)]
    return "\n".join(found)


ORDERS = {
    "NEWEST": "Index Scan Backward using content_items_newest_idx",
    "OLDEST": "Index Scan using content_items_newest_idx",
    "MOST_COMMENTS": "Scan Backward using content_summaries_comments_idx",
    "MOST_INTERACTIONS": "Scan Backward using content_summaries_interactions_idx",
}


def last_of_page(order: str, first_id: int) -> str:
    """The cursor of the last item before the hundredth page of 20."""
    number = BEFORE if order == "OLDEST" else ROWS - BEFORE + 1
    by: object = number
    if order in ("NEWEST", "OLDEST"):
        by = (NOON + timedelta(minutes=number)).isoformat()
    return cursor(f"content:{order.lower()}", by, first_id + number - 1)


async def test_pages_go_through_the_index_of_their_order(api: Api, workspace: int, first_id: int) -> None:
    for order, index in ORDERS.items():
        query = (
            f"query ($after: String) {{ contentItems(orderBy: {order}, after: $after) {{ nodes {{ slug title }} }} }}"
        )
        hundredth = last_of_page(order, first_id)
        for position in (None, hundredth):
            plan = await explained(api, workspace, query, after=position)
            assert index in plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan
        found = (await api.data(query, after=hundredth))["contentItems"]["nodes"]
        expected = range(BEFORE + 1, BEFORE + 21) if order == "OLDEST" else range(ROWS - BEFORE, ROWS - BEFORE - 20, -1)
        assert [one["slug"] for one in found] == [f"s{number}" for number in expected]


FILTERS = {
    'filter: {tag: {type: "topic", value: "t7"}}': "content_tags_",
    "filter: {platform: META}": "content_posts_item_idx",
    "filter: {hasComments: true}, orderBy: MOST_COMMENTS": "content_summaries_comments_idx",
}
OF_ITEMS = """tags { value } posts { totalCount nodes { content { slug } } } platforms { posts comments uniqueFollowers }
  summary { platforms bestPlatform totalComments }"""
INDEXES = {
    "content_items_pkey",
    "content_tags_pkey",
    "content_posts_item_idx",
    "content_summaries_pkey",
    "content_platform_rollups_pkey",
}


async def test_filtered_pages_and_what_hangs_on_items_read_no_whole_table(
    api: Api, workspace: int, first_id: int
) -> None:
    for arguments, index in FILTERS.items():
        plan = await explained(api, workspace, f"{{ contentItems({arguments}) {{ nodes {{ slug }} }} }}")
        assert index in plan
        assert "Seq Scan" not in plan
    ids = [encode("ContentItem", first_id + number) for number in range(50)]
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on ContentItem {{ {OF_ITEMS} }} }} }}"
    plan = await explained(api, workspace, query, ids=ids)
    assert {index for index in INDEXES if index in plan} == INDEXES
    assert "Seq Scan" not in plan
