"""Under row-level security, as the application's role, pages and look-ups go through their indexes."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.impression_items import NewImpression
from db.queries import campaigns
from db.queries.impressions import recording
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON, at, update

ROWS = 20_000
pytestmark = pytest.mark.usefixtures("written_at_once")


async def fill_database(database: Database, workspace: int, other_workspace: int) -> str:
    """A campaign with many impressions, of which few are clicked, beside a workspace that the statistics know."""
    for owner in (other_workspace, workspace):
        async with database.write(owner) as transaction:
            made = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
            items = [
                NewImpression(f"k{n}", made, NOON, user_id=f"u{n % 5000}", clicked_at=NOON if n % 4000 == 0 else None)
                for n in range(ROWS)
            ]
            await recording.record(transaction, items)
        if owner == other_workspace:
            async with database.engine.connect() as connection:
                await connection.execute(text("ANALYZE"))
    return encode("Campaign", made)


@pytest.fixture
def campaign_id(filled: tuple[str, str]) -> str:
    """What ``fill_database`` answered."""
    return filled[1]


async def plans(api: Api, workspace: int, asked: list[tuple[str, Any]]) -> str:
    """What PostgreSQL would do for some statements, bound to the workspace and its role."""
    found = []
    async with api.database.write(workspace) as transaction:
        driver = transaction._lease.driver
        for statement, parameters in asked:
            if "impressions" in statement:
                found += [row[0] for row in await driver.fetch(f"EXPLAIN {statement}", *parameters)]
    return "\n".join(found)


async def explained(api: Api, workspace: int, query: str, **variables: Any) -> str:
    """The plans of the statements that an operation executes."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    return await plans(api, workspace, asked)


@pytest.mark.parametrize(
    ("arguments", "index"),
    [
        ("first: 20", "Index Scan Backward using impressions_time_idx"),
        ("last: 20", "Index Scan using impressions_time_idx"),
        ("filter: {clicked: true}", "impressions_clicked_idx"),
        ("filter: {converted: true}", "impressions_converted_idx"),
        ('filter: {userId: "u7"}', "impressions_user_idx"),
    ],
)
async def test_a_page_goes_through_its_index(
    api: Api, workspace: int, campaign_id: str, arguments: str, index: str
) -> None:
    query = f"query ($id: ID!) {{ campaign(id: $id) {{ impressions({arguments}) {{ nodes {{ key }} }} }} }}"
    plan = await explained(api, workspace, query, id=campaign_id)
    assert index in plan
    assert "Seq Scan on impressions" not in plan


async def test_a_look_up_by_key_does_not_read_the_workspace(api: Api, workspace: int, campaign_id: str) -> None:
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await update(api, *({"key": f"k{n}", "clickedAt": at()} for n in range(500)))
    looked_up = [one for one in asked if one[0].startswith("SELECT impressions.id, impressions.campaign_id \n")]
    plan = await plans(api, workspace, looked_up)
    assert "impressions_workspace_id_key_key" in plan
    assert "key = ANY" in plan.split("Index Cond:")[1]
