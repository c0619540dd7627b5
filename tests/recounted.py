"""Followers with interactions, ways to spoil what is kept of them, and what it has to be: recounted in Python."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from db.engine import Database
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import COUNTERS, DIGIT_BITS, SCORE_LEVELS, InteractionType, score_of
from db.models.platforms import Platform
from db.queries.followers.recounting import BATCH, Standing
from db.queries.interactions import recording
from jobs.recounts import changes_of, recount
from tests.facts import NOON

ZONE = ZoneInfo("Europe/Berlin")


def did(key: str, who: str, kind: InteractionType = InteractionType.LIKE, **ago: float) -> NewInteraction:
    """Something that a follower on YouTube did so long after noon."""
    return NewInteraction(key, Platform.YOUTUBE, kind, NOON + timedelta(**ago), who, who)


async def record(database: Database, workspace: int, *items: NewInteraction) -> None:
    """Records them in one transaction."""
    async with database.write(workspace) as transaction:
        await recording.record(transaction, items)


async def spoil(database: Database, sql: str, **values: Any) -> None:
    """Changes what nothing of ours would, past row-level security."""
    async with database.engine.connect() as connection:
        done = await connection.execute(text(sql), values)
        assert done.rowcount > 0


async def read(database: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows, past row-level security."""
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(sql), values)]


async def waits(database: Database) -> None:
    """Returns once somebody waits for what another transaction holds."""
    while await read(database, "SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def recounts(database: Database) -> list[tuple[Any, ...]]:
    """Followers, differed, dropped, tiers dropped, ranks differed and whether it is finished, of all recounts in order."""
    columns = "followers, differed, dropped, tiers_dropped, ranks_differed, finished_at IS NOT NULL"
    return await read(database, f"SELECT {columns} FROM score_recounts ORDER BY id")


async def begun(database: Database, workspace: int) -> int:
    """The id of a new recount."""
    async with database.write(workspace) as transaction:
        return int(
            await transaction.scalar(
                text("INSERT INTO score_recounts (workspace_id) VALUES (:w) RETURNING id"), {"w": workspace}
            )
        )


async def recounted(database: Database, workspace: int, *, size: int = BATCH) -> Standing:
    """How a new recount stands at its end."""
    recount_id = await begun(database, workspace)
    standing = await recount(changes_of(database, workspace), workspace, recount_id, size=size)
    assert standing is not None
    return standing


async def kept(database: Database, workspace: int) -> dict[str, Any]:
    """What is kept of the followers of a workspace: counts and times, weeks, and followers by level and bucket."""
    names = ", ".join(COUNTERS.values())
    followers = await read(
        database,
        f"SELECT external_id, {names}, score, first_seen_at, last_seen_at FROM followers WHERE workspace_id = :w",
        w=workspace,
    )
    weeks = await read(
        database,
        "SELECT external_id, week FROM follower_weeks w JOIN followers f ON f.id = follower_id WHERE f.workspace_id = :w",
        w=workspace,
    )
    counts = await read(
        database,
        "SELECT level, bucket, sum(followers)::int FROM follower_score_counts WHERE workspace_id = :w "
        "GROUP BY level, bucket HAVING sum(followers) <> 0",
        w=workspace,
    )
    return {
        "followers": {name: tuple(rest) for name, *rest in followers},
        "weeks": set(weeks),
        "counts": {(level, bucket): count for level, bucket, count in counts},
    }


def due(items: Iterable[NewInteraction]) -> dict[str, Any]:
    """What is to be kept after these interactions, each key of which is there once."""
    by_follower: dict[str, list[NewInteraction]] = {}
    for item in items:
        by_follower.setdefault(item.external_id, []).append(item)
    followers, weeks, counts = {}, set[tuple[str, date]](), Counter[tuple[int, int]]()
    for name, mine in by_follower.items():
        found = Counter(item.type for item in mine)
        moments = [item.occurred_at for item in mine]
        score = score_of(found)
        followers[name] = (*(found[kind] for kind in COUNTERS), score, min(moments), max(moments))
        weeks |= {(name, _monday(moment)) for moment in moments}
        counts.update((level, score >> DIGIT_BITS * level) for level in range(SCORE_LEVELS))
    return {"followers": followers, "weeks": weeks, "counts": dict(counts)}


def _monday(moment: datetime) -> date:
    day = moment.astimezone(UTC).astimezone(ZONE).date()
    return day - timedelta(days=day.weekday())
