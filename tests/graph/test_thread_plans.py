"""A comment with 20,000 replies pages at a flat cost: through its index, first page and late page alike."""

from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.queries import campaigns
from db.queries.engagement import recording
from graph.ids import encode
from tests.api import Api
from tests.facts import NOON, comment, create_campaign

REPLIES = 20_000


async def fill_database(database: Database, workspace: int, other_workspace: int) -> dict[str, str]:
    """A campaign with many top-level comments, of which the first has many replies, and with many likes."""
    async with database.write(workspace) as transaction:
        campaign_id = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
        plain: dict[str, Any] = {"campaign_id": campaign_id, "occurred_at": NOON}
        comments = [
            NewEngagement(
                EngagementType.COMMENT, user_id="u", body="x", key=f"{n}", parent_key="0" if n % 2 else None, **plain
            )
            for n in range(2 * REPLIES)
        ]
        likes = [NewEngagement(EngagementType.LIKE, user_id=f"u{n}", **plain) for n in range(2000)]
        [first, *_] = await recording.record(transaction, [*comments, *likes])
        assert isinstance(first, recording.Recorded)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    return {"campaign": encode("Campaign", campaign_id), "comment": encode("Comment", first.id)}


@pytest.fixture
def thread(filled: tuple[str, dict[str, str]]) -> dict[str, str]:
    """What ``fill_database`` answered."""
    return filled[1]


async def explained(api: Api, workspace: int, query: str, **variables: Any) -> str:
    """The plans of the statements that an operation executes on engagements, as the application's role."""
    asked: list[tuple[str, Any]] = []
    with api.database.watched(lambda *statement: asked.append(statement)):
        await api.data(query, **variables)
    plans = []
    async with api.database.write(workspace) as transaction:
        driver = transaction._lease.driver
        for statement, parameters in asked:
            if "LATERAL" in statement:
                plans += [row[0] for row in await driver.fetch(f"EXPLAIN {statement}", *parameters)]
    return "\n".join(plans)


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("OLDEST", "engagements_replies_idx"),
        ("NEWEST", "engagements_replies_idx"),
        ("MOST_REPLIES", "engagements_replies_by_replies_idx"),
    ],
)
async def test_pages_of_replies(api: Api, workspace: int, thread: dict[str, str], order: str, index: str) -> None:
    query = (
        f"query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on Comment {{ replies(orderBy: {order}, first: 100, after: $after) "
        "{ nodes { body } pageInfo { endCursor } } } } }"
    )
    after = None
    for _ in range(3):
        plan = await explained(api, workspace, query, id=thread["comment"], after=after)
        assert f"using {index}" in plan
        assert "Seq Scan on engagements" not in plan
        assert "Bitmap" not in plan
        after = (await api.data(query, id=thread["comment"], after=after))["node"]["replies"]["pageInfo"]["endCursor"]


@pytest.mark.parametrize(
    ("field", "index"),
    [
        ("comments(orderBy: NEWEST)", "engagements_comments_idx"),
        ("comments(orderBy: OLDEST)", "engagements_comments_idx"),
        ("comments(orderBy: MOST_REPLIES)", "engagements_comments_by_replies_idx"),
        ("engagements", "engagements_time_idx"),
        ("engagements(types: [SAVE])", "engagements_time_idx"),
    ],
)
async def test_pages_of_a_campaign(api: Api, workspace: int, thread: dict[str, str], field: str, index: str) -> None:
    query = f"query ($id: ID!) {{ campaign(id: $id) {{ {field} {{ nodes {{ id }} }} }} }}"
    plan = await explained(api, workspace, query, id=thread["campaign"])
    assert f"using {index}" in plan
    assert "Seq Scan on engagements" not in plan


async def test_totals_read_no_replies(api: Api, thread: dict[str, str], statements: list[str]) -> None:
    query = """query ($campaign: ID!, $comment: ID!) {
      campaign(id: $campaign) { comments { totalCount } engagements(types: [COMMENT]) { totalCount } }
      node(id: $comment) { ... on Comment { replyCount replies { totalCount } } } }"""
    answer = await api.data(query, **thread)
    assert answer == {
        "campaign": {"comments": {"totalCount": REPLIES}, "engagements": {"totalCount": 2 * REPLIES}},
        "node": {"replyCount": REPLIES, "replies": {"totalCount": REPLIES}},
    }
    assert not [statement for statement in statements if "count(*)" in statement]


async def test_a_thread_100_deep_costs_one_statement_a_level(api: Api, statements: list[str]) -> None:
    campaign_id = await create_campaign(api)
    parent = await comment(api, campaign_id, "ada", "0")
    for n in range(1, 100):
        parent = await comment(api, campaign_id, "ada", str(n), parentId=parent)
    query = "{ campaigns { nodes { comments { nodes { body %s } } } } }"
    counted = []
    for levels in (4, 8):
        nested = "replies(first: 1) { nodes { body " * levels + "} }" * levels
        statements.clear()
        await api.data(query % nested.replace("first: 20", "first: 1"))
        counted.append(len(statements))
    assert counted == [2 + 4, 2 + 8]
