"""Midnight comes at another moment in each workspace's zone, and is not missed by who was down."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from db.engine import Database
from db.models.interaction_kinds import InteractionType
from db.queries import workspaces
from db.queries.followers import recounting
from jobs.again import Again
from jobs.objects import Objects
from jobs.recounts import recount_nightly, tonight
from jobs.worker import Worker
from tests.recounted import begun, did, due, kept, read, record, recounts, spoil, waits

BERLIN, KATHMANDU = "Europe/Berlin", "Asia/Kathmandu"
DAY = date(2026, 3, 2)
MIDNIGHT = {
    BERLIN: datetime(2026, 3, 1, 23, tzinfo=UTC),
    KATHMANDU: datetime(2026, 3, 1, 18, 15, tzinfo=UTC),
}
"""When that day begins."""
MOMENT, A_DAY = timedelta(microseconds=1), timedelta(days=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(hours=1)


async def made(database: Database, zone: str, when: datetime = LONG_AGO) -> int:
    """The id of a workspace that was made then."""
    workspace_id = await workspaces.create(database, re.sub("[^a-z]", "-", zone.lower()), zone, zone, "EUR")
    await spoil(database, "UPDATE workspaces SET created_at = :at WHERE id = :id", id=workspace_id, at=when)
    return workspace_id


async def days(database: Database, workspace: int) -> Sequence[date]:
    """The days that begin with the nightly recounts that there are."""
    rows = await read(
        database, "SELECT day FROM score_recounts WHERE workspace_id = :w AND day IS NOT NULL ORDER BY id", w=workspace
    )
    return [day for (day,) in rows]


async def finish(database: Database) -> None:
    """Does all that is not finished."""
    for workspace_id, recount_id in await read(
        database, "SELECT workspace_id, id FROM score_recounts WHERE finished_at IS NULL"
    ):
        await recount_nightly(database, workspace_id, recount_id, asyncio.Event())


async def queued(database: Database) -> int:
    """How many jobs wait."""
    [(jobs,)] = await read(database, "SELECT count(*) FROM groundswell_queue.pgqueuer")
    return int(jobs)


@pytest.mark.parametrize("zone", MIDNIGHT)
async def test_it_is_due_at_midnight_there(database: Database, zone: str) -> None:
    workspace = await made(database, zone)
    for at, expected in (
        (MIDNIGHT[zone] - A_DAY, [DAY - A_DAY]),
        (MIDNIGHT[zone] - MOMENT, [DAY - A_DAY]),
        (MIDNIGHT[zone], [DAY - A_DAY, DAY]),
        (MIDNIGHT[zone] + A_DAY - MOMENT, [DAY - A_DAY, DAY]),
    ):
        await tonight(database, at)
        assert await days(database, workspace) == expected
        await finish(database)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        (BERLIN, date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC)),  # has 23 hours
        (BERLIN, date(2026, 3, 30), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (BERLIN, date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC)),  # has 25 hours
        (BERLIN, date(2026, 10, 26), datetime(2026, 10, 25, 23, tzinfo=UTC)),
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),  # begins at one o'clock
    ],
)
async def test_nights_in_which_clocks_are_changed(database: Database, zone: str, day: date, begins: datetime) -> None:
    workspace = await made(database, zone)
    for at, expected in ((begins - MOMENT, [day - A_DAY]), (begins, [day - A_DAY, day])):
        await tonight(database, at)
        assert await days(database, workspace) == expected
        await finish(database)


async def test_each_workspace_has_its_own_midnight(database: Database) -> None:
    berlin, kathmandu = await made(database, BERLIN), await made(database, KATHMANDU)
    await tonight(database, MIDNIGHT[KATHMANDU] - MOMENT)
    await finish(database)
    await tonight(database, MIDNIGHT[KATHMANDU])
    assert (await days(database, berlin), await days(database, kathmandu)) == ([DAY - A_DAY], [DAY - A_DAY, DAY])


@pytest.mark.parametrize("zone", MIDNIGHT)
async def test_not_the_night_in_which_a_workspace_was_made(database: Database, zone: str) -> None:
    workspace = await made(database, zone, MIDNIGHT[zone])
    for at in (MIDNIGHT[zone] - MOMENT, MIDNIGHT[zone], MIDNIGHT[zone] + A_DAY - MOMENT):
        await tonight(database, at)
        assert await days(database, workspace) == []
    await tonight(database, MIDNIGHT[zone] + A_DAY)
    assert await days(database, workspace) == [DAY + A_DAY]


async def test_a_night_that_nobody_worked_in_is_caught_up_with_once(database: Database) -> None:
    workspace = await made(database, BERLIN)
    await tonight(database, MIDNIGHT[BERLIN])
    await finish(database)
    for _ in range(2):
        await tonight(database, MIDNIGHT[BERLIN] + 3.6 * A_DAY)
    # The day that it is; those in between are over.
    assert await days(database, workspace) == [DAY, DAY + 3 * A_DAY]


async def test_what_last_night_began_is_gone_on_with(database: Database) -> None:
    workspace = await made(database, BERLIN)
    await tonight(database, MIDNIGHT[BERLIN])
    await tonight(database, MIDNIGHT[BERLIN] + A_DAY)
    assert (await days(database, workspace), await queued(database)) == ([DAY], 1)
    await finish(database)
    await tonight(database, MIDNIGHT[BERLIN] + A_DAY)
    assert await days(database, workspace) == [DAY, DAY + A_DAY]


async def test_what_somebody_asked_for_does_not_stand_in_for_the_night(database: Database) -> None:
    workspace = await made(database, BERLIN)
    await begun(database, workspace)
    await tonight(database, MIDNIGHT[BERLIN])
    assert (await days(database, workspace), await queued(database)) == ([DAY], 1)


async def test_a_worker_recounts_at_night(database_url: str, database: Database, tmp_path: Path) -> None:
    zones = {zone: await made(database, zone) for zone in MIDNIGHT}
    items = [did("a", "ada", InteractionType.SHARE), did("b", "bob")]
    for workspace in zones.values():
        await record(database, workspace, *items)
    await spoil(database, "UPDATE followers SET likes = 9 WHERE external_id = 'ada'")
    objects = Objects.at(tmp_path.as_uri())
    # Between the two midnights.
    worker = Worker(database_url, database, objects, PATIENCE, clock=lambda: MIDNIGHT[KATHMANDU] + timedelta(hours=1))
    task = asyncio.create_task(worker.run())
    done = "SELECT workspace_id, day, differed FROM score_recounts WHERE finished_at IS NOT NULL ORDER BY day"
    async with asyncio.timeout(60):
        while len(found := await read(database, done)) < len(zones):  # noqa: ASYNC110 - another connection's
            await asyncio.sleep(0.02)
    worker.stop()
    await task
    assert found == [(zones[BERLIN], DAY - A_DAY, 1), (zones[KATHMANDU], DAY, 1)]
    for workspace in zones.values():
        assert await kept(database, workspace) == due(items)


async def unfinished(database: Database) -> tuple[int, int]:
    """Workspace and id of the only nightly recount that is due, of a workspace with two followers."""
    workspace = await made(database, BERLIN)
    await record(database, workspace, did("a", "ada"), did("b", "bob"))
    await tonight(database, MIDNIGHT[BERLIN])
    [(recount_id,)] = await read(database, "SELECT id FROM score_recounts")
    return workspace, recount_id


async def test_who_is_stopped_gives_it_back_where_it_is(database: Database) -> None:
    workspace, recount_id = await unfinished(database)
    stopping = asyncio.Event()
    for followers in (1, 1):  # the second time it is stopped before it begins
        with (
            database.watched(lambda sql, _: stopping.set() if "UPDATE score_recounts" in sql else None),
            pytest.raises(Again) as raised,
        ):
            await recount_nightly(database, workspace, recount_id, stopping, size=1)
        assert raised.value.delay == timedelta(0)
        assert await recounts(database) == [(followers, 0, 0, 0, 0, False)]
    await recount_nightly(database, workspace, recount_id, asyncio.Event(), size=1)
    assert await recounts(database) == [(2, 0, 0, 0, 0, True)]


async def test_without_a_database_it_goes_on_later() -> None:
    nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Again) as raised:
        await recount_nightly(nowhere, 1, 1, asyncio.Event())
    assert raised.value.delay > timedelta(0)
    await nowhere.close()


async def test_a_stopped_worker_gives_it_back_and_the_next_one_ends_it(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    workspace, recount_id = await unfinished(database)
    objects = Objects.at(tmp_path.as_uri())

    def started() -> tuple[Worker, "asyncio.Task[None]"]:
        worker = Worker(database_url, database, objects, PATIENCE, clock=lambda: MIDNIGHT[BERLIN])
        return worker, asyncio.create_task(worker.run())

    async with database.write(workspace) as transaction:
        await recounting.step(transaction, recount_id, size=1)  # the worker waits for this one
        worker, task = started()
        await waits(database)
        worker.stop()
    await task
    assert await recounts(database) == [(2, 0, 0, 0, 0, False)]
    jobs = "SELECT status::text, entrypoint, priority FROM groundswell_queue.pgqueuer"
    assert await read(database, jobs) == [("queued", "recount", -1)]
    # What the queue has lost is put in again.
    await spoil(database, "DELETE FROM groundswell_queue.pgqueuer")
    worker, task = started()
    async with asyncio.timeout(60):
        while await recounts(database) != [(2, 0, 0, 0, 0, True)]:  # noqa: ASYNC110 - the table is what is waited for
            await asyncio.sleep(0.02)
    worker.stop()
    await task
    assert await queued(database) == 0
