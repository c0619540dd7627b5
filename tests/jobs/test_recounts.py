"""A recount finds and corrects whatever is not as the interactions make it, while more of them come in, and tells of it."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from db.engine import Database
from db.models.interaction_kinds import InteractionType
from db.queries.followers import recounting
from db.queries.followers.recounting import Standing
from db.queries.interactions import recording
from jobs.recounts import changes_of, recount
from tests.recounted import begun, did, due, kept, read, record, recounted, recounts, spoil, waits

ITEMS = (
    did("a1", "ada", InteractionType.LINK_CLICK, days=-20),
    did("a2", "ada", InteractionType.COMMENT, days=-2),
    did("b1", "bob", InteractionType.SHARE, days=-9),
    did("b2", "bob", InteractionType.LIKE),
    did("c1", "cyd", InteractionType.LIKE, hours=-1),
)
"""Ada has a score of 20, Bob of 11, Cyd of 1."""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
async def followers(database: Database, workspace: int) -> dict[str, int]:
    """The ids of Ada, Bob and Cyd, in this order."""
    for item in ITEMS:
        await record(database, workspace, item)
    return dict(await read(database, "SELECT external_id, id FROM followers ORDER BY id"))


async def heard(database: Database, workspace: int, **options: Any) -> tuple[Standing, list[dict[str, Any]]]:
    """How a recount stands at its end, and the warnings that it logged."""
    with capture_logs() as logs:
        standing = await recounted(database, workspace, **options)
    names = ("log_level", "workspace", "recount")
    assert all(line["workspace"] == workspace for line in logs)
    return standing, [
        {name: value for name, value in line.items() if name not in names}
        for line in logs
        if line["log_level"] == "warning"
    ]


async def test_what_is_right_is_not_touched(database: Database, workspace: int, followers: dict[str, int]) -> None:
    tables = ("followers", "follower_weeks", "follower_score_counts")
    rows = " UNION ALL ".join(f"SELECT '{table}', ctid::text, xmin::text, xmax::text FROM {table}" for table in tables)
    before = sorted(await read(database, rows))
    assert await heard(database, workspace) == (Standing(len(followers), 0, 0, 0, 0, finished=True), [])
    # Neither written nor locked.
    assert sorted(await read(database, rows)) == before
    assert await kept(database, workspace) == due(ITEMS)


async def test_a_score_that_is_too_high_drops(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "UPDATE followers SET shares = 9, calculated_at = '2020-01-01' WHERE external_id = 'ada'")
    standing, told = await heard(database, workspace)
    # Its score was never counted as 110: the counts of 110, of 20 and of two buckets of 16 scores follow.
    assert standing == Standing(3, 1, 1, 1, 4, finished=True)
    scores = {"score_before": 110, "score_after": 20, "tier_before": "ACTIVE", "tier_after": "LURKER"}
    assert told == [
        {"event": "score differed from its ledger", "follower": followers["ada"], **scores},
        {"event": "score dropped", "follower": followers["ada"], **scores},
        {"event": "counts of followers by score differed from the followers", "counts": 4},
    ]
    assert await kept(database, workspace) == due(ITEMS)
    assert await recounts(database) == [(3, 1, 1, 1, 4, True)]
    recent = "SELECT external_id FROM followers WHERE calculated_at > '2020-01-01' AND external_id = 'ada'"
    assert await read(database, recent) == [("ada",)]


async def test_a_score_that_is_too_low_rises(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "UPDATE followers SET shares = 0 WHERE external_id = 'bob'")
    standing, told = await heard(database, workspace)
    assert (standing.differed, standing.dropped, standing.tiers_dropped) == (1, 0, 0)
    assert told[0] == {
        "event": "score differed from its ledger",
        "follower": followers["bob"],
        "score_before": 1,
        "score_after": 11,
        "tier_before": "INACTIVE",
        "tier_after": "LURKER",
    }
    assert [line["event"] for line in told[1:]] == ["counts of followers by score differed from the followers"]
    assert await kept(database, workspace) == due(ITEMS)


async def test_a_drop_within_a_tier(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "UPDATE followers SET likes = 3 WHERE id = :id", id=followers["cyd"])
    standing, told = await heard(database, workspace)
    assert (standing.differed, standing.dropped, standing.tiers_dropped) == (1, 1, 0)
    assert [(line["event"], line.get("tier_after")) for line in told[:2]] == [
        ("score differed from its ledger", "INACTIVE"),
        ("score dropped", "INACTIVE"),
    ]


async def test_parts_that_make_up_for_each_other(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "UPDATE followers SET shares = 0, comments = 2 WHERE id = :id", id=followers["bob"])
    standing, told = await heard(database, workspace)
    assert standing == Standing(3, 1, 0, 0, 0, finished=True)
    assert [(line["event"], line["score_before"], line["score_after"]) for line in told] == [
        ("score differed from its ledger", 11, 11)
    ]
    assert await kept(database, workspace) == due(ITEMS)


async def test_times_and_weeks(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "UPDATE followers SET first_seen_at = '2020-01-01' WHERE id = :id", id=followers["ada"])
    await spoil(database, "DELETE FROM follower_weeks WHERE follower_id = :id", id=followers["bob"])
    more = "INSERT INTO follower_weeks SELECT workspace_id, follower_id, '2020-01-06' FROM follower_weeks WHERE follower_id = :id"
    await spoil(database, more, id=followers["cyd"])
    standing, told = await heard(database, workspace)
    assert standing == Standing(3, 1, 0, 0, 0, finished=True)
    assert [line["event"] for line in told] == [
        "times differed from their ledger",
        "weeks of followers differed from their ledger",
    ]
    assert told[1]["weeks"] == 3
    assert await kept(database, workspace) == due(ITEMS)


async def test_a_follower_who_did_nothing(database: Database, workspace: int, followers: dict[str, int]) -> None:
    await spoil(database, "DELETE FROM interactions WHERE follower_id = :id", id=followers["ada"])
    standing, _ = await heard(database, workspace)
    assert standing == Standing(3, 1, 1, 1, 0, finished=True)
    found = await kept(database, workspace)
    times = (ITEMS[0].occurred_at, ITEMS[1].occurred_at)
    assert found["followers"].pop("ada") == (0, 0, 0, 0, 0, 0, 0, *times)
    assert found == due(ITEMS[2:])


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ("UPDATE follower_score_counts SET followers = followers + 5 WHERE level = 1", 2),
        ("DELETE FROM follower_score_counts", 11),
        (
            "INSERT INTO follower_score_counts (workspace_id, level, bucket, slot, followers) SELECT workspace_id, 0, 777, 1, 3 FROM followers LIMIT 1",
            1,
        ),
    ],
)
async def test_counts_by_score(
    database: Database, workspace: int, followers: dict[str, int], change: str, counts: int
) -> None:
    assert followers
    await spoil(database, change)
    standing, told = await heard(database, workspace)
    assert standing == Standing(3, 0, 0, 0, counts, finished=True)
    assert told == [{"event": "counts of followers by score differed from the followers", "counts": counts}]
    assert await kept(database, workspace) == due(ITEMS)
    assert await heard(database, workspace) == (Standing(3, 0, 0, 0, 0, finished=True), [])


async def test_other_workspaces_are_not_looked_at(
    database: Database, workspace: int, other_workspace: int, followers: dict[str, int]
) -> None:
    await record(database, other_workspace, did("a1", "ada"))
    await spoil(database, "UPDATE followers SET likes = 8 WHERE workspace_id = :w", w=other_workspace)
    assert (await recounted(database, workspace)).followers == len(followers)
    assert await read(database, "SELECT score FROM followers WHERE workspace_id = :w", w=other_workspace) == [(8,)]
    recount_id = await begun(database, other_workspace)
    assert await recount(changes_of(database, workspace), workspace, recount_id) is None


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_it_goes_on_where_it_was_stopped(
    database: Database, workspace: int, followers: dict[str, int], steps: int
) -> None:
    await spoil(database, "UPDATE followers SET likes = likes + 1")
    change, recount_id = changes_of(database, workspace), await begun(database, workspace)
    taken: list[Standing] = []
    stopped = await recount(change, workspace, recount_id, lambda: len(taken) == steps, taken.append, size=1)
    assert stopped == taken[-1]
    assert [(one.followers, one.differed, one.finished) for one in taken] == [
        (number + 1, number + 1, False) for number in range(steps)
    ]
    after = "SELECT last_follower_id FROM score_recounts"
    assert await read(database, after) == [(list(followers.values())[steps - 1],)]
    ended = await recount(change, workspace, recount_id, size=1)
    assert ended is not None
    assert (ended.followers, ended.differed, ended.dropped, ended.finished) == (3, 3, 3, True)
    assert await kept(database, workspace) == due(ITEMS)
    # It is not begun anew.
    assert await recount(change, workspace, recount_id) == ended
    assert len(await recounts(database)) == 1


class Broken(Exception):
    """What interrupts a transaction in these tests."""


async def test_a_step_is_done_whole_or_not_at_all(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    await spoil(database, "UPDATE followers SET likes = 9 WHERE id = :id", id=followers["ada"])
    spoilt, recount_id = await kept(database, workspace), await begun(database, workspace)
    with suppress(Broken):
        async with database.write(workspace) as transaction:
            assert await recounting.step(transaction, recount_id)
            raise Broken
    assert await recounts(database) == [(0, 0, 0, 0, 0, False)]
    assert await kept(database, workspace) == spoilt
    await recount(changes_of(database, workspace), workspace, recount_id)
    assert await kept(database, workspace) == due(ITEMS)


async def test_several_at_once_correct_everything_once(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    await spoil(database, "UPDATE followers SET likes = likes + 10")
    await spoil(database, "UPDATE follower_score_counts SET followers = followers + 1")
    change, recount_id = changes_of(database, workspace), await begun(database, workspace)
    together = [recount(change, workspace, recount_id, size=1) for _ in range(3)]
    alone = [recounted(database, workspace, size=1) for _ in range(3)]
    await asyncio.gather(*together, *alone)
    rows = await recounts(database)
    assert [row[0] for row in rows] == [len(followers)] * 4
    assert sum(row[1] for row in rows) == len(followers)
    assert await kept(database, workspace) == due(ITEMS)
    assert await read(database, DEADLOCKS) == [(0,)]


async def test_counts_are_corrected_by_one_at_a_time(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    assert followers
    await spoil(database, "UPDATE follower_score_counts SET followers = followers + 1 WHERE level = 0")
    recount_id = await begun(database, workspace)
    async with database.write(workspace) as transaction:
        found = [await recounting.step(transaction, recount_id) for _ in range(2)]
        running = asyncio.create_task(recounted(database, workspace))
        await waits(database)
    # Those of 20, 11 and 1, and of 15 and 10, where nobody is any more.
    assert [step.ranks for step in found if step is not None] == [0, 5]
    assert (await running).ranks_differed == 0
    assert await kept(database, workspace) == due(ITEMS)


async def test_what_is_right_is_recounted_while_it_is_recorded(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    async with database.write(workspace) as transaction:
        await recording.record(transaction, [did("a3", "ada"), did("d1", "dan")])
        # Nobody is waited for.
        assert await recounted(database, workspace) == Standing(len(followers), 0, 0, 0, 0, finished=True)
    assert await recounted(database, workspace) == Standing(4, 0, 0, 0, 0, finished=True)


async def test_what_is_wrong_is_corrected_behind_who_records(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    await spoil(database, "UPDATE followers SET likes = 9 WHERE id = :id", id=followers["ada"])
    new = did("a3", "ada", InteractionType.SAVE)
    async with database.write(workspace) as transaction:
        await recording.record(transaction, [new])
        running = asyncio.create_task(recounted(database, workspace))
        await waits(database)
    standing = await running
    assert (standing.differed, standing.dropped) == (1, 1)
    assert await kept(database, workspace) == due([*ITEMS, new])


async def test_who_records_comes_behind_what_is_corrected(
    database: Database, workspace: int, followers: dict[str, int]
) -> None:
    await spoil(database, "UPDATE followers SET likes = 9 WHERE id = :id", id=followers["ada"])
    recount_id, new = await begun(database, workspace), did("a3", "ada", InteractionType.SAVE)
    async with database.write(workspace) as transaction:
        await recounting.step(transaction, recount_id)
        running = asyncio.create_task(record(database, workspace, new))
        await waits(database)
    await running
    standing = await recount(changes_of(database, workspace), workspace, recount_id)
    assert standing is not None
    assert (standing.differed, standing.dropped) == (1, 1)
    assert await kept(database, workspace) == due([*ITEMS, new])


@pytest.mark.parametrize("spoilt", [False, True])
async def test_recounts_among_many_who_record(database: Database, workspace: int, spoilt: bool) -> None:
    sent, recording_on = {}, asyncio.Event()

    async def writer(seed: int) -> None:
        rng = random.Random(seed)
        for batch in range(12):
            items = [
                did(f"{seed}-{batch}-{n}", f"f{rng.randrange(25)}", rng.choice(list(InteractionType)), days=-n)
                for n in range(15)
            ]
            sent.update({item.key: item for item in items})
            await record(database, workspace, *items)
            if spoilt:
                await spoil(
                    database,
                    "UPDATE followers SET likes = likes + 3, first_seen_at = '2020-01-01' WHERE external_id = :who",
                    who=items[0].external_id,
                )

    async def recounter() -> list[Standing]:
        found = []
        while not recording_on.is_set():
            found.append(await recounted(database, workspace, size=7))
        return found

    recounters = [asyncio.create_task(recounter()) for _ in range(2)]
    await asyncio.gather(*map(writer, range(4)))
    recording_on.set()
    found = sum(await asyncio.gather(*recounters), start=list[Standing]())
    last = await recounted(database, workspace)
    if not spoilt:
        assert {(one.differed, one.ranks_differed) for one in (*found, last)} == {(0, 0)}
    assert await kept(database, workspace) == due(sent.values())
    assert await read(database, DEADLOCKS) == [(0,)]
    async with database.write(workspace) as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM score_recounts")) > len(found)
