"""The real log of a shop's sessions: what the database says of it is what a plain script counts in the file."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.channels import Channel
from db.queries import campaigns, channels
from db.queries.events import metrics
from db.queries.windows import ALL_TIME, Window
from jobs.imports import mapping, translating
from jobs.imports.events import EVENTS
from jobs.imports.run import Counts, Job, import_file
from tests.imported import rejects

LOG = Path(__file__).parents[3] / "shared/data/events/otto_sessions.jsonl"
MAPS = ("key=otto-{line}", "userId=session", "occurredAt=ts", 'data={{"aid": {aid}}}')
ORDERS = "type:orders=CONVERSION"
NUMBERS = frozenset({"impressions", "clicks", "conversions", "unique_users"})

pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"the real log is not here: {LOG}")


def logged() -> Iterator[tuple[int, str, int, int]]:
    """Session, type, milliseconds and article of each event in the file."""
    for line in LOG.read_bytes().splitlines():
        session = orjson.loads(line)
        for event in session["events"]:
            yield session["session"], event["type"], event["ts"], event["aid"]


def job(rejected: Path, *words: str, **options: Any) -> Job:
    return Job(
        LOG, mapping.parse(EVENTS.fields, MAPS), "otto", create_campaigns=True, rejects=rejected, kind=EVENTS,
        channel="shop", create_channels=True, each="events", translations=translating.parse(EVENTS.fields, words),
        **options,
    )  # fmt: skip


async def numbers(database: Database, workspace: int, owner: metrics.Owner, window: Window = ALL_TIME) -> Any:
    """Impressions, clicks, conversions and users of the one campaign, or of the one channel."""
    async with database.write(workspace) as transaction:
        if owner is metrics.CAMPAIGNS:
            found = await campaigns.ids_of_keys(transaction, ["otto"])
        else:
            found = await channels.ids_of_names(transaction, Channel, ["shop"])
    reads = database.reads(workspace)
    (row,) = await metrics.of(reads, owner, NUMBERS, window, list(found.values()))
    await reads.close()
    return row.impressions, row.clicks, row.conversions, row.unique_users


async def test_carts_are_rejected_and_all_else_counts(database: Database, workspace: int, tmp_path: Path) -> None:
    types = Counter(kind for _, kind, _, _ in logged())
    users = {session for session, kind, _, _ in logged() if kind != "carts"}
    assert (types, len(users)) == ({"clicks": 800, "carts": 52, "orders": 10}, 20)
    result = await import_file(database, workspace, job(tmp_path / "rejects", ORDERS))
    assert result.counts == Counts(862, 810, 0, 52, result.rejects.stat().st_size)
    carts = [line for line, (_, kind, _, _) in enumerate(logged(), 1) if kind == "carts"]
    assert [line for line, _, _ in rejects(result)] == carts
    assert await numbers(database, workspace, metrics.CAMPAIGNS) == (0, 800, 10, 20)
    assert await numbers(database, workspace, metrics.CHANNELS) == (0, 800, 10, 20)


async def test_carts_may_be_clicks(database: Database, workspace: int, tmp_path: Path) -> None:
    made = job(tmp_path / "rejects", ORDERS, "type:carts=CLICK", chunk=100)
    assert (await import_file(database, workspace, made)).counts == Counts(862, 862)
    assert await numbers(database, workspace, metrics.CAMPAIGNS) == (0, 852, 10, 20)
    async with database.write(workspace) as transaction:
        statement = text("SELECT user_id, type, occurred_at, data FROM events ORDER BY substr(key, 6)::int")
        found = [tuple(row) for row in await transaction.rows(statement)]
    kinds = {"clicks": "CLICK", "carts": "CLICK", "orders": "CONVERSION"}
    first = datetime(1970, 1, 1, tzinfo=UTC)
    assert found == [(str(s), kinds[k], first + timedelta(milliseconds=ts), {"aid": a}) for s, k, ts, a in logged()]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, datetime(2022, 8, 2, tzinfo=UTC)),
        (datetime(2022, 8, 1, 3, 7, 11, tzinfo=UTC), datetime(2022, 8, 14, 22, 1, 0, 500_000, tzinfo=UTC)),
        (datetime(2022, 8, 20, 12, 15, tzinfo=UTC), None),
    ],
)
async def test_windows(
    database: Database, workspace: int, tmp_path: Path, start: datetime | None, end: datetime | None
) -> None:
    await import_file(database, workspace, job(tmp_path / "rejects", ORDERS))
    types, users = Counter[str](), set()
    for session, kind, milliseconds, _ in logged():
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        if kind != "carts" and (start is None or start <= at) and (end is None or at < end):
            types[kind] += 1
            users.add(session)
    expected = (0, types["clicks"], types["orders"], len(users))
    assert expected > (0, 0, 0, 0)
    for owner in (metrics.CAMPAIGNS, metrics.CHANNELS):
        assert await numbers(database, workspace, owner, Window(start, end)) == expected
