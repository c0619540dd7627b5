"""Under row-level security, as the application's role: timelines, other orders of followers and cohorts go through their indexes."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON, at

FOLLOWERS, EACH = 1_000, 20


async def write(database: Database, workspace: int) -> None:
    """Followers on TikTok but for one, each with interactions a minute apart; content items with two posts each."""
    moment = f"timestamptz '{NOON}' - make_interval(mins => n)"
    statements = (
        f"INSERT INTO content_items (workspace_id, slug, title) SELECT :w, n, n FROM generate_series(1, {FOLLOWERS}) AS n",
        "INSERT INTO content_posts (workspace_id, content_id, platform, external_post_id) "
        "SELECT :w, id, 'TIKTOK', slug || '-' || n FROM content_items, generate_series(1, 2) AS n WHERE workspace_id = :w",
        "INSERT INTO followers (workspace_id, platform, external_id, username, likes, first_seen_at, last_seen_at) "
        f"SELECT :w, CASE n WHEN 1 THEN 'REDDIT' ELSE 'TIKTOK' END, n, 'user' || n, {EACH}, {moment}, {moment} "
        f"FROM generate_series(1, {FOLLOWERS}) AS n",
        "INSERT INTO interactions (workspace_id, key, follower_id, post_id, type, occurred_at) "
        "SELECT :w, followers.id || '-' || n, followers.id, CASE n % 100 WHEN 0 THEN posts.id END, 'LIKE', "
        f"first_seen_at - make_interval(mins => n) FROM followers, generate_series(0, {EACH - 1}) AS n, "
        "(SELECT min(id) AS id FROM content_posts WHERE workspace_id = :w) AS posts WHERE workspace_id = :w",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            await transaction.run(text(statement), {"w": workspace})


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, str]:
    """What there is many of, in a workspace that the statistics do not know, beside one that they do."""
    await write(database, other_workspace)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await write(database, workspace)
    found = {"content": "content_items", "post": "content_posts", "follower": "followers"}
    names = {"content": "ContentItem", "post": "ContentPost", "follower": "Follower"}
    async with database.write(workspace) as transaction:
        return {
            name: encode(names[name], int(await transaction.scalar(text(f"SELECT min(id) FROM {table}"))))
            for name, table in found.items()
        }


@pytest.fixture
def ids(filled: tuple[str, dict[str, str]]) -> dict[str, str]:
    """What ``fill_database`` answered."""
    return filled[1]


async def scans(api: Api, workspace: int, query: str) -> set[str]:
    """By which indexes the statements of an operation, executed once more, found rows; tables that were read whole, too."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query)
    lines: list[str] = []
    async with api.database.write(workspace) as transaction:
        for statement, parameters in asked:
            if "FROM workspaces \nWHERE workspaces.key" in statement:
                continue  # whose token it is
            lines += [row[0] for row in await transaction.driver.fetch(f"EXPLAIN ANALYZE {statement}", *parameters)]
    done = [line for line in lines if "never executed" not in line]
    found = [re.search(r"Scan.* (?:using|on) (\w+_idx|\w+_pkey)|(Seq Scan on \w+)", line) for line in done]
    return {one[1] or one[2] for one in found if one}


WINDOW = f'window: {{from: "{at(minutes=-70)}", to: "{at(minutes=-20)}"}}'
TIMELINES = {
    "interactions { nodes { key } }": {"interactions_time_idx"},
    "interactions(last: 5) { nodes { key } }": {"interactions_time_idx"},
    f"interactions(types: [LIKE], {WINDOW}) {{ nodes {{ key }} }}": {"interactions_time_idx"},
    "interactions(contentId: $content) { nodes { key } }": {"content_posts_item_idx", "interactions_post_idx"},
    "node(id: $post) { ... on ContentPost { interactions { nodes { key } } } }": {"interactions_post_idx"},
    "node(id: $follower) { ... on Follower { interactions { nodes { key } } } }": {"interactions_follower_idx"},
    "interactions(platform: REDDIT) { nodes { key } }": {"followers_platform_idx", "interactions_follower_idx"},
}
FOUND_FIRST = {"interactions_pkey", "content_posts_pkey", "followers_pkey"}
"""What is named by key: the thing of an id, and rows of a page that was put together."""


async def test_timelines_go_through_their_indexes(api: Api, workspace: int, ids: dict[str, str]) -> None:
    for selection, indexes in TIMELINES.items():
        query = selection
        for name, key in ids.items():
            query = query.replace(f"${name}", f'"{key}"')
        assert (selection, await scans(api, workspace, f"{{ {query} }}") - FOUND_FIRST) == (selection, indexes)


ORDERS = {
    "NEWEST": "followers_first_seen_idx",
    "LAST_SEEN": "followers_last_seen_idx",
    "USERNAME": "followers_username_idx",
}


async def test_other_orders_of_followers_go_through_their_indexes(
    api: Api, workspace: int, ids: dict[str, str]
) -> None:
    for order, index in ORDERS.items():
        query = f"{{ followers(orderBy: {order}) {{ nodes {{ username }} }} }}"
        assert await scans(api, workspace, query) == {index}


async def test_tiers_that_are_no_neighbours_are_found_each_by_the_index(
    api: Api, workspace: int, ids: dict[str, str]
) -> None:
    query = "{ followers(filter: {tier: [SUPER_FAN, LURKER]}) { nodes { username } } }"
    assert await scans(api, workspace, query) == {"followers_score_idx", "followers_pkey"}


async def test_cohorts_of_now_read_no_interactions(api: Api, workspace: int, ids: dict[str, str]) -> None:
    found = await scans(api, workspace, "{ followerCohorts(weeks: 104) { size active30d retention } }")
    assert found
    assert not [one for one in found if "interactions" in one]
