"""Under row-level security, as the application's role, leads are found by indexes, however many there are."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.lead_items import NewLead
from db.queries.leads import writing
from graph.ids import encode
from tests.api import Api
from tests.graph.test_campaigns import cursor

ROWS = 10_000
MOST_BLOCKS = 400
"""Of 8 KiB, of some thousand that all leads and their words are. It is no more with 100,000 leads."""


async def write(database: Database, workspace: int) -> None:
    """Leads with a word of their own and two that all have."""
    statements = (
        "INSERT INTO leads (workspace_id, key, email, address, name) SELECT :w, 'k' || n, mail, mail, 'user' || n "
        f"FROM generate_series(1, {ROWS}) AS n, LATERAL (SELECT 'user' || n || '@example.com' AS mail) AS mails",
        "INSERT INTO lead_words (workspace_id, lead_id, word) SELECT :w, id, word "
        "FROM leads, unnest(ARRAY[name, key, email, 'example', 'com']) AS word WHERE workspace_id = :w",
        "INSERT INTO suppressions (workspace_id, address, reason, since) SELECT :w, address, 'BOUNCED', now() FROM leads "
        "WHERE workspace_id = :w AND id % 10 = 0",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            await transaction.run(text(statement), {"w": workspace})


async def fill_database(database: Database, workspace: int, other_workspace: int) -> int:
    """The key of the oldest of many, in a workspace that the statistics do not know, beside a small one that they do."""
    async with database.write(other_workspace) as transaction:
        await writing.upsert(transaction, {n: NewLead(f"k{n}", f"a{n}@example.com", {}) for n in range(50)})
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE leads, lead_words, suppressions"))
    await write(database, workspace)
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text("SELECT min(id) FROM leads")))


@pytest.fixture
def first_id(filled: tuple[str, int]) -> int:
    """What ``fill_database`` answered."""
    return filled[1]


async def blocks(database: Database, workspace: int, statement: str, parameters: Any) -> int:
    """How many blocks a statement looks at."""
    async with database.write(workspace) as transaction:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        [row] = await transaction.driver.fetch(explain, *parameters)
        plan = row[0][0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def looked_at(api: Api, workspace: int, query: str, **variables: Any) -> list[int]:
    """How many blocks each statement about leads looks at that an operation executes."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    return [await blocks(api.database, workspace, *one) for one in asked if "lead" in one[0] and "SELECT" in one[0]]


SEARCHES = {
    "": ROWS,
    "user77": 111,
    "USER7777@example.com": 1,
    "k7777 user7777": 1,
    "example": ROWS,
    "com example user7777": 1,
    "nobody": 0,
}


async def test_pages_of_leads_look_at_few_blocks_whatever_is_searched(api: Api, workspace: int, first_id: int) -> None:
    query = "query ($s: String, $a: String) { leads(search: $s, after: $a) { nodes { name suppression { reason } } } }"
    middle = cursor("leads:newest", first_id + ROWS // 2)
    found = {}
    for search in SEARCHES:
        for after in (None, middle):
            found[search, after] = max(await looked_at(api, workspace, query, s=search, a=after))
    assert {which: number for which, number in found.items() if number > MOST_BLOCKS} == {}


async def test_searches_count_what_they_find(api: Api, first_id: int) -> None:
    query = "query ($s: String) { leads(search: $s) { totalCount } }"
    counted = {search: (await api.data(query, s=search))["leads"]["totalCount"] for search in SEARCHES}
    assert counted == SEARCHES


async def test_leads_are_found_and_written_by_indexes(api: Api, workspace: int, first_id: int) -> None:
    ids = [encode("Lead", first_id + 7 * number) for number in range(50)]
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Lead { email suppression { reason } } } }"
    assert max(await looked_at(api, workspace, nodes, ids=ids)) < MOST_BLOCKS
    leads = [{"email": f"user{7 * n}@example.com", "key": f"k{7 * n}"} for n in range(1, 51)]
    upsert = "mutation ($leads: [LeadInput!]!) { upsertLeads(input: {leads: $leads}) { updated } }"
    assert max(await looked_at(api, workspace, upsert, leads=leads)) < 2 * MOST_BLOCKS
