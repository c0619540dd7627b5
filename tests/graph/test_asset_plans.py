"""Lists of 100,000 assets go through indexes whatever is filtered by, and the hundredth page costs what the first does."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.keyset import PageRequest
from db.queries.assets import reading
from graph.ids import encode
from tests.api import Api

pytestmark = pytest.mark.usefixtures("written_at_once")
ASSETS = 100_000
PAGE = 50
# Past the triggers, and with what they would have counted: row by row it takes a minute.
FILL = [
    "SET session_replication_role = replica",
    "INSERT INTO spaces (workspace_id, name, platform, import_source, created_by) VALUES (:w, 'S', 'META', 'CSV_IMPORT', 'a')",
    "INSERT INTO spaces (workspace_id, name, platform, import_source, created_by) VALUES (:w, 'T', 'META', 'CSV_IMPORT', 'a')",
    "INSERT INTO blobs (workspace_id, sha256, size_bytes, content_type, path) VALUES (:w, repeat('a', 64), 1, 'text/plain', 'p')",
    """INSERT INTO assets (workspace_id, space_id, platform, name, type, headline_text, ad_copy_text, created_by, sha256, size_bytes)
    SELECT :w, (SELECT min(id) + (n % 2) FROM spaces WHERE workspace_id = :w), 'META', 'Asset ' || n,
      CASE WHEN n % 20000 = 7 THEN 'OTHER' WHEN n % 2 = 0 THEN 'HEADLINE' ELSE 'AD_COPY' END, 'x', 'x', 'u' || n % 100,
      CASE WHEN n % 20000 = 7 THEN repeat('a', 64) END, CASE WHEN n % 20000 = 7 THEN 1 END
    FROM generate_series(1, :n) AS n""",
    """INSERT INTO asset_terms (workspace_id, asset_id, kind, term) SELECT :w, id, kind, term FROM assets,
      LATERAL (VALUES ('TAG', 'tag' || id % 1000), ('TAG', CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END),
        ('WORD', 'asset'), ('WORD', 'word' || id % 5000)) AS terms (kind, term) WHERE workspace_id = :w""",
    """INSERT INTO space_asset_counts (workspace_id, space_id, type, assets)
    SELECT :w, space_id, type, count(*) FROM assets WHERE workspace_id = :w GROUP BY 2, 3""",
    "RESET session_replication_role",
]


async def fill_database(database: Database, workspace: int, other_workspace: int) -> int:
    """Many assets in a workspace that the statistics do not know, beside some of one that they do; answers the middle key."""
    async with database.engine.connect() as connection:
        # What is known of the tables is what this says, and not what autovacuum comes to know while a test runs.
        for table in ("assets", "asset_terms", "spaces"):
            await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
        for owner, count in ((other_workspace, 5_000), (workspace, ASSETS)):
            for statement in FILL:
                values = {name: value for name, value in (("w", owner), ("n", count)) if f":{name}" in statement}
                await connection.execute(text(statement), values)
            if owner == other_workspace:
                await connection.execute(text("ANALYZE"))
        return int((await connection.execute(text("SELECT max(id) FROM assets"))).scalar_one())


async def looked_at(api: Api, workspace: int, query: str, **variables: Any) -> tuple[int, set[str]]:
    """How many blocks the statements of an operation look at, and which tables they read whole."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    blocks, whole = 0, set()
    async with api.database.write(workspace) as transaction:
        for statement, parameters in asked:
            if "assets" not in statement:
                continue
            # Twice: what the first execution sets up is none of the page's cost.
            for _ in range(2):
                [[found]] = await transaction.driver.fetch(
                    f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", *parameters
                )
            plan = found[0]["Plan"]
            blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            whole |= _read_whole(plan)
    return blocks, whole


def _read_whole(plan: dict[str, Any]) -> set[str]:
    mine = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"] else set()
    return mine.union(*(_read_whole(one) for one in plan.get("Plans", ())))


def cursor(key: int) -> str:
    """The cursor of an asset."""
    return reading.NEWEST.cursor(type("Row", (), {"cursor_0": key})())


