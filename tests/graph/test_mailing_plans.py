"""Under row-level security, as the application's role, recipients of a large mailing are found in few blocks."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api
from tests.graph.test_campaigns import cursor
from tests.mailings import mailing_of

ROWS = 100_000
RARE = 77_777
FEW_BLOCKS = 300
"""Where somebody is searched for, most of them are of the words; all recipients together have thousands."""


async def write(database: Database, workspace: int, rows: int) -> int:
    """The key of a mailing to many: to two it is uncertain, at three it bounced, every 500th has not opened it; all have one word, and one
    of them another."""
    made = await mailing_of(database, workspace, 0, status="COMPLETED")
    values = {"w": workspace, "mailing": made.mailing_id, "rows": rows}
    then = "timestamptz '2026-03-01 12:00Z'"
    statements = (
        "INSERT INTO leads (workspace_id, email, address) SELECT :w, n || '@plan.example', n || '@plan.example' "
        "FROM generate_series(1, :rows) AS n",
        "INSERT INTO lead_words (workspace_id, lead_id, word) SELECT workspace_id, id, 'plan' FROM leads WHERE workspace_id = :w",
        "INSERT INTO lead_words (workspace_id, lead_id, word) SELECT workspace_id, id, 'rare' FROM leads "
        f"WHERE workspace_id = :w AND address = '{RARE}@plan.example'",
        "INSERT INTO recipients (workspace_id, mailing_id, lead_id, email_address, address, intent_at, queued_at, uncertain_at, sent_at, "
        f"opened_at, bounced_at) SELECT :w, :mailing, id, email, address, {then}, {then}, CASE WHEN n <= 2 THEN {then} END, "
        f"CASE WHEN n > 2 THEN {then} END, CASE WHEN n > 2 AND n % 500 > 0 THEN {then} END, CASE WHEN n BETWEEN 3 AND 5 THEN {then} END "
        "FROM leads, CAST(split_part(address, '@', 1) AS int) AS n WHERE workspace_id = :w ORDER BY n",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            await transaction.run(text(statement), values)
    return made.mailing_id


async def fill_database(database: Database, workspace: int, other_workspace: int) -> tuple[str, int]:
    """The id of a mailing to many, in a workspace that the statistics do not know beside one that they do, and its first key."""
    await write(database, other_workspace, 5_000)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    mailing_id = await write(database, workspace, ROWS)
    async with database.write(workspace) as transaction:
        first = await transaction.scalar(text("SELECT min(id) FROM recipients"))
    return encode("Mailing", mailing_id), int(first)


@pytest.fixture
def made(filled: tuple[str, tuple[str, int]]) -> tuple[str, int]:
    """What ``fill_database`` answered."""
    return filled[1]


async def read(api: Api, workspace: int, query: str, **variables: Any) -> tuple[Any, dict[str, Any]]:
    """The recipients that a query answers, and how its statement about them was executed."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        answer = await api.data(query, **variables)
    [(statement, parameters)] = [one for one in asked if "FROM recipients" in one[0]]
    values = ", ".join(map(literal, parameters))
    async with api.database.write(workspace) as transaction:
        # As it is planned in the end: once, for whatever it is asked with.
        await transaction.run(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        await transaction.driver.execute(f"PREPARE asked AS {statement}")
        [found] = await transaction.driver.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({values})")
        await transaction.driver.execute("DEALLOCATE asked")
    return answer["mailing"]["recipients"], found["Plan"]


def literal(value: Any) -> str:
    """A parameter as SQL."""
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(literal, value))}]"
    return str(value) if isinstance(value, int) else f"'{value}'"


def blocks(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


PAGE = """query ($id: ID!, $filter: RecipientFilter, $after: String, $before: String, $first: Int, $last: Int) { mailing(id: $id) {
  recipients(filter: $filter, first: $first, after: $after, last: $last, before: $before) { nodes { emailAddress status } } } }"""
EVERY = list(range(1, ROWS + 1))
UNOPENED = [n for n in EVERY if n % 500 == 0]
LISTS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, EVERY),
    ({"status": ["SENT"]}, EVERY[5:]),
    ({"status": ["BOUNCED"]}, [3, 4, 5]),
    ({"status": ["UNCERTAIN", "BOUNCED", "SENT"]}, EVERY),
    ({"unopened": True}, UNOPENED),
    ({"unopened": True, "status": ["SENT"]}, UNOPENED),
    ({"unopened": True, "status": ["SENT", "UNSUBSCRIBED", "FAILED"]}, UNOPENED),
    ({"search": "plan"}, EVERY),
    ({"search": "plan", "unopened": True}, UNOPENED),
    ({"search": "rare"}, [RARE]),
    ({"search": "plan", "status": ["BOUNCED", "UNCERTAIN"]}, EVERY[:5]),
]


async def test_pages_of_a_large_mailing_read_few_blocks(api: Api, workspace: int, made: tuple[str, int]) -> None:
    mailing_id, first_id = made
    middle = 50_000
    position = cursor("recipients:oldest", first_id + middle - 1)
    for filter_, expected in LISTS:
        asked = (
            ({"first": 20}, expected[:20]),
            ({"first": 20, "after": position}, [n for n in expected if n > middle][:20]),
            ({"last": 20, "before": position}, [n for n in expected if n < middle][-20:]),
        )
        for arguments, numbers in asked:
            answer, plan = await read(api, workspace, PAGE, id=mailing_id, filter=filter_, **arguments)
            assert [node["emailAddress"] for node in answer["nodes"]] == [f"{n}@plan.example" for n in numbers]
            assert blocks(plan) <= FEW_BLOCKS, (filter_, arguments)
