"""The worker in this process, on a real queue, over a real S3 endpoint that fails when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.engine import Database
from db.errors import invalid
from db.models.exports import ExportFormat
from db.queries.events import dead_letters
from db.queries.exports import working
from jobs.objects import Objects, Patience
from jobs.worker import Worker, tidy
from tests.exported import (
    SMALL,
    ask,
    cancel,
    contents,
    ended,
    event,
    hashes,
    job_row,
    manifest_of,
    manifest_path,
    parts_of,
    record,
    run,
)
from tests.stores import BUCKET, Proxy, environment, proxied, s3

LONG = timedelta(hours=1)
"""A heartbeat that no test waits for: whatever goes on at once does not go on because of it."""
IMPATIENT = replace(SMALL, failures=2, first_delay=timedelta(milliseconds=1))
Working = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as address:
        yield address


@pytest.fixture
async def proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    async with proxied(endpoint) as made:
        for name, value in environment(made.address).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def objects(proxy: Proxy) -> Objects:
    assert proxy.address
    return Objects.at(f"s3://{BUCKET}/{uuid4().hex}", Patience(tries=1))


@pytest.fixture
def working_on(database_url: str, database: Database, objects: Objects) -> Working:
    """Runs a worker for as long as a block."""

    @asynccontextmanager
    async def running(options: Any = IMPATIENT) -> AsyncIterator[Worker]:
        worker = Worker(database_url, database, objects, LONG, options)
        task = asyncio.create_task(worker.run())
        yield worker
        worker.stop()
        await task

    return running


@pytest.fixture
async def job(database: Database, workspace: int, campaign: int) -> int:
    """A job of seven events, which make three parts."""
    await record(database, workspace, *(event(number, campaign) for number in range(7)))
    return await ask(database, workspace, campaign)


async def queued(database: Database) -> list[tuple[str, int]]:
    """Status and number of retries of what is in the queue."""
    async with database.everywhere() as transaction:
        found = await transaction.rows(text("SELECT status::text, attempts FROM groundswell_queue.pgqueuer"))
        return [tuple(row) for row in found]


async def test_what_is_in_the_queue_is_done(
    database: Database, workspace: int, job: int, objects: Objects, working_on: Working
) -> None:
    async with working_on():
        row = await ended(database, workspace, job)
    assert (row.status, row.attempt, row.rows_done, row.rows_total) == ("SUCCEEDED", 1, 7, 7)
    listed = [part.path for part in await parts_of(database, workspace, job)]
    assert await objects.listed(f"exports/{workspace}/{job}") == sorted([*listed, row.manifest_path])
    assert await queued(database) == []


async def test_what_comes_while_it_runs_is_done(
    database: Database, workspace: int, campaign: int, working_on: Working
) -> None:
    async with working_on():
        for _ in range(4):
            job = await ask(database, workspace, campaign)
            assert (await ended(database, workspace, job)).status == "SUCCEEDED"


async def test_each_change_is_told(database: Database, workspace: int, job: int, objects: Objects) -> None:
    async with database.write(workspace) as transaction:
        await transaction.run(text("DELETE FROM outbox"))
    await run(database, objects, workspace, job, replace(SMALL, progress_every=1e9))
    async with database.everywhere() as transaction:
        told = await transaction.rows(text("SELECT topic, key, kind FROM outbox ORDER BY id"))
    # Begun, counted, the first progress, three parts, ended.
    assert [tuple(row) for row in told] == [("EXPORTS", job, "CHANGED")] * 7


async def test_a_worker_that_is_stopped_gives_its_job_back_at_once(
    database: Database, workspace: int, job: int, proxy: Proxy, working_on: Working
) -> None:
    proxy.fault = lambda method, path: 0 if method == "PUT" and "part-00001" in path else None
    async with working_on():
        await proxy.stalled.wait()
    assert await queued(database) == [("queued", 1)]
    assert ((await job_row(database, workspace, job)).status, len(await parts_of(database, workspace, job))) == (
        "RUNNING",
        1,
    )
    proxy.fault = lambda _method, _path: None
    async with working_on():
        row = await ended(database, workspace, job)
    assert (row.status, row.attempt, row.failures) == ("SUCCEEDED", 2, 0)


async def test_a_worker_that_is_cancelled_stops_in_the_same_way(
    database_url: str, database: Database, job: int, objects: Objects, proxy: Proxy
) -> None:
    assert job
    proxy.fault = lambda method, _path: 0 if method == "PUT" else None
    task = asyncio.create_task(Worker(database_url, database, objects, LONG, IMPATIENT).run())
    await proxy.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await queued(database) == [("queued", 1)]


async def test_a_job_that_the_queue_has_lost_is_found(
    database: Database, workspace: int, job: int, working_on: Working
) -> None:
    async with database.everywhere() as transaction:
        await transaction.run(text("DELETE FROM groundswell_queue.pgqueuer"))
    async with working_on():
        assert (await ended(database, workspace, job)).status == "SUCCEEDED"


async def test_it_goes_on_after_a_lost_connection(
    database: Database, workspace: int, campaign: int, working_on: Working
) -> None:
    async with working_on():
        await ended(database, workspace, await ask(database, workspace, campaign))
        async with database.engine.connect() as connection:
            gone = await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'groundswell worker'"
                )
            )
            assert gone.scalars().all() == [True]
        job = await ask(database, workspace, campaign)
        assert (await ended(database, workspace, job)).status == "SUCCEEDED"


async def test_a_store_that_comes_back_is_waited_for(
    database: Database, workspace: int, job: int, proxy: Proxy, working_on: Working
) -> None:
    failed: list[str] = []

    def fault(method: str, path: str) -> int | None:
        if method != "PUT" or "part-00001" not in path or path in failed:
            return None
        if sum(one == (method, path) for one in proxy.requests) == 3:  # all that one try sends
            failed.append(path)
        return 503

    proxy.fault = fault
    async with working_on():
        row = await ended(database, workspace, job)
    assert (row.status, row.rows_done) == ("SUCCEEDED", 7)
    assert (row.attempt, row.failures, len(failed)) == (2, 0, 1)


async def test_a_store_that_stays_away_fails_the_job(
    database: Database, workspace: int, job: int, proxy: Proxy, working_on: Working
) -> None:
    proxy.fault = lambda method, _path: 503 if method == "PUT" else None
    async with working_on():
        row = await ended(database, workspace, job)
    assert (row.status, row.attempt, row.error_message) == (
        "FAILED",
        2,
        "The object store could not be reached, or refused. It was tried 2 times. What is listed is whole; ask for another "
        "export later, with another key.",
    )
    assert await queued(database) == []


async def test_a_job_that_is_called_off_leaves_nothing(
    database: Database, workspace: int, job: int, proxy: Proxy, objects: Objects, working_on: Working
) -> None:
    async def before(method: str, path: str) -> None:
        if method == "PUT" and "part-00001" in path:
            assert len(await parts_of(database, workspace, job)) == 1
            await cancel(database, workspace, job)

    proxy.before = before
    async with working_on():
        while await queued(database):  # noqa: ASYNC110 - what is waited for is the queue
            await asyncio.sleep(0.02)
    row = await job_row(database, workspace, job)
    assert (row.status, await parts_of(database, workspace, job)) == ("CANCELLED", [])
    assert sum("part-00001" in path for _, path in proxy.requests) > 0
    assert await objects.listed(f"exports/{workspace}/{job}") == []


async def test_a_job_that_is_called_off_before_it_begins(
    database: Database, workspace: int, job: int, objects: Objects
) -> None:
    await cancel(database, workspace, job)
    await run(database, objects, workspace, job)
    assert (await job_row(database, workspace, job)).attempt == 0
    assert await objects.listed("exports") == []


async def test_only_the_last_attempt_lists_files(
    database: Database, workspace: int, campaign: int, job: int, proxy: Proxy, objects: Objects
) -> None:
    async def before(method: str, path: str) -> None:
        if method == "PUT" and "part-00001" in path:
            proxy.before = other
            async with database.write(workspace) as transaction:
                await working.claim(transaction, job)

    async def other(_method: str, _path: str) -> None:
        pass

    proxy.before = before
    await run(database, objects, workspace, job)
    assert (await job_row(database, workspace, job)).attempt == 2
    assert [part.index for part in await parts_of(database, workspace, job)] == [0]
    await run(database, objects, workspace, job)
    undisturbed = await ask(database, workspace, campaign)
    await run(database, objects, workspace, undisturbed)
    assert await hashes(database, workspace, job) == await hashes(database, workspace, undisturbed)


async def test_an_attempt_that_was_overtaken_at_its_end_removes_nothing(
    database: Database, workspace: int, job: int, proxy: Proxy, objects: Objects
) -> None:
    async def overtake(method: str, path: str) -> None:
        if method == "PUT" and "manifest-" in path:
            proxy.before = nothing
            await run(database, objects, workspace, job)

    async def nothing(_method: str, _path: str) -> None:
        pass

    proxy.before = overtake
    await run(database, objects, workspace, job)
    row = await job_row(database, workspace, job)
    assert (row.status, row.attempt) == ("SUCCEEDED", 2)
    assert len(await contents(database, objects, workspace, job)) == len(await parts_of(database, workspace, job)) > 1
    assert (await manifest_of(objects, workspace, job))["rows"] == row.rows_done
    assert row.manifest_path == await manifest_path(objects, workspace, job)


async def test_what_dead_attempts_left_is_removed(
    database: Database, workspace: int, job: int, proxy: Proxy, objects: Objects
) -> None:
    folder = f"exports/{workspace}/{job}"
    await objects.put(f"{folder}/part-00000-000000000000.jsonl", BytesIO(b"other bytes"))
    await run(database, objects, workspace, job)
    assert f"{folder}/part-00000-000000000000.jsonl" not in await objects.listed(folder)
    assert len(await objects.listed(folder)) == 4
    assert proxy.requests


async def test_a_large_file_is_sent_in_parts(
    database: Database, workspace: int, campaign: int, proxy: Proxy, objects: Objects
) -> None:
    await record(database, workspace, *(event(n, campaign, data={"note": f"{n:015000}"}) for n in range(1200)))
    job = await ask(database, workspace, campaign, ExportFormat.JSONL)
    await run(database, objects, workspace, job, replace(SMALL, part_rows=2000, chunk_rows=500))
    [part] = await hashes(database, workspace, job)
    assert part[0] == 1200
    assert {number for number in "123" if any(f"partNumber={number}&" in path for _, path in proxy.requests)} == set(
        "123"
    )


async def test_old_dead_letters_go_at_night(database: Database, workspace: int) -> None:
    async with database.write(workspace) as transaction:
        letters = [dead_letters.Letter(None, payload, [invalid("No.", "key")]) for payload in ("old", "new")]
        await dead_letters.keep(transaction, letters)
        aged = "UPDATE dead_letters SET last_received_at = now() - interval '31 days' WHERE payload = 'old'"
        await transaction.run(text(aged))
    await tidy(database, datetime.now(UTC) - timedelta(days=30))
    async with database.write(workspace) as transaction:
        left = await transaction.rows(text("SELECT payload FROM dead_letters"))
    assert [row.payload for row in left] == ["new"]
