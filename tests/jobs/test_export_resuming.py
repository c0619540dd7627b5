"""Worker processes that are killed in the middle of an export, and those that go on where they stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.exports import ExportFormat
from jobs.exports.run import Options
from jobs.objects import Objects
from tests.exported import (
    ask,
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
from tests.stores import BUCKET, environment, proxied, s3

ROWS, PART = 70, 20
FOREVER = "3600"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as address:
        yield address


@contextmanager
def process(url: str, tmp_path: Path, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A ``groundswell worker`` of its own. Its heartbeat is a second, unless it is given."""
    command = [
        sys.executable,
        "-c",
        "from graph.cli import main; main()",
        "worker",
        "--data-dir",
        str(tmp_path / "data"),
    ]
    settings = {"DATABASE_URL": url, "EXPORT_PART_ROWS": str(PART), "JOBS_HEARTBEAT_SECONDS": "1", **environ}
    with (
        (tmp_path / "worker.log").open("ab") as log,
        subprocess.Popen(command, env=os.environ | settings, stderr=log) as started,
    ):
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture
async def campaign_with_events(database: Database, workspace: int, campaign: int) -> int:
    await record(database, workspace, *(event(n, campaign, user_id=f"=u{n}", data={"n": n}) for n in range(ROWS)))
    return campaign


@asynccontextmanager
async def held_before(database: Database, workspace: int, job: int, index: int) -> AsyncIterator[None]:
    """No worker gets a part of this index into the list for as long as the block runs: somebody else is about to."""
    async with database.engine.connect() as connection:
        await connection.execute(text("BEGIN"))
        values = (
            "(workspace_id, export_job_id, index, path, rows, size_bytes, sha256) VALUES (:w, :j, :i, '', 0, 0, :s)"
        )
        given = {"w": workspace, "j": job, "i": index, "s": "0" * 64}
        await connection.execute(text(f"INSERT INTO export_parts {values}"), given)
        try:
            yield
        finally:
            await connection.execute(text("ROLLBACK"))


async def waits_for_a_lock(database: Database) -> None:
    """Returns once somebody waits for what another transaction holds."""
    while True:
        async with database.engine.connect() as connection:
            waiting = await connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            if waiting.scalar_one():
                return


async def undisturbed(
    database: Database, workspace: int, campaign: int, objects: Objects, format_: ExportFormat
) -> list[tuple[int, int, str]]:
    """The hashes of an export of the same that nothing happens to."""
    job = await ask(database, workspace, campaign, format_)
    await run(database, objects, workspace, job, Options(part_rows=PART))
    return await hashes(database, workspace, job)


@pytest.mark.parametrize("format_", list(ExportFormat))
async def test_a_killed_worker_s_export_ends_with_the_same_bytes(
    database_url: str,
    database: Database,
    workspace: int,
    campaign_with_events: int,
    tmp_path: Path,
    format_: ExportFormat,
) -> None:
    objects = Objects.at((tmp_path / "data" / "objects").as_uri())
    job = await ask(database, workspace, campaign_with_events, format_)
    async with held_before(database, workspace, job, 2):
        with process(database_url, tmp_path) as worker:
            await waits_for_a_lock(database)
            worker.send_signal(signal.SIGKILL)
            worker.wait(10)
    before = await parts_of(database, workspace, job)
    assert [part.index for part in before] == [0, 1]
    with process(database_url, tmp_path) as another:
        row = await ended(database, workspace, job, another)
    assert (row.status, row.attempt, row.rows_done) == ("SUCCEEDED", 2, ROWS)
    assert (await parts_of(database, workspace, job))[:2] == before
    assert await hashes(database, workspace, job) == await undisturbed(
        database, workspace, campaign_with_events, objects, format_
    )
    listed = [part.path for part in await parts_of(database, workspace, job)]
    assert await objects.listed(f"exports/{workspace}/{job}") == sorted(
        [*listed, await manifest_path(objects, workspace, job)]
    )


@pytest.mark.parametrize("format_", list(ExportFormat))
async def test_a_worker_killed_while_it_uploads(
    database_url: str,
    database: Database,
    workspace: int,
    campaign_with_events: int,
    tmp_path: Path,
    endpoint: str,
    format_: ExportFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxied(endpoint) as proxy:
        url = f"s3://{BUCKET}/{uuid4().hex}"
        for name, value in environment(proxy.address).items():
            monkeypatch.setenv(name, value)
        objects = Objects.at(url)
        job = await ask(database, workspace, campaign_with_events, format_)
        proxy.fault = lambda method, path: 0 if method == "PUT" and "part-00001" in path else None
        with process(database_url, tmp_path, OBJECT_STORE_URL=url) as worker:
            await proxy.stalled.wait()
            worker.send_signal(signal.SIGKILL)
            worker.wait(10)
        assert [part.index for part in await parts_of(database, workspace, job)] == [0]
        proxy.fault = lambda _method, _path: None
        with process(database_url, tmp_path, OBJECT_STORE_URL=url) as another:
            row = await ended(database, workspace, job, another)
        assert (row.status, row.attempt, row.rows_done) == ("SUCCEEDED", 2, ROWS)
        assert sum(method == "PUT" and "part-00000" in path for method, path in proxy.requests) == 1
        found = await hashes(database, workspace, job)
        assert found == await undisturbed(database, workspace, campaign_with_events, objects, format_)
        assert len(await contents(database, objects, workspace, job)) == 4
        told = (await manifest_of(objects, workspace, job))["parts"]
        assert [(part["rows"], part["sizeBytes"], part["sha256"]) for part in told] == found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_that_is_told_to_stop_leaves_its_export_to_others(
    database_url: str,
    database: Database,
    workspace: int,
    campaign_with_events: int,
    tmp_path: Path,
    endpoint: str,
    number: signal.Signals,
) -> None:
    async with proxied(endpoint) as proxy:
        where = {**environment(proxy.address), "OBJECT_STORE_URL": f"s3://{BUCKET}/{uuid4().hex}"}
        job = await ask(database, workspace, campaign_with_events)
        proxy.fault = lambda method, path: 0 if method == "PUT" and "part-00001" in path else None
        with process(database_url, tmp_path, JOBS_HEARTBEAT_SECONDS=FOREVER, **where) as worker:
            await proxy.stalled.wait()
            worker.send_signal(number)
            assert worker.wait(10) == 0
        assert (await job_row(database, workspace, job)).status == "RUNNING"
        proxy.fault = lambda _method, _path: None
        with process(database_url, tmp_path, JOBS_HEARTBEAT_SECONDS=FOREVER, **where) as another:
            assert (await ended(database, workspace, job, another)).status == "SUCCEEDED"


def test_a_worker_bears_no_graphql() -> None:
    loaded = "import sys, graph.cli, graph.working; print({'strawberry', 'graphql', 'starlette', 'pyarrow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
