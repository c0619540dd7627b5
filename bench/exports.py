"""How fast exports are written, and in how much memory.

    python -m bench exports [--events 1000000]

Events of one campaign are exported to a local folder by a ``groundswell worker`` process, once in each format. Beside them,
in the same run, PostgreSQL copies the same rows out by itself. The peak is the resident memory of the whole process.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url, text

from bench.server import SECRET, embedded
from db.engine import Database
from db.models.exports import ExportDataset, ExportFormat
from db.queries import campaigns, workspaces
from db.queries.exports import asking

TARGET = 200
"""MiB."""
MIB = 1024 * 1024
_FILL = """
INSERT INTO events (workspace_id, campaign_id, channel_id, audience_id, key, type, user_id, value_amount, value_currency, data, occurred_at)
SELECT :workspace, :campaign, 1 + n % 8, CASE WHEN n % 3 = 0 THEN 1 + n % 5 END, 'event-' || n,
  (ARRAY['IMPRESSION', 'CLICK', 'CONVERSION'])[1 + n % 3], 'user-' || n % 300000,
  CASE WHEN n % 3 = 2 THEN round((n % 10000)::numeric / 100, 2) END, CASE WHEN n % 3 = 2 THEN 'EUR' END,
  CASE WHEN n % 2 = 0 THEN jsonb_build_object('placement', 'feed', 'creative', n % 50, 'note', 'as the platform says') END,
  timestamptz '2026-03-01' + n * interval '1 second'
FROM generate_series(1, :events) AS n
"""
_NAMED = "INSERT INTO {0}s (workspace_id, name{1}) SELECT :workspace, '{0} ' || n{2} FROM generate_series(1, 8) AS n"
_COPY = """SELECT e.*, c.name AS channel, a.name AS audience FROM events e
LEFT JOIN channels c ON c.workspace_id = e.workspace_id AND c.id = e.channel_id
LEFT JOIN audiences a ON a.workspace_id = e.workspace_id AND a.id = e.audience_id
WHERE e.workspace_id = {workspace} AND e.campaign_id = {campaign} ORDER BY e.occurred_at, e.id"""


async def fill(database: Database, events: int) -> tuple[int, int]:
    """A workspace and a campaign with so many events."""
    workspace = await workspaces.create(database, "bench", "Bench", "UTC", "EUR")
    async with database.write(workspace) as transaction:
        campaign = await campaigns.create(transaction, {"name": "C", "status": "ACTIVE", "currency": "EUR"})
        await transaction.run(text(_NAMED.format("channel", ", kind", ", 'ADS'")), {"workspace": workspace})
        await transaction.run(text(_NAMED.format("audience", "", "")), {"workspace": workspace})
        await transaction.run(text(_FILL), {"workspace": workspace, "campaign": campaign, "events": events})
    async with database.engine.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE events"))
    return workspace, campaign


async def copied(url: str, workspace: int, campaign: int) -> float:
    """Seconds that PostgreSQL takes to write the same rows to a file."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        with tempfile.TemporaryFile() as file:
            began = time.perf_counter()
            query = _COPY.format(workspace=workspace, campaign=campaign)
            await connection.copy_from_query(query, output=file, format="csv", header=True)
            return time.perf_counter() - began
    finally:
        await connection.close()


@contextmanager
def worker(url: str, folder: Path) -> Iterator[int]:
    """A worker process of its own; answers its process id."""
    command = [sys.executable, "-c", "from graph.cli import main; main()", "worker"]
    environment = os.environ | {
        "DATABASE_URL": url,
        "JWT_SECRET": SECRET,
        "COST_BUDGET": "0",
        "OBJECT_STORE_URL": (folder / "objects").as_uri(),
    }
    with (folder / "worker.log").open("a") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def peak(pid: int) -> float:
    """The most memory that a process has had, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


async def exported(database: Database, workspace: int, campaign: int, format_: ExportFormat) -> tuple[float, Any]:
    """Seconds from the job's begin to its end, and its row."""
    wanted = asking.Wanted(campaign, ExportDataset.EVENTS, format_, None, None, client_id=None, key=None)
    async with database.write(workspace) as transaction:
        job = await asking.start(transaction, wanted, "bench")
    while True:
        async with database.write(workspace) as transaction:
            row = await transaction.row(text("SELECT * FROM export_jobs WHERE id = :id"), {"id": job})
            size = await transaction.scalar(
                text("SELECT sum(size_bytes) FROM export_parts WHERE export_job_id = :id"), {"id": job}
            )
        if row.finished_at is not None:
            if row.status != "SUCCEEDED":
                raise RuntimeError(f"the export ended as {row.status}: {row.error_message}")
            return (row.finished_at - row.started_at).total_seconds(), size
        await asyncio.sleep(0.2)


async def run(url: str, folder: Path, events: int) -> bool:
    """Fills, measures, prints. Answers whether the memory target was reached."""
    database = Database(url)
    reached = True
    try:
        workspace, campaign = await fill(database, events)
        print(f"{events:,} events of a campaign")
        for format_ in ExportFormat:
            bare = await copied(url, workspace, campaign)
            with worker(url, folder) as pid:
                seconds, size = await exported(database, workspace, campaign, format_)
                memory = peak(pid)
            reached &= memory <= TARGET
            print(
                f"  {format_:8} {events / seconds:9,.0f} rows/s {size / MIB:7.0f} MiB written   COPY {events / bare:9,.0f} rows/s"
                f"   ratio {bare / seconds:5.2f}   peak memory {memory:5.0f} MiB (at most {TARGET})"
            )
    finally:
        await database.close()
    return reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    parser = argparse.ArgumentParser(
        "bench exports", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        return 0 if asyncio.run(run(url, Path(folder), given.events)) else 1
