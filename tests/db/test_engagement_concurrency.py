"""Many writers of everything on one campaign neither deadlock nor lose a count."""

import asyncio
import random
from datetime import timedelta

from sqlalchemy import text

from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.impression_items import ImpressionChange, NewImpression
from db.queries.engagement import recording, removing
from db.queries.impressions import recording as impressions
from db.queries.impressions import updating
from tests.db.test_engagement_history import BASE, History

WRITERS = 32


async def test_32_writers_of_likes_comments_and_batches(database_url: str, workspace: int) -> None:
    database = Database(database_url, size=WRITERS, overflow=0)
    history = await History.begin(database, workspace, 0)
    campaign_id, links = history.campaign_id, history.links
    async with database.write(workspace) as transaction:
        roots = [
            NewEngagement(EngagementType.COMMENT, campaign_id, "root", BASE, key=f"root-{n}", body="Root")
            for n in range(3)
        ]
        await recording.record(transaction, roots)

    async def write(writer: int) -> None:
        rng = random.Random(writer)
        for turn in range(4):
            liker = f"u{rng.randrange(6)}"
            like = NewEngagement(
                EngagementType.LIKE,
                campaign_id,
                liker,
                BASE + timedelta(minutes=turn),
                impression_id=rng.choice([None, *links]),
            )
            async with database.write(workspace) as transaction:
                await recording.record(transaction, [like])
            async with database.write(workspace) as transaction:
                keys = [f"c{rng.randrange(12)}" for _ in range(4)]
                parents = [rng.choice(["root-0", "root-1", "root-2", *keys]) for _ in keys]
                batch = [
                    NewEngagement(
                        EngagementType.COMMENT, campaign_id, f"w{writer}", BASE, key=key, body="Text", parent_key=parent
                    )
                    for key, parent in zip(keys, parents, strict=True)
                ]
                await recording.record(transaction, batch)
            async with database.write(workspace) as transaction:
                await removing.take_back(transaction, campaign_id, EngagementType.LIKE, (liker, None, None))
            async with database.write(workspace) as transaction:
                items = [NewImpression(f"{writer}-{turn}-{n}", campaign_id, BASE, user_id=f"u{n}") for n in range(5)]
                await impressions.record(transaction, items)
            async with database.write(workspace) as transaction:
                await updating.update(transaction, {0: ImpressionChange(id=rng.choice(links), clicked_at=BASE)})
            await history.play("delete", 0)

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    await history.check([])
    reads = database.reads(workspace)
    [[deadlocks]] = await reads.rows(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    [[comments]] = await reads.rows(text("SELECT count(*) FROM engagements WHERE type = 'COMMENT'"))
    assert deadlocks == 0
    assert comments > 5
    await reads.close()
    await database.close()
