"""Under row-level security, as the application's role, followers are found by indexes and ranked by counts of scores."""

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
    """Followers, each with a like more than the one before, on two platforms in turn, with a word of its own and a common one."""
    people, seen = "FROM followers WHERE workspace_id = :w", f"timestamptz '{NOON}'"
    statements = (
        "INSERT INTO followers (workspace_id, platform, external_id, username, likes, first_seen_at, last_seen_at) "
        "SELECT :w, CASE n % 2 WHEN 0 THEN 'META' ELSE 'TIKTOK' END, n, 'user' || n, n, "
        f"{seen}, {seen} FROM generate_series(1, {ROWS}) AS n",
        f"INSERT INTO follower_words (workspace_id, follower_id, word) SELECT :w, id, username {people}",
        f"INSERT INTO follower_words (workspace_id, follower_id, word) SELECT :w, id, 'official' {people}",
        "INSERT INTO follower_score_counts (workspace_id, level, bucket, slot, followers) "
        "SELECT :w, level, score >> 4 * level, 0, count(*) FROM followers, generate_series(0, 7) AS level "
        "WHERE workspace_id = :w GROUP BY level, score >> 4 * level",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            await transaction.run(text(statement), {"w": workspace})


async def fill_database(database: Database, workspace: int, other_workspace: int) -> int:
    """The key of the lowest of many, in a workspace that the statistics do not know, beside one that they do."""
    await write(database, other_workspace)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    await write(database, workspace)
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text("SELECT min(id) FROM followers")))


@pytest.fixture
def first_id(filled: tuple[str, int]) -> int:
    """What ``fill_database`` answered."""
    return filled[1]


async def explained(api: Api, workspace: int, query: str, **variables: Any) -> list[str]:
    """The plan of each statement about followers that an operation executes."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    async with api.database.write(workspace) as transaction:
        return [
            "\n".join(row[0] for row in await transaction.driver.fetch(f"EXPLAIN {statement}", *parameters))
            for statement, parameters in asked
            if "follower" in statement
        ]


LISTS = {
    "": "Scan Backward using followers_score_idx",
    "filter: {tier: [ACTIVE, SUPER_FAN]}": "Scan Backward using followers_score_idx",
    "filter: {platform: META}": "Scan Backward using followers_platform_idx",
    "filter: {platform: META, tier: [SUPER_FAN]}": "Scan Backward using followers_platform_idx",
}


async def test_the_leaderboard_s_pages_go_through_its_index(api: Api, workspace: int, first_id: int) -> None:
    score = ROWS - BEFORE + 1
    hundredth = cursor("followers:score", score, NOON.isoformat(), first_id + score - 1)
    for arguments, index in LISTS.items():
        query = f"query ($after: String) {{ followers({arguments} after: $after) {{ nodes {{ username }} }} }}"
        for position in (None, hundredth):
            [plan] = await explained(api, workspace, query, after=position)
            assert index in plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan
        step = 2 if "META" in arguments else 1
        highest = score - 1
        found = (await api.data(query, after=hundredth))["followers"]["nodes"]
        assert [one["username"] for one in found] == [f"user{highest - n * step}" for n in range(20)]


async def test_a_rare_word_is_found_by_the_index_of_words(api: Api, workspace: int, first_id: int) -> None:
    query = '{ followers(filter: {search: "@User1234"}) { nodes { username } } }'
    assert (await api.data(query))["followers"]["nodes"] == [{"username": "user1234"}]
    [plan] = await explained(api, workspace, query)
    assert "follower_words_word_idx" in plan
    assert "Seq Scan" not in plan


async def test_ranks_and_counts_of_tiers_read_counts_of_scores_alone(api: Api, workspace: int, first_id: int) -> None:
    ids = [encode("Follower", first_id + number) for number in range(50)]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Follower { rank } } }"
    assert (await api.data(query, ids=ids))["nodes"] == [{"rank": ROWS - number} for number in range(50)]
    by_ids, ranks = await explained(api, workspace, query, ids=ids)
    assert "followers_pkey" in by_ids
    [counted] = await explained(api, workspace, "{ followers(filter: {tier: [LURKER, ACTIVE]}) { totalCount } }")
    for plan in (ranks, counted):
        assert "follower_score_counts_pkey" in plan
        assert "Seq Scan" not in plan
    assert "on followers" not in ranks
