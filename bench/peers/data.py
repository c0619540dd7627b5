"""What all contestants read: a workspace of campaigns with impressions and threads, recorded as the API records them.

For the peers there are plain views on it, without tenants: they are spared row-level security and credentials.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
from rich.console import Console
from rich.progress import track

from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.impression_items import NewImpression
from db.queries import campaigns, workspaces
from db.queries.engagement import recording as engagements
from db.queries.impressions import recording as impressions
from graph.ids import encode

WORKSPACE = "bench"
START = datetime(2026, 3, 1, tzinfo=UTC)
CAMPAIGNS = 100
TALKED_ABOUT = 20
"""The campaigns created last, which the nested workloads show."""
IMPRESSIONS = 120
COMMENTS, REPLIES = 12, 3

VIEWS = """
CREATE SCHEMA bench;
CREATE VIEW bench.campaigns AS
  SELECT id, key, name, status, starts_on, ends_on, currency, created_at FROM public.campaigns
  WHERE workspace_id = {workspace};
CREATE VIEW bench.impressions AS
  SELECT id, campaign_id, occurred_at, device_type, clicked, converted FROM public.impressions
  WHERE workspace_id = {workspace};
CREATE VIEW bench.comments AS
  SELECT id, campaign_id, parent_id, body, occurred_at FROM public.engagements
  WHERE workspace_id = {workspace} AND type = 'COMMENT' AND is_listed;
CREATE VIEW bench.metrics AS
  SELECT campaign_id, sum(impressions)::int AS impressions, sum(clicks)::int AS clicks,
    round(100.0 * sum(clicks) / nullif(sum(impressions), 0), 2)::float AS click_through_rate,
    sum(likes)::int AS likes, sum(shares)::int AS shares, sum(comments)::int AS comments
  FROM public.campaign_totals WHERE workspace_id = {workspace} GROUP BY campaign_id;
COMMENT ON VIEW bench.campaigns IS '@primaryKey id';
COMMENT ON VIEW bench.impressions IS
  E'@primaryKey id\\n@foreignKey (campaign_id) references bench.campaigns (id)|@foreignFieldName impressions';
COMMENT ON VIEW bench.comments IS E'@primaryKey id\\n'
  '@foreignKey (campaign_id) references bench.campaigns (id)|@foreignFieldName comments\\n'
  '@foreignKey (parent_id) references bench.comments (id)|@foreignFieldName replies';
COMMENT ON VIEW bench.metrics IS E'@primaryKey campaign_id\\n'
  '@foreignKey (campaign_id) references bench.campaigns (id)|@foreignSingleFieldName metrics';
"""
"""The workspace is spelt out, so that the views have the use of all indexes. The comments are PostGraphile's smart tags."""


async def fill(url: str) -> list[str]:
    """Records everything, and makes the views. Answers the global ids of the campaigns that no nested workload shows."""
    database = Database(url)
    workspace = await workspaces.create(database, WORKSPACE, "Bench", "Europe/Berlin", "EUR")
    quiet = []
    for number in track(range(CAMPAIGNS), description="campaigns, impressions, threads", console=Console(stderr=True)):
        values = {
            "key": f"campaign-{number}",
            "name": f"Campaign {number} of the season",
            "status": "ACTIVE" if number % 3 else "PAUSED",
            "currency": "EUR",
            "starts_on": date(2026, 3, 1) + timedelta(days=number % 28),
            "budget_amount": Decimal("1000.50"),
        }
        async with database.write(workspace) as transaction:
            campaign_id = await campaigns.create(transaction, values)
        async with database.write(workspace) as transaction:
            await impressions.record(transaction, [_impression(campaign_id, n) for n in range(IMPRESSIONS)])
        if number >= CAMPAIGNS - TALKED_ABOUT:
            await _talk(database, workspace, campaign_id)
        else:
            quiet.append(encode("Campaign", campaign_id))
    await database.close()
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    await connection.execute(VIEWS.format(workspace=workspace))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return quiet


def _impression(campaign_id: int, number: int) -> NewImpression:
    at = START + timedelta(minutes=17 * number, milliseconds=campaign_id)
    return NewImpression(
        f"{campaign_id}-{number}",
        campaign_id,
        at,
        user_id=f"u{number % 40}",
        is_viewable=number % 5 != 0,
        clicked_at=at + timedelta(seconds=9) if number % 7 == 0 else None,
        device_type=("phone", "tablet", "desktop", None)[number % 4],
    )


async def _talk(database: Database, workspace: int, campaign_id: int) -> None:
    """Threads four levels deep."""
    above: list[str | None] = [None]
    for depth in range(4):
        each = COMMENTS if depth == 0 else REPLIES
        level = [_comment(campaign_id, depth, n, parent) for parent in above for n in range(each)]
        async with database.write(workspace) as transaction:
            for done in await engagements.record(transaction, level):
                if not isinstance(done, engagements.Recorded):
                    raise RuntimeError(done.message)
        above = [item.key for item in level]


def _comment(campaign_id: int, depth: int, number: int, parent: str | None) -> NewEngagement:
    at = START + timedelta(days=2 + depth, minutes=number, milliseconds=campaign_id)
    key = f"{parent or campaign_id}.{number}"
    words = f"What I think of it: part {number} of {key}, “quoted” and all."
    return NewEngagement(EngagementType.COMMENT, campaign_id, f"u{number}", at, key=key, body=words, parent_key=parent)
