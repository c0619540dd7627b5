"""The dashboard with conversations: one statement a level, whatever the number of rows, and only what is asked for."""

from typing import Any

from sqlalchemy import text

from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.impression_items import NewImpression
from db.queries import campaigns
from db.queries.engagement import recording
from db.queries.impressions import recording as impressions
from tests.api import Api
from tests.facts import NOON

DASHBOARD = """query ($campaigns: Int!, $impressions: Int!, $comments: Int!, $replies: Int!) {
  campaigns(first: $campaigns) { nodes {
    id name
    impressions(first: $impressions) { nodes { key engagements { nodes { type } } } }
    engagements(first: 5) { totalCount nodes { type actor { userId } ... on Comment { body } } }
    topEngagers(first: 3) { actor { userId } engagements }
    comments(first: $comments) { totalCount nodes {
      body replyCount descendantCount actor { userId } root { id }
      replies(first: $replies) { totalCount nodes { body parent { body } } }
    } }
    metrics { impressions likes comments engagements engagementRate engagedImpressionRate }
} } }"""


async def fill(database: Database, workspace: int) -> None:
    for number in range(20):
        async with database.write(workspace) as transaction:
            campaign_id = await campaigns.create(
                transaction, {"name": f"C{number}", "status": "ACTIVE", "currency": "EUR"}
            )
            seen = [NewImpression(f"{number}-{n}", campaign_id, NOON) for n in range(50)]
            await impressions.record(transaction, seen)
            found = await transaction.rows(text(f"SELECT id FROM impressions WHERE campaign_id = {campaign_id}"))
            likes = [
                NewEngagement(EngagementType.LIKE, campaign_id, f"u{n}", NOON, impression_id=row.id)
                for n, row in enumerate(found)
            ]
            await recording.record(transaction, [*likes, *conversation(campaign_id, number)])


def conversation(campaign_id: int, number: int) -> list[NewEngagement]:
    """Ten comments with three replies each."""
    return [
        NewEngagement(
            EngagementType.COMMENT,
            campaign_id,
            "ada",
            NOON,
            key=f"{number}-{top}-{reply}",
            body="Text",
            parent_key=f"{number}-{top}-0" if reply else None,
        )
        for top in range(10)
        for reply in range(4)
    ]


async def test_the_dashboard_costs_one_statement_a_level_for_n_and_2n(
    api: Api, database: Database, workspace: int, statements: list[str]
) -> None:
    await fill(database, workspace)
    await api.data("{ campaigns { totalCount } }")  # looks the workspace up, once
    counted = []
    for one in (1, 2):
        statements.clear()
        sizes: dict[str, Any] = {
            "campaigns": 10 * one,
            "impressions": 25 * one,
            "comments": 5 * one,
            "replies": one + 1,
        }
        nodes = (await api.data(DASHBOARD, **sizes))["campaigns"]["nodes"]
        assert [len(node["comments"]["nodes"]) for node in nodes] == [5 * one] * 10 * one
        assert {len(c["replies"]["nodes"]) for node in nodes for c in node["comments"]["nodes"]} == {one + 1}
        assert nodes[0]["metrics"]["engagements"] == 90
        counted.append(len(statements))
    # campaigns; impressions and what they led to; engagements and their number; top engagers; comments and their
    # number, roots, replies and their number, parents; metrics
    assert counted == [13, 13]


async def test_likes_read_what_likes_need(api: Api, database: Database, workspace: int, statements: list[str]) -> None:
    await fill(database, workspace)
    await api.data("{ campaigns { totalCount } }")  # looks the workspace up, once
    statements.clear()
    await api.data("{ campaigns { edges { node { metrics { likes } } } } }")
    [_, read] = statements
    assert "campaign_totals.likes" in read
    assert not [name for name in ("shares", "comments", "impressions", "engagements", "currency") if name in read]