FILTERS = {
    "": 20,
    "types: [HEADLINE]": 20,
    "types: [HEADLINE, AD_COPY, VIDEO]": 60,
    "types: [OTHER]": 20,
    "types: [OTHER, VIDEO]": 60,
    'tags: ["tag7"]': 1_000,
    'tags: ["even"]': 1_000,
    'tags: ["even", "odd"]': 10_000,
    'tags: ["tag7", "odd"]': 1_500,
    'search: "word77"': 600,
    'search: "asse"': 1_000,
    'search: "asset word77"': 2_000,
    'createdBy: "u7"': 100,
    'createdBy: "nobody"': 20,
    f'sha256: "{"a" * 64}"': 20,
    "includeDeleted: true": 20,
}
"""Filters, with the most blocks of 8 kB that a page may look at, the first one and the hundredth alike. Reading all assets takes
2,000, and all their terms 6,000."""


@pytest.mark.parametrize("which", FILTERS)
async def test_a_page_is_found_by_indexes_wherever_it_stands(
    api: Api, workspace: int, filled: tuple[str, int], which: str
) -> None:
    query = "query ($after: String) { assets(filter: {%s}, first: 50, after: $after) { nodes { name } } }" % which  # noqa: UP031
    first, whole = await looked_at(api, workspace, query)
    assert whole == set()
    assert first <= FILTERS[which]
    late, whole = await looked_at(api, workspace, query, after=cursor(filled[1] - 100 * PAGE))
    assert whole == set()
    assert late <= FILTERS[which]


IN_A_SPACE = {
    "types: [HEADLINE]": (20, 5),
    "types: [HEADLINE, AD_COPY, VIDEO]": (60, 5),
    'tags: ["tag7"]': (1_000, 1_000),
    'tags: ["even"]': (7_000, 7_000),
    'tags: ["tag7", "odd"]': (1_500, 1_500),
    'search: "asse"': (1_000, 7_000),
    'search: "asset word77"': (2_000, 2_000),
}
"""Filters, with the most blocks of a page and of a count in a space of half of the assets. One holds no headlines, one nothing even."""


async def test_pages_and_counts_of_a_space_are_found_by_indexes(
    api: Api, workspace: int, filled: tuple[str, int]
) -> None:
    async with api.database.write(workspace) as transaction:
        spaces = [encode("Space", row.id) for row in await transaction.rows(text("SELECT id FROM spaces"))]
    after = cursor(filled[1] - 100 * PAGE)
    for which, (most, most_counted) in IN_A_SPACE.items():
        page = "query ($id: ID!, $after: String) { space(id: $id) { assets(filter: {%s}, first: 50, after: $after) { nodes { name } } } }"
        count = "query ($id: ID!) { space(id: $id) { assets(filter: {%s}) { totalCount } } }"
        for space_id in spaces:
            first, whole = await looked_at(api, workspace, page % which, id=space_id)
            late, late_whole = await looked_at(api, workspace, page % which, id=space_id, after=after)
            counted, _ = await looked_at(api, workspace, count % which, id=space_id)
            assert (first <= most, late <= most, counted <= most_counted) == (True, True, True), (which, counted)
            assert whole | late_whole == set()


async def test_pages_of_a_space_and_counts(api: Api, workspace: int, filled: tuple[str, int]) -> None:
    async with api.database.write(workspace) as transaction:
        space_id = encode("Space", await transaction.scalar(text("SELECT min(id) FROM spaces")))
    query = (
        "query ($id: ID!, $after: String) { space(id: $id) { assets(first: 50, after: $after) { nodes { name } } } }"
    )
    first, whole = await looked_at(api, workspace, query, id=space_id)
    late, _ = await looked_at(api, workspace, query, id=space_id, after=cursor(filled[1] - 100 * PAGE))
    assert whole == set()
    assert first <= 200
    assert late <= 1.2 * first + 20
    count = "query ($id: ID!) { assets { totalCount } some: assets(filter: {types: [OTHER]}) { totalCount } space(id: $id) { stats { assetCount } } }"
    blocks, _ = await looked_at(api, workspace, count, id=space_id)
    assert blocks <= 30
    found = await api.data(count, id=space_id)
    assert (found["assets"], found["some"], found["space"]["stats"]) == (
        {"totalCount": ASSETS},
        {"totalCount": 5},
        {"assetCount": ASSETS // 2},
    )
    assert PageRequest.of(50, None, None, None).size == PAGE
