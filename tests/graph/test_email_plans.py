"""Under row-level security, as the application's role, pages of e-mail events look at few blocks, whatever is asked for and however many there are."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON, at
from tests.mailings import mailing_of

EVENTS, OTHERS = 8_000, 300
"""Of one recipient, and one each of others."""
MOST_BLOCKS = 60
"""A page of all kinds of events of a recipient is put together from nine; each goes down an index."""


async def write(database: Database, workspace: int) -> dict[str, str]:
    """A mailing with many opens and clicks of people, a minute apart, and older than these one of each rare kind."""
    made = await mailing_of(database, workspace, OTHERS + 1, sent=OTHERS + 1)
    values = {"w": workspace, "m": made.mailing_id, "r": made.recipient_ids[0]}
    columns = "workspace_id, key, mailing_id, recipient_id, type, is_machine, ip_address, occurred_at"
    moment = f"timestamptz '{NOON}' - make_interval(mins => n)"
    statements = (
        f"INSERT INTO email_events ({columns}) SELECT :w, 'k' || n, :m, :r, CASE n % 2 WHEN 0 THEN 'OPEN' ELSE 'CLICK' END, false, "
        f"'10.0.0.1', {moment} FROM generate_series(1, {EVENTS}) AS n",
        f"INSERT INTO email_events ({columns}) SELECT :w, 'other' || id, :m, id, 'OPEN', false, '10.0.0.2', timestamptz '{NOON}' "
        "FROM recipients WHERE workspace_id = :w AND id <> :r",
        f"INSERT INTO email_events ({columns}) SELECT :w, 'rare' || n, :m, :r, CASE n WHEN 1 THEN 'REPLY' ELSE 'OPEN' END, n = 2, "
        f"('10.0.0.' || n + 2)::inet, {moment} - interval '1 year' FROM generate_series(1, 2) AS n",
    )
    async with database.write(workspace) as transaction:
        for statement in statements:
            names = {name: value for name, value in values.items() if f":{name}" in statement}
            await transaction.run(text(statement), names)
    return {"mailing": encode("Mailing", made.mailing_id), "recipient": encode("Recipient", made.recipient_ids[0])}


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, str]:
    """What there is many of, in a workspace that the statistics do not know, beside one that they do."""
    await write(database, other_workspace)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    return await write(database, workspace)


@pytest.fixture
def ids(filled: tuple[str, dict[str, str]]) -> dict[str, str]:
    """What ``fill_database`` answered."""
    return filled[1]


async def blocks(api: Api, workspace: int, query: str, **variables: Any) -> int:
    """How many blocks the statements about events, executed once more, look at."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    found = []
    async with api.database.write(workspace) as transaction:
        for statement, parameters in asked:
            if "FROM email_events" in statement:
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                [[plan]] = await transaction.driver.fetch(explain, *parameters)
                top = plan[0]["Plan"]
                found.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
    assert len(found) == 1
    return int(found[0])


PAGES = (
    "",
    "filter: {types: [REPLY]}",
    "filter: {types: [OPEN, REPLY]}",
    "filter: {types: [OPEN, CLICK, BOUNCE, REPLY, FORWARD, UNSUBSCRIBE, COMPLAIN]}",
    "filter: {isMachine: true}",
    "filter: {isMachine: false}",
    "filter: {isMachine: true, types: [OPEN]}",
    f'filter: {{window: {{from: "{at(minutes=-5000)}", to: "{at(minutes=-4000)}"}}}}',
    f'filter: {{types: [CLICK], window: {{to: "{at(minutes=-7900)}"}}}}',
)


async def test_pages_of_a_mailing_and_of_a_recipient_look_at_few_blocks(
    api: Api, workspace: int, ids: dict[str, str]
) -> None:
    looked_at = {}
    for kind in ("Mailing", "Recipient"):
        for which in (*PAGES, 'filter: {ipAddress: "10.0.0.3"}') if kind == "Mailing" else PAGES:
            for page, columns in (("first: 20", "type data"), ("last: 20", "type occurredAt")):
                arguments = f"{which} {page}"
                fields = f"events({arguments}) {{ nodes {{ {columns} }} pageInfo {{ endCursor }} }}"
                query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {fields} }} }} }}"
                looked_at[kind, arguments] = await blocks(api, workspace, query, id=ids[kind.lower()])
    assert {asked: number for asked, number in looked_at.items() if number > MOST_BLOCKS} == {}


async def test_the_hundredth_page_costs_what_the_first_does(api: Api, workspace: int, ids: dict[str, str]) -> None:
    query = "query ($id: ID!, $after: String) { mailing(id: $id) { events(after: $after) { nodes { type } pageInfo { endCursor } } } }"
    deep = "query ($id: ID!) { mailing(id: $id) { events(last: 3) { pageInfo { startCursor } } } }"
    last = (await api.data(deep, id=ids["mailing"]))["mailing"]["events"]["pageInfo"]["startCursor"]
    assert await blocks(api, workspace, query, id=ids["mailing"], after=last) <= MOST_BLOCKS


async def test_numbers_read_no_events_and_no_recipients(api: Api, ids: dict[str, str], statements: list[str]) -> None:
    query = """query ($id: ID!) { mailing(id: $id) { metrics { emailsOpened opensTotal openRate }
      recipientsByStatus { count } campaign { mailingMetrics { emailsSent clicksTotal } } } }"""
    await api.data(query, id=ids["mailing"])
    assert [one for one in statements if "email_events" in one or "FROM recipients" in one] == []
