"""Exports: asked for once, called off, listed; never of what somebody may not see."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.models.exports import JobStatus
from db.queries.events import barrier
from graph.ids import encode, key_of
from tests.api import Api, token
from tests.exports import put_job
from tests.facts import ask_for_export, create_campaign, start_export

JOB = """query ($id: ID!) { exportJob(id: $id) { id key clientId dataset format status window { from to } rowsDone rowsTotal
  parts { index } errorMessage createdBy startedAt finishedAt manifestUrl campaign { name } } }"""
CANCEL = """mutation ($id: ID!) { cancelExport(input: {id: $id}) { exportJob { status startedAt finishedAt }
  userErrors { code message field } } }"""
LIST = """query ($campaign: ID, $status: [JobStatus!], $first: Int, $after: String, $last: Int, $before: String) {
  exportJobs(campaignId: $campaign, status: $status, first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { id } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"""


async def jobs(database: Database, columns: str = "*") -> list[Any]:
    """All jobs there are."""
    async with database.everywhere() as transaction:
        return list(await transaction.rows(text(f"SELECT {columns} FROM export_jobs ORDER BY id")))


async def test_an_export_is_queued_with_all_that_was_asked_for(api: Api) -> None:
    campaign = await create_campaign(api)
    window = {"from": "2026-03-01T01:00:00+01:00", "to": None}
    job = await start_export(api, campaign, key="k", clientId="c", format="JSONL", window=window)
    found = (await api.data(JOB, id=job))["exportJob"]
    assert found == {
        "id": job,
        "key": "k",
        "clientId": "c",
        "dataset": "EVENTS",
        "format": "JSONL",
        "status": "QUEUED",
        "window": {"from": "2026-03-01T00:00:00Z", "to": None},
        "rowsDone": 0,
        "rowsTotal": None,
        "parts": [],
        "errorMessage": None,
        "createdBy": "ada",
        "startedAt": None,
        "finishedAt": None,
        "manifestUrl": None,
        "campaign": {"name": "Spring"},
    }


async def test_it_is_put_in_the_queue_once(api: Api, database: Database, workspace: int) -> None:
    campaign = await create_campaign(api)
    job = await start_export(api, campaign, key="k")
    assert await start_export(api, campaign, key="k") == job
    async with database.everywhere() as transaction:
        queued = await transaction.rows(text("SELECT entrypoint, payload FROM groundswell_queue.pgqueuer"))
    payload = f'{{"export":{key_of("ExportJob", job)},"workspace":{workspace}}}'
    assert [tuple(row) for row in queued] == [("export", payload.encode())]


async def test_without_a_key_each_is_another(api: Api) -> None:
    campaign = await create_campaign(api)
    assert await start_export(api, campaign) != await start_export(api, campaign)


async def test_a_known_key_answers_the_same_job_whatever_became_of_it(api: Api) -> None:
    campaign = await create_campaign(api)
    job = await start_export(api, campaign, key="k", window={"to": "2026-03-01T00:00:00Z"})
    await api.data(CANCEL, id=job)
    again = await ask_for_export(api, campaign, key="k", window={"to": "2026-03-01T02:00:00+02:00"})
    assert again == {"exportJob": {"id": job, "status": "CANCELLED"}, "userErrors": []}


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "IMPRESSIONS"},
        {"format": "PARQUET"},
        {"clientId": "d"},
        {"clientId": None},
        {"window": None},
        {"window": {"from": "2026-03-01T00:00:00.000001Z"}},
    ],
)
async def test_a_known_key_with_anything_else_is_a_conflict(api: Api, database: Database, other: Any) -> None:
    campaign = await create_campaign(api)
    first = {"key": "k", "clientId": "c", "window": {"from": "2026-03-01T00:00:00Z"}}
    await start_export(api, campaign, **first)
    payload = await ask_for_export(api, campaign, **{**first, **other})
    message = "This key belongs to another export, of something else."
    assert payload == {"exportJob": None, "userErrors": [{"code": "CONFLICT", "message": message, "field": ["key"]}]}
    assert len(await jobs(database)) == 1


async def test_a_key_belongs_to_one_campaign(api: Api) -> None:
    await start_export(api, await create_campaign(api), key="k")
    payload = await ask_for_export(api, await create_campaign(api), key="k")
    assert [error["code"] for error in payload["userErrors"]] == ["CONFLICT"]


async def test_who_asks_at_once_with_one_key_gets_one_job(api: Api, database: Database) -> None:
    campaign = await create_campaign(api)
    datasets = ["EVENTS", "IMPRESSIONS"]
    for dataset in datasets:
        asked = (start_export(api, campaign, key=dataset, dataset=dataset) for _ in range(8))
        assert len(set(await asyncio.gather(*asked))) == 1
    assert [row.dataset for row in await jobs(database)] == datasets


async def test_all_that_is_wrong_is_told_and_nothing_is_made(api: Api, database: Database) -> None:
    payload = await ask_for_export(
        api,
        encode("Campaign", 999999),
        key="x" * 201,
        clientId="a\0b",
        window={"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
    )
    assert payload == {
        "exportJob": None,
        "userErrors": [
            {"code": "INVALID", "message": "At most 200 characters; there are 201.", "field": ["key"]},
            {"code": "INVALID", "message": "A text cannot hold the character U+0000.", "field": ["clientId"]},
            {"code": "INVALID", "message": "The window ends before it starts.", "field": ["window", "to"]},
            {"code": "NOT_FOUND", "message": "No such campaign.", "field": ["campaignId"]},
        ],
    }
    assert await jobs(database) == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"key": ""}, ["key"]),
        ({"clientId": " "}, ["clientId"]),
        ({"window": {"from": "1000-01-01T00:00:00Z"}}, ["window", "from"]),
        ({"window": {"to": "9999-01-01T00:00:00Z"}}, ["window", "to"]),
        ({"campaignId": "nonsense"}, ["campaignId"]),
        ({"campaignId": encode("Brand", 1)}, ["campaignId"]),
    ],
)
async def test_what_is_not_allowed_is_named(api: Api, values: Any, field: list[str]) -> None:
    payload = await ask_for_export(api, await create_campaign(api), **values)
    assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [("INVALID", field)]


async def test_it_waits_for_who_records_and_holds_all_of_that(api: Api, database: Database, workspace: int) -> None:
    campaign = await create_campaign(api)
    campaign_id = key_of("Campaign", campaign)
    async with database.write(workspace) as recorder:
        await barrier.hold(recorder, [campaign_id])
        starting = asyncio.create_task(start_export(api, campaign))
        await _somebody_waits(database)
        before = await _event(recorder, campaign_id, "before")
        assert not starting.done()
    await starting
    async with database.write(workspace) as recorder:
        after = await _event(recorder, campaign_id, "after")
    [job] = await jobs(database)
    assert before <= job.upto_id < after


async def test_other_campaigns_hold_it_up_no_more_than_other_facts(
    api: Api, database: Database, workspace: int
) -> None:
    mine, other = await create_campaign(api), await create_campaign(api)
    async with database.write(workspace) as recorder:
        await barrier.hold(recorder, [key_of("Campaign", other)])
        await start_export(api, mine)
        await start_export(api, other, dataset="ENGAGEMENTS")


async def test_the_first_of_all_events_is_no_part_of_an_export_before_it(
    api: Api, database: Database, workspace: int
) -> None:
    campaign = await create_campaign(api)
    await start_export(api, campaign)
    async with database.write(workspace) as recorder:
        first = await _event(recorder, key_of("Campaign", campaign), "first")
    [job] = await jobs(database)
    assert job.upto_id < first


async def _event(transaction: Any, campaign_id: int, key: str) -> int:
    statement = text(
        "INSERT INTO events (workspace_id, campaign_id, key, type, occurred_at) "
        "VALUES (:workspace, :campaign, :key, 'CLICK', now()) RETURNING id"
    )
    values = {"workspace": transaction.workspace_id, "campaign": campaign_id, "key": key}
    return int(await transaction.scalar(statement, values))


async def _somebody_waits(database: Database) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    async with database.everywhere() as transaction:
        while not await transaction.scalar(waiting):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING])
async def test_what_has_not_ended_can_be_called_off(
    api: Api, database: Database, workspace: int, status: JobStatus
) -> None:
    job = encode("ExportJob", await put_job(database, workspace, await create_campaign(api), status))
    payload = (await api.data(CANCEL, id=job))["cancelExport"]
    assert (payload["exportJob"]["status"], payload["userErrors"]) == ("CANCELLED", [])
    assert payload["exportJob"]["startedAt"] < payload["exportJob"]["finishedAt"]
    assert (await api.data(CANCEL, id=job))["cancelExport"] == payload
    assert await _told_of(database) == [("CHANGED", key_of("ExportJob", job))]


async def _told_of(database: Database) -> list[tuple[str, int]]:
    entries = text(
        "SELECT kind, key FROM outbox WHERE topic = 'EXPORTS' UNION ALL SELECT kind, key FROM live_log WHERE topic = 'EXPORTS'"
    )
    async with database.everywhere() as transaction:
        return [tuple(row) for row in await transaction.rows(entries)]


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED])
async def test_what_has_ended_stays_as_it_is(api: Api, database: Database, workspace: int, status: JobStatus) -> None:
    job = encode("ExportJob", await put_job(database, workspace, await create_campaign(api), status))
    payload = (await api.data(CANCEL, id=job))["cancelExport"]
    message = f"The export has ended already: it is {status}."
    assert payload == {"exportJob": None, "userErrors": [{"code": "CONFLICT", "message": message, "field": ["id"]}]}
    assert (await jobs(database))[0].status == status


async def test_exports_are_listed_newest_first(api: Api, database: Database, workspace: int) -> None:
    mine, other = await create_campaign(api), await create_campaign(api)
    made = [await put_job(database, workspace, mine, status) for status in JobStatus]
    made.append(await put_job(database, workspace, other))
    newest = [encode("ExportJob", job) for job in reversed(made)]

    async def listed(**asked: Any) -> Any:
        page = (await api.data(LIST, **{"first": 20, **asked}))["exportJobs"]
        return page["totalCount"], [node["id"] for node in page["nodes"]], page["pageInfo"]

    assert (await listed())[:2] == (6, newest)
    assert (await listed(campaign=mine))[:2] == (5, newest[1:])
    assert (await listed(status=["RUNNING"]))[:2] == (2, [newest[0], newest[4]])
    assert (await listed(status=["SUCCEEDED", "FAILED"], campaign=mine))[:2] == (2, newest[2:4])
    assert (await listed(status=[]))[:2] == (0, [])
    total, ids, info = await listed(first=4)
    assert (total, ids, info["hasNextPage"]) == (6, newest[:4], True)
    total, ids, info = await listed(first=4, after=info["endCursor"])
    assert (total, ids, info["hasNextPage"]) == (6, newest[4:], False)
    assert (await listed(last=1, before=info["startCursor"]))[:2] == (6, newest[3:4])


@pytest.mark.usefixtures("written_at_once")
async def test_lists_are_the_same_when_postgresql_writes_them(api: Api, database: Database, workspace: int) -> None:
    campaign = await create_campaign(api)
    await put_job(database, workspace, campaign, JobStatus.SUCCEEDED, [b"1"])
    leaves = (
        "id key clientId dataset format status rowsDone rowsTotal errorMessage createdBy createdAt startedAt finishedAt"
    )
    written = (await api.data(f"{{ exportJobs {{ nodes {{ {leaves} }} }} }}"))["exportJobs"]["nodes"]
    read = (await api.data(f"{{ exportJobs {{ nodes {{ {leaves} window {{ from }} }} }} }}"))["exportJobs"]["nodes"]
    assert [{**node, "window": {"from": None}} for node in written] == read


async def test_each_level_costs_one_statement(
    api: Api, database: Database, workspace: int, statements: list[str]
) -> None:
    query = """query ($first: Int!) { exportJobs(first: $first) { totalCount nodes { id manifestUrl window { from }
      campaign { name } parts { index name rows sizeBytes sha256 url } } } }"""
    for number in range(8):
        campaign = await create_campaign(api, name=f"C{number}")
        await put_job(database, workspace, campaign, JobStatus.SUCCEEDED, [b"one", b"two", b"three"])
    await api.data(query, first=1)  # the secret that signs is read once
    counted = []
    for first in (4, 8):
        statements.clear()
        nodes = (await api.data(query, first=first))["exportJobs"]["nodes"]
        assert [[part["index"] for part in node["parts"]] for node in nodes] == [[0, 1, 2]] * first
        counted.append(len(statements))
    assert counted == [4, 4]  # the jobs, their count, the campaigns, the parts


async def test_what_is_not_asked_for_is_not_read(
    api: Api, database: Database, workspace: int, statements: list[str]
) -> None:
    job = encode("ExportJob", await put_job(database, workspace, await create_campaign(api), contents=[b"1"]))
    statements.clear()
    answer = await api.data("query ($id: ID!) { exportJob(id: $id) { parts { rows } } }", id=job)
    assert answer == {"exportJob": {"parts": [{"rows": 1}]}}
    [jobs_read, parts_read] = statements
    assert "status" not in jobs_read
    assert "sha256" not in parts_read


@pytest.mark.parametrize("status", list(JobStatus))
async def test_only_what_succeeded_has_a_manifest(
    api: Api, database: Database, workspace: int, status: JobStatus
) -> None:
    job = await put_job(database, workspace, await create_campaign(api), status)
    query = "query ($id: ID!) { node(id: $id) { ... on ExportJob { manifestUrl errorMessage } } }"
    found = (await api.data(query, id=encode("ExportJob", job)))["node"]
    address = found["manifestUrl"] or ""
    has_one = address.startswith(f"http://127.0.0.1:8000/files/exports/{workspace}/manifest.json?")
    assert has_one == (status == JobStatus.SUCCEEDED)
    assert found["errorMessage"] == ("The disk is full." if status == JobStatus.FAILED else None)


async def test_who_may_not_read_gets_no_files(api: Api, database: Database, workspace: int) -> None:
    campaign = await create_campaign(api)
    writer = api.as_(token(scopes=("write",)))
    query = """mutation ($id: ID!) { startExport(input: {campaignId: $id, dataset: EVENTS, format: CSV}) {
      exportJob { status window { from } %s } } }"""
    job = (await writer.data(query % "rowsDone", id=campaign))["startExport"]["exportJob"]
    assert job == {"status": "QUEUED", "window": {"from": None}, "rowsDone": 0}
    for field in ("parts { url }", "campaign { name }"):
        code, message = await writer.error(query % field, id=campaign)
        name = field.split()[0]
        assert (code, message) == ("FORBIDDEN", f"ExportJob.{name} needs a token with the scope read.")
    assert len(await jobs(database)) == 1


class TestARestrictedClient:
    """It sees and starts exports of the campaigns that are granted to it, and of no others."""

    @pytest.fixture
    async def campaigns(self, api: Api) -> tuple[str, str]:
        return await create_campaign(api, name="mine"), await create_campaign(api, name="theirs")

    @pytest.fixture
    async def partner(self, api: Api, campaigns: tuple[str, str]) -> Api:
        query = """mutation ($campaign: ID!) { createApiClient(input: {name: "P", scopes: [READ, WRITE],
          campaignIds: [$campaign]}) { secret } }"""
        admin = api.as_(token(scopes=("admin",)))
        return api.as_((await admin.data(query, campaign=campaigns[0]))["createApiClient"]["secret"])

    @pytest.mark.parametrize("dataset", ["EVENTS", "IMPRESSIONS", "ENGAGEMENTS"])
    async def test_starts_its_own(self, api: Api, partner: Api, campaigns: tuple[str, str], dataset: str) -> None:
        job = await start_export(partner, campaigns[0], dataset=dataset, key="k")
        assert await start_export(partner, campaigns[0], dataset=dataset, key="k") == job
        assert (await api.data(JOB, id=job))["exportJob"]["createdBy"].startswith("api-client:")
        assert (await partner.data(CANCEL, id=job))["cancelExport"]["exportJob"]["status"] == "CANCELLED"

    async def test_finds_no_campaign_but_its_own(self, partner: Api, campaigns: tuple[str, str]) -> None:
        payload = await ask_for_export(partner, campaigns[1])
        error = {"code": "NOT_FOUND", "message": "No such campaign.", "field": ["campaignId"]}
        assert payload == {"exportJob": None, "userErrors": [error]}

    async def test_sees_its_own(
        self, partner: Api, campaigns: tuple[str, str], database: Database, workspace: int
    ) -> None:
        mine = await start_export(partner, campaigns[0])
        # Others' are hidden, of its own campaign too: they may hold what it does not see.
        theirs, _ = [
            encode("ExportJob", await put_job(database, workspace, campaign, contents=[b"1"])) for campaign in campaigns
        ]
        page = (await partner.data("{ exportJobs { totalCount nodes { id } } }"))["exportJobs"]
        assert (page["totalCount"], [node["id"] for node in page["nodes"]]) == (1, [mine])
        assert (await partner.data(JOB, id=theirs))["exportJob"] is None
        refused = (await partner.data(CANCEL, id=theirs))["cancelExport"]["userErrors"]
        assert [error["code"] for error in refused] == ["NOT_FOUND"]

    async def test_learns_of_a_taken_key_no_more_than_that(
        self, api: Api, partner: Api, campaigns: tuple[str, str]
    ) -> None:
        await start_export(api, campaigns[1], key="k")
        payload = await ask_for_export(partner, campaigns[0], key="k")
        assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [("CONFLICT", ["key"])]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("first: 20", "export_jobs_newest_idx"),
        ("last: 20", "export_jobs_newest_idx"),
        ("first: 20, campaignId: $id", "export_jobs_campaign_idx"),
    ],
)
async def test_a_page_of_many_comes_from_its_index(
    api: Api, database: Database, workspace: int, asked: str, index: str
) -> None:
    campaigns = [await create_campaign(api) for _ in range(2)]
    many = text(
        "INSERT INTO export_jobs (workspace_id, campaign_id, dataset, format, status, upto_id, created_by, created_at) "
        "SELECT :workspace, :campaign, 'EVENTS', 'CSV', 'QUEUED', 0, 'ada', now() - n * interval '1 second' "
        "FROM generate_series(1, 5000) n"
    )
    async with database.write(workspace) as transaction:
        for campaign in campaigns:
            await transaction.run(many, {"workspace": workspace, "campaign": key_of("Campaign", campaign)})
    async with database.engine.connect() as connection:
        await connection.execute(text("ANALYZE export_jobs"))
    seen: list[tuple[str, Any]] = []
    with api.database.watched(lambda statement, values: seen.append((statement, values))):
        variable = "query ($id: ID!)" if "$id" in asked else "query"
        await api.data(f"{variable} {{ exportJobs({asked}) {{ nodes {{ status }} }} }}", id=campaigns[0])
    [(statement, values)] = seen
    async with database.write(workspace) as transaction:
        rows = await transaction.driver.fetch(f"EXPLAIN {statement}", *values)
    plan = "\n".join(row[0] for row in rows)
    assert index in plan
    assert "Sort" not in plan
