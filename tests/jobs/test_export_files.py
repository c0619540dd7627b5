"""What exports hold: exact bytes in each format, windows, snapshots, files of the right size, the manifest."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.exports import ExportDataset, ExportFormat
from db.models.impression_items import NewImpression
from db.queries import channels, clients
from db.queries.engagement import recording as engagement
from db.queries.engagement import removing
from db.queries.exports import asking, facts
from db.queries.exports.asking import Wanted
from db.queries.impressions import recording as impressions
from jobs.exports.columns import global_id
from jobs.exports.run import Options
from jobs.objects import Objects
from tests.exported import (
    NOON,
    SMALL,
    ask,
    contents,
    event,
    job_row,
    manifest_of,
    parts_of,
    record,
    rows,
    run,
)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects.at((tmp_path / "objects").as_uri())


async def created_at_noon(database: Database, workspace: int, *tables: str) -> None:
    """What was recorded has a time that a test can know."""
    async with database.write(workspace) as transaction:
        for table in tables:
            await transaction.run(text(f"UPDATE {table} SET created_at = :noon"), {"noon": NOON})


@pytest.fixture
async def telling(database: Database, workspace: int, campaign: int) -> None:
    """Two events: one with everything, written to do harm; one with nothing."""
    async with database.write(workspace) as transaction:
        channel = await channels.create_channel(transaction, "=cmd|' /C calc'!A0", "ADS", None)
        audience = await channels.create_audience(transaction, 'Ünï "x", y', None)
    full = event(
        1,
        campaign,
        channel_id=channel,
        audience_id=audience,
        user_id="＠ada\nsecond",  # noqa: RUF001 - a full-width at sign
        value_amount=Decimal("12.50"),
        value_currency="EUR",
        data={"-a": [1, None, "é,\u2028"], "b": {"c": 0.1}},
    )
    await record(database, workspace, full, event(2, campaign, data=-5))
    await created_at_noon(database, workspace, "events")


@pytest.mark.usefixtures("telling")
async def test_a_restricted_client_s_files_hold_no_audiences(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    async with database.write(workspace) as transaction:
        values = {"name": "P", "scopes": ["WRITE"], "secret_hash": b"0" * 32, "restricted": True, "created_by": "ada"}
        client = await clients.create(transaction, values, [campaign])
    wanted = Wanted(campaign, ExportDataset.EVENTS, ExportFormat.JSONL, None, None, client_id=None, key=None)
    async with database.write(workspace, client) as transaction:
        job = await asking.start(transaction, wanted, "partner")
    await run(database, objects, workspace, job)
    [first, _] = rows(await contents(database, objects, workspace, job))
    assert (first["audienceId"], first["audience"]) == (None, None)
    assert first["channel"] == "=cmd|' /C calc'!A0"


@pytest.mark.usefixtures("telling")
async def test_csv_to_the_byte(database: Database, workspace: int, campaign: int, objects: Objects) -> None:
    job = await ask(database, workspace, campaign, ExportFormat.CSV)
    await run(database, objects, workspace, job)
    [content] = await contents(database, objects, workspace, job)
    assert content.decode() == (
        "id,key,type,campaignId,channelId,channel,audienceId,audience,userId,occurredAt,createdAt,value,currency,data\r\n"
        "RXZlbnQ6MQ==,e1,CLICK,Q2FtcGFpZ246MQ==,Q2hhbm5lbDox,'=cmd|' /C calc'!A0,QXVkaWVuY2U6MQ==,"
        '"Ünï ""x"", y","\'＠ada\nsecond",2026-03-01T12:01:00Z,2026-03-01T12:00:00Z,12.50,EUR,'  # noqa: RUF001
        '"{""-a"":[1,null,""é,\u2028""],""b"":{""c"":0.1}}"\r\n'
        "RXZlbnQ6Mg==,e2,CLICK,Q2FtcGFpZ246MQ==,,,,,,2026-03-01T12:02:00Z,2026-03-01T12:00:00Z,,,'-5\r\n"
    )


@pytest.mark.usefixtures("telling")
async def test_json_lines_to_the_byte(database: Database, workspace: int, campaign: int, objects: Objects) -> None:
    job = await ask(database, workspace, campaign, ExportFormat.JSONL)
    await run(database, objects, workspace, job)
    [content] = await contents(database, objects, workspace, job)
    assert content.decode() == (
        '{"id":"RXZlbnQ6MQ==","key":"e1","type":"CLICK","campaignId":"Q2FtcGFpZ246MQ==","channelId":"Q2hhbm5lbDox",'
        '"channel":"=cmd|\' /C calc\'!A0","audienceId":"QXVkaWVuY2U6MQ==","audience":"Ünï \\"x\\", y",'
        '"userId":"＠ada\\nsecond","occurredAt":"2026-03-01T12:01:00Z","createdAt":"2026-03-01T12:00:00Z",'  # noqa: RUF001
        '"value":"12.50","currency":"EUR","data":{"-a":[1,null,"é,\u2028"],"b":{"c":0.1}}}\n'
        '{"id":"RXZlbnQ6Mg==","key":"e2","type":"CLICK","campaignId":"Q2FtcGFpZ246MQ==","channelId":null,"channel":null,'
        '"audienceId":null,"audience":null,"userId":null,"occurredAt":"2026-03-01T12:02:00Z",'
        '"createdAt":"2026-03-01T12:00:00Z","value":null,"currency":null,"data":-5}\n'
    )


@pytest.mark.usefixtures("telling")
async def test_parquet_has_types(database: Database, workspace: int, campaign: int, objects: Objects) -> None:
    job = await ask(database, workspace, campaign, ExportFormat.PARQUET)
    await run(database, objects, workspace, job)
    [content] = await contents(database, objects, workspace, job)
    table = pq.read_table(pa.BufferReader(content))
    assert {name: str(table.schema.field(name).type) for name in ("id", "occurredAt", "value", "data")} == {
        "id": "string",
        "occurredAt": "timestamp[us, tz=UTC]",
        "value": "decimal128(38, 12)",
        "data": "string",
    }
    full, empty = table.to_pylist()
    assert (full["occurredAt"], full["value"]) == (NOON + timedelta(minutes=1), Decimal("12.5"))
    assert (full["channel"], full["userId"]) == ("=cmd|' /C calc'!A0", "＠ada\nsecond")  # noqa: RUF001
    assert full["data"] == '{"-a":[1,null,"é,\u2028"],"b":{"c":0.1}}'
    assert {name for name, value in empty.items() if value is None} == {
        *("channelId", "channel", "audienceId", "audience", "userId", "value", "currency"),
    }


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
async def test_no_text_begins_a_formula(
    database: Database, workspace: int, campaign: int, objects: Objects, first: str
) -> None:
    await record(database, workspace, event(1, campaign, user_id=f"{first}1+1"))
    job = await ask(database, workspace, campaign, ExportFormat.CSV)
    await run(database, objects, workspace, job)
    [content] = await contents(database, objects, workspace, job)
    assert f"'{first}1+1" in content.decode()


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        (
            ExportFormat.CSV,
            "id,key,type,campaignId,channelId,channel,audienceId,audience,userId,occurredAt,createdAt,value,",
        ),
        (ExportFormat.JSONL, ""),
        (ExportFormat.PARQUET, "PAR1"),
    ],
)
async def test_an_export_of_nothing_has_one_part(
    database: Database, workspace: int, campaign: int, objects: Objects, format_: ExportFormat, expected: str
) -> None:
    job = await ask(database, workspace, campaign, format_)
    await run(database, objects, workspace, job)
    [content] = await contents(database, objects, workspace, job)
    assert content[: len(expected)].decode() == expected
    row = await job_row(database, workspace, job)
    assert (row.status, row.rows_done, row.rows_total) == ("SUCCEEDED", 0, 0)
    assert (await manifest_of(objects, workspace, job))["parts"][0]["rows"] == 0


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((None, None), ["e0", "e1", "e2", "e3"]),
        ((NOON + timedelta(minutes=1), None), ["e1", "e2", "e3"]),
        ((None, NOON + timedelta(minutes=2)), ["e0", "e1"]),
        ((NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)), ["e1", "e2"]),
    ],
)
async def test_a_window_is_half_open(
    database: Database,
    workspace: int,
    campaign: int,
    objects: Objects,
    window: tuple[datetime | None, datetime | None],
    expected: list[str],
) -> None:
    await record(database, workspace, *(event(number, campaign) for number in range(4)))
    job = await ask(database, workspace, campaign, window=window)
    await run(database, objects, workspace, job)
    assert [row["key"] for row in rows(await contents(database, objects, workspace, job))] == expected


async def test_a_file_ends_behind_its_rows(database: Database, workspace: int, campaign: int, objects: Objects) -> None:
    await record(database, workspace, *(event(number, campaign) for number in range(7)))
    job = await ask(database, workspace, campaign)
    await run(database, objects, workspace, job)
    parts = await contents(database, objects, workspace, job)
    assert [[row["key"] for row in rows([part])] for part in parts] == [["e0", "e1", "e2"], ["e3", "e4", "e5"], ["e6"]]


async def test_there_is_no_empty_file_behind_full_ones(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, *(event(number, campaign) for number in range(6)))
    job = await ask(database, workspace, campaign)
    await run(database, objects, workspace, job)
    assert [part.rows for part in await parts_of(database, workspace, job)] == [3, 3]


async def test_a_file_ends_behind_the_chunk_that_makes_it_large(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, *(event(number, campaign) for number in range(5)))
    job = await ask(database, workspace, campaign)
    await run(database, objects, workspace, job, Options(part_bytes=100, chunk_rows=2))
    assert [part.rows for part in await parts_of(database, workspace, job)] == [2, 2, 1]


async def test_rows_that_are_long_are_read_a_few_at_a_time(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    long = [event(number, campaign, data="x" * 16_000) for number in range(900)]
    await record(database, workspace, *long)
    job = await ask(database, workspace, campaign)
    limits: list[int] = []

    def watch(sql: str, values: Any) -> None:
        if "FROM events" in sql and "LIMIT" in sql:
            limits.append(values[-1])

    with database.watched(watch):
        await run(database, objects, workspace, job, Options())
    assert limits == [500, 261, 261]
    assert len(rows(await contents(database, objects, workspace, job))) == 900


async def test_events_of_one_moment_are_all_there_in_order(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    for number in range(7):
        same = event(number, campaign)
        same.occurred_at = NOON
        await record(database, workspace, same)
    job = await ask(database, workspace, campaign)
    await run(database, objects, workspace, job)
    found = rows(await contents(database, objects, workspace, job))
    assert [row["key"] for row in found] == [f"e{number}" for number in range(7)]


async def test_what_is_recorded_after_the_start_is_not_there(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, event(5, campaign), event(6, campaign))
    job = await ask(database, workspace, campaign)
    await record(database, workspace, event(1, campaign), event(9, campaign))  # one of them comes late
    await run(database, objects, workspace, job)
    assert [row["key"] for row in rows(await contents(database, objects, workspace, job))] == ["e5", "e6"]


async def test_others_see_nothing(
    database: Database, workspace: int, other_workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, event(1, campaign))
    job = await ask(database, workspace, campaign)
    await run(database, objects, other_workspace, job)
    assert (await job_row(database, workspace, job)).status == "QUEUED"
    assert await objects.listed("exports") == []


async def test_the_manifest_says_what_is_there(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, *(event(number, campaign) for number in range(4)))
    job = await ask(database, workspace, campaign, ExportFormat.CSV, window=(NOON, None))
    await run(database, objects, workspace, job)
    manifest = await manifest_of(objects, workspace, job)
    listed = await parts_of(database, workspace, job)
    row = await job_row(database, workspace, job)
    assert manifest["parts"] == [
        {
            "index": part.index,
            "name": part.path.rpartition("/")[2],
            "rows": part.rows,
            "sizeBytes": part.size_bytes,
            "sha256": part.sha256,
        }
        for part in listed
    ]
    assert listed[0].path == f"exports/{workspace}/{job}/part-00000-{listed[0].sha256[:12]}.csv"
    told = {
        name: manifest[name]
        for name in ("exportJobId", "campaignId", "clientId", "dataset", "format", "window", "rows")
    }
    assert told == {
        "exportJobId": global_id("ExportJob", job),
        "campaignId": global_id("Campaign", campaign),
        "clientId": "acme",
        "dataset": "EVENTS",
        "format": "CSV",
        "window": {"from": "2026-03-01T12:00:00Z", "to": None},
        "rows": 4,
    }
    assert datetime.fromisoformat(manifest["createdAt"]) == row.created_at
    assert manifest["read"].startswith("as of the start")
    assert "apostrophe" in manifest["csv"]["formulas"]
    assert manifest["columns"][9] == {"name": "occurredAt", "kind": "TIME"}


async def test_impressions_with_all_their_fields(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    async with database.write(workspace) as transaction:
        channel = await channels.create_channel(transaction, "Feed", "ADS", None)
        await channels.link(transaction, {(campaign, channel)})
        full = NewImpression("i1", campaign, NOON, user_id="ada", is_viewable=True, viewable_duration_ms=1500)
        full.clicked_at, full.charged_at, full.cpi_rate = NOON, NOON, Decimal("0.25")
        full.ip_address, full.channel_id, full.audience_label = "2001:db8::1", channel, "Young"
        await impressions.record(transaction, [full, NewImpression("i2", campaign, NOON + timedelta(minutes=1))])
    await created_at_noon(database, workspace, "impressions")
    job = await ask(database, workspace, campaign, dataset=ExportDataset.IMPRESSIONS)
    await run(database, objects, workspace, job)
    first, second = rows(await contents(database, objects, workspace, job))
    assert {name: value for name, value in first.items() if value is not None} == {
        "id": global_id("Impression", 1),
        "key": "i1",
        "campaignId": global_id("Campaign", campaign),
        "channelId": global_id("Channel", channel),
        "channel": "Feed",
        "audienceLabel": "Young",
        "userId": "ada",
        "isUnique": True,
        "isViewable": True,
        "viewableDurationMs": 1500,
        "clicked": True,
        "clickedAt": "2026-03-01T12:00:00Z",
        "converted": False,
        "cpiRate": "0.25",
        "charged": True,
        "chargedAt": "2026-03-01T12:00:00Z",
        "ipAddress": "2001:db8::1",
        "occurredAt": "2026-03-01T12:00:00Z",
        "createdAt": "2026-03-01T12:00:00Z",
    }
    assert (second["key"], second["isViewable"], second["cpiRate"]) == ("i2", None, None)
    assert (await manifest_of(objects, workspace, job))["read"].startswith("as of each chunk")


async def test_engagements_that_stand(database: Database, workspace: int, campaign: int, objects: Objects) -> None:
    async with database.write(workspace) as transaction:
        said = [
            NewEngagement(EngagementType.LIKE, campaign, "ada", NOON, source="feed"),
            NewEngagement(EngagementType.COMMENT, campaign, "bob", NOON + timedelta(minutes=1), key="c", body="Nice"),
            NewEngagement(
                EngagementType.COMMENT, campaign, "cyd", NOON + timedelta(minutes=2), body="+1", parent_key="c"
            ),
            NewEngagement(EngagementType.COMMENT, campaign, "dan", NOON + timedelta(minutes=3), body="Gone", key="g"),
            NewEngagement(EngagementType.SHARE, campaign, "eve", NOON + timedelta(minutes=4)),
        ]
        recorded: list[Any] = await engagement.record(transaction, said)
        await removing.delete_comment(transaction, recorded[3].id, lambda _: None)
    like, comment, reply, _, share = (one.id for one in recorded)
    job = await ask(database, workspace, campaign, dataset=ExportDataset.ENGAGEMENTS)
    await run(database, objects, workspace, job)
    names = ("id", "type", "userId", "source", "body", "depth", "parentId", "rootId", "replyCount", "descendantCount")
    found = rows(await contents(database, objects, workspace, job))
    nothing = (None,) * 6
    root = global_id("Comment", comment)
    assert [tuple(row[name] for name in names) for row in found] == [
        (global_id("Reaction", like), "LIKE", "ada", "feed", *nothing),
        (root, "COMMENT", "bob", None, "Nice", 0, None, root, 1, 1),
        (global_id("Comment", reply), "COMMENT", "cyd", None, "+1", 1, root, root, 0, 0),
        (global_id("Share", share), "SHARE", "eve", None, *nothing),
    ]


@pytest.fixture
async def many(database: Database, workspace: int, campaign: int) -> int:
    """A campaign with many facts of each kind, as the statistics know."""
    given = {"workspace": workspace, "campaign": campaign, "noon": NOON}
    series = (
        "SELECT :workspace, :campaign, CAST(:noon AS timestamptz) + n * interval '1 second', {} "
        "FROM generate_series(1, 20000) AS n"
    )
    filled = {
        "events (workspace_id, campaign_id, occurred_at, key, type)": "'e' || n, 'CLICK'",
        "impressions (workspace_id, campaign_id, occurred_at, key, is_unique)": "'i' || n, false",
        "engagements (workspace_id, campaign_id, occurred_at, user_id, type)": "'u' || n, (ARRAY['LIKE', 'SHARE'])[1 + n % 2]",
    }
    async with database.write(workspace) as transaction:
        for table, values in filled.items():
            await transaction.run(text(f"INSERT INTO {table} {series.format(values)}"), given)
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE"))
    return campaign


@pytest.mark.parametrize("dataset", list(ExportDataset))
@pytest.mark.parametrize("start", [None, datetime(2026, 1, 1, tzinfo=UTC)])
async def test_a_chunk_deep_in_a_campaign_goes_through_its_index(
    database: Database, workspace: int, many: int, dataset: ExportDataset, start: datetime | None
) -> None:
    which = facts.Which(dataset, many, 10**9, start, None)
    asked: list[Any] = []
    with database.watched(lambda *statement: asked.append(statement)):
        found = await _chunk(database, workspace, which)
    [(sql, values)] = asked
    assert found[0].occurred_at == NOON + timedelta(seconds=15_001)
    async with database.write(workspace) as transaction:
        plan = "\n".join(row[0] for row in await transaction.driver.fetch(f"EXPLAIN {sql}", *values))
    assert f"{dataset.lower()}_time_idx" in plan
    # Engagements: the next rows of each type are merged, and no more than these are sorted.
    assert plan.count("->  Sort") == (dataset == ExportDataset.ENGAGEMENTS)
    assert "Limit" in plan.rpartition("->  Sort")[2]
    assert "Seq Scan" not in plan
    assert "ROW(" in plan.split("Index Cond:")[1]


async def _chunk(database: Database, workspace: int, which: facts.Which) -> Any:
    reads = database.reads(workspace)
    try:
        return await facts.chunk(reads, which, (NOON + timedelta(seconds=15_000), 10**9), 100)
    finally:
        await reads.close()


async def test_a_failure_that_is_ours_says_so_and_names_the_log(
    database: Database, workspace: int, campaign: int, objects: Objects
) -> None:
    await record(database, workspace, event(1, campaign))
    job = await ask(database, workspace, campaign)
    async with database.engine.connect() as connection:
        await connection.execute(text("ALTER TABLE export_parts ADD CONSTRAINT never CHECK (rows < 0)"))
    await run(database, objects, workspace, job, SMALL)
    row = await job_row(database, workspace, job)
    assert row.status == "FAILED"
    assert "The log has it as" in row.error_message
