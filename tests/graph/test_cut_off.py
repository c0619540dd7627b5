"""Whatever is cut off, wherever: the pool is whole afterwards, and what was said of each change is what became of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine import Database, NotCommitted
from graph import deadlines
from tests.api import Api, build, token
from tests.facts import at, create_campaign, metrics
from tests.keyed import BRAND, error_of, is_replay, send
from tests.locks import WAITING, is_whole, locked, until_waiting

CHANGE = """mutation ($n: String!, $input: RecordImpressionsInput!) {
  a: createBrand(input: {name: $n}) { brand { name } userErrors { code } }
  b: recordImpressions(input: $input) { accepted userErrors { code } } }"""
READ = "{ campaigns(first: 5) { nodes { name brand { name } impressions(first: 2) { totalCount nodes { key } } } } }"
RENAME = """mutation ($id: ID!, $n: String!) { updateCampaign(input: {id: $id, name: $n}) {
  campaign { name impressions(first: 1) { nodes { key } } } userErrors { code } } }"""
WITH_ERROR = """mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) {
  campaign { name impressions(first: 1, after: "nonsense") { totalCount } } userErrors { code } } }"""
LEFT = """SELECT coalesce(json_agg(query), '[]')::text FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""
"""What sessions run, or ran last, that are still in a transaction."""
ALL = 120
SMALL = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_OVERFLOW": "1", "DATABASE_POOL_TIMEOUT": "2"}


@pytest.fixture
async def api(database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Api]:
    async with build(database_url, tmp_path, REQUEST_SECONDS="0.5", **SMALL) as api:
        await api.data("{ viewer { subject } }")
        yield api


async def fetched(database: Database, sql: str) -> Any:
    async with database.everywhere() as transaction:
        return await transaction.driver.fetchval(sql)


async def execute(database: Database, *statements: str) -> None:
    async with database.everywhere() as transaction:
        await transaction.driver.execute("RESET ROLE")
        for statement in statements:
            await transaction.driver.execute(statement)


def of(campaign: str, name: str) -> dict[str, Any]:
    """The variables of CHANGE."""
    shown = [{"key": f"{name}/{at_}", "occurredAt": at()} for at_ in "xy"]
    return {"n": name, "input": {"campaignId": campaign, "impressions": shown}}


async def cut_after(asked: "asyncio.Task[Any]", turns: int) -> Any:
    """What is answered, if it is before the loop has turned so often. Then who asks leaves."""
    for _ in range(turns):
        if asked.done():
            break
        await asyncio.sleep(0.0002)
    asked.cancel()
    try:
        return await asked
    except asyncio.CancelledError:
        return None


def said_of(response: Any) -> int | None:
    """How many changes were made, as a response says; None where nobody knows."""
    if response is None:
        return None
    answer = response.json()
    if "errors" not in answer:
        assert (answer["data"]["a"]["brand"] is not None, answer["data"]["b"]["accepted"]) == (True, 2)
        return 2
    [code] = {error["extensions"]["code"] for error in answer["errors"]}
    assert code in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
    known = answer["errors"][0]["extensions"]
    return None if known.get("unknown") or code == "UNAVAILABLE" else known["committed"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_changes_and_reads_that_are_cut_off_anywhere(api: Api, database: Database, seed: int) -> None:
    campaign, chance, tasks = await create_campaign(api), random.Random(seed), asyncio.all_tasks()
    said: dict[str, set[int | None]] = {}

    async def one(number: int) -> None:
        name, key = f"b{number}", None if number % 3 else f"k{number}"
        sent = [send(api, key, CHANGE, **of(campaign, name)) for _ in range(1 if key is None else 2)]
        if number % 4 == 1:
            await cut_after(asyncio.create_task(send(api, None, READ)), chance.randrange(60))
        headers = {**api._headers, "x-request-timeout": f"{chance.choice([0.02, 0.05, 0.3]):g}"}
        hurried = api.as_(api.credential)
        hurried._headers = headers
        if key is None and number % 2:
            sent = [(sent[0].close(), send(hurried, None, CHANGE, **of(campaign, name)))[1]]
        answers = [cut_after(asyncio.create_task(asked), chance.choice([5, 40, 150, 10_000])) for asked in sent]
        said[name] = {said_of(answer) for answer in await asyncio.gather(*answers)}

    for begin in range(0, ALL, 10):
        await asyncio.gather(*(one(number) for number in range(begin, begin + 10)))
    assert await is_whole(api.database, 2)
    assert await fetched(database, LEFT) == "[]"
    made = await counts(database)
    for name, told in said.items():
        is_keyed = int(name[1:]) % 3 == 0
        found = made.get(name, (0, 0))
        assert found in (((0, 0), (1, 2)) if is_keyed else ((0, 0), (1, 0), (1, 2)))
        if 2 in told or (is_keyed and 1 in told):
            assert found == (1, 2)
        elif told in ({0}, {1}):
            assert found == ((0, 0) if told == {0} else (1, 0))
    repeated = [await send(api, f"k{number}", CHANGE, **of(campaign, f"b{number}")) for number in range(0, ALL, 3)]
    assert [is_replay(again) for again in repeated] == [f"b{number}" in made for number in range(0, ALL, 3)]
    after = await counts(database)
    assert {after[f"b{number}"] for number in range(0, ALL, 3)} == {(1, 2)}
    total = sum(impressions for _, impressions in after.values())
    assert await metrics(api, campaign, "impressions") == {"impressions": total}
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - tasks:  # noqa: ASYNC110 - what is done in the background now and then is over soon
            await asyncio.sleep(0.01)


async def counts(database: Database) -> dict[str, tuple[int, int]]:
    """For each name how many brands and how many impressions there are."""
    sql = """SELECT name, count(*) FILTER (WHERE is_brand), count(*) FILTER (WHERE NOT is_brand) FROM (
      SELECT name, true FROM brands UNION ALL SELECT split_part(key, '/', 1), false FROM impressions
    ) AS made (name, is_brand) GROUP BY name"""
    async with database.everywhere() as transaction:
        rows = await transaction.driver.fetch(sql)
    return {name: (brands, impressions) for name, brands, impressions in rows}


async def test_a_key_is_free_at_once_where_what_reads_its_change_is_cut_off(
    api: Api, database: Database, database_url: str
) -> None:
    campaign = await create_campaign(api)
    async with locked(database_url, "impressions") as other:
        async with asyncio.timeout(5):
            cut = await send(api, "k", RENAME, id=campaign, n="new")
        assert error_of(cut) == (504, "DEADLINE_EXCEEDED")
        assert cut.json()["errors"][0]["extensions"]["committed"] == 0
        assert await other.fetchval(WAITING) == 0
        assert await other.fetchval("SELECT name FROM campaigns") == "Spring"
    assert await is_whole(api.database, 2)
    again = await send(api, "k", RENAME, id=campaign, n="new")
    assert (again.json()["data"]["updateCampaign"]["campaign"]["name"], is_replay(again)) == ("new", False)


async def test_so_it_is_where_who_asked_has_left(api: Api, database: Database, database_url: str) -> None:
    campaign = await create_campaign(api)
    async with locked(database_url, "impressions") as other:
        asked = asyncio.create_task(send(api, "k", RENAME, id=campaign, n="new"))
        await until_waiting(other)
        asked.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await asked
        assert await other.fetchval(WAITING) == 0
    assert await is_whole(api.database, 2)
    assert not is_replay(await send(api, "k", RENAME, id=campaign, n="new"))


async def test_who_waits_for_another_of_its_key_is_not_told_that_nothing_was_changed(
    api: Api, database_url: str
) -> None:
    hurried = api.as_(api.credential)
    hurried._headers = {**api._headers, "x-request-timeout": "0.1"}
    async with locked(database_url, "brands", "SHARE") as other:
        first = asyncio.create_task(send(api, "k", BRAND, n="Acme"))
        await until_waiting(other)
        second = await send(hurried, "k", BRAND, n="Acme")
        known = second.json()["errors"][0]["extensions"]
        assert known == {"code": "DEADLINE_EXCEEDED", "committed": 0, "unknown": 1}
        await first


async def test_a_commit_that_broke_is_not_said_to_be_another_error(api: Api, database: Database) -> None:
    await execute(
        database,
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "ALTER FUNCTION leave() SECURITY DEFINER",
        "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON campaigns DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION leave()",
    )
    broken = await send(api, "k", WITH_ERROR, input={"name": "Spring"})
    [error] = broken.json()["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert error["message"].endswith("where a change was asked for, look first whether it was made.")
    await execute(database, "DROP TRIGGER leave ON campaigns")
    assert await is_whole(api.database, 2)
    assert (await send(api, "k", WITH_ERROR, input={"name": "Spring"})).json()["data"] is not None


async def test_a_change_that_went_on_after_an_error_is_not_said_to_be_made(database: Database, workspace: int) -> None:
    async def change() -> None:
        async with database.write(workspace) as transaction:
            with suppress(DBAPIError):
                await transaction.run(text("SELECT 1 / 0"))

    with pytest.raises(NotCommitted):
        await change()
    assert await is_whole(database)


async def test_what_observes_cannot_fail_what_it_observes(database: Database, workspace: int) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def _fail(self, *_: Any) -> None:
            raise RuntimeError("no room")

        statement = waits = waited = batch = _fail

    database.observer = Broken()
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE workspaces SET name = 'x' WHERE id = :id"), {"id": workspace})
        with suppress(DBAPIError):
            await transaction.driver.execute("SAVEPOINT one")
            await transaction.run(text("SELECT 1 / 0"))
        await transaction.driver.execute("ROLLBACK TO one")
    assert await fetched(database, "SELECT name FROM workspaces") == "x"
    assert await is_whole(database)


async def test_a_time_that_a_client_gave_is_that_request_s_alone(api: Api, database_url: str) -> None:
    deadlines.asked.set(0.05)  # as where a task is made in the context of the request before
    async with locked(database_url, "campaigns"):
        answer = await api.ask("{ campaigns(first: 1) { nodes { name } } }")
    assert answer["errors"][0]["message"] == "This took longer than 0.5 s, and was cancelled."


async def test_a_stream_that_is_tried_again_is_charged_once(database_url: str, workspace: int, tmp_path: Path) -> None:
    query = 'subscription { engagements(campaignIds: ["Q2FtcGFpZ246MQ=="]) { cursor } }'
    async with build(database_url, tmp_path, COST_BUDGET="15", LIMIT_COST="15") as api:
        await api.data("{ viewer { subject } }")
        async with locked(database_url, "campaigns") as other:
            told = asyncio.create_task(api.as_(token(scopes=["live"])).stream(query))
            for _ in range(2):
                await until_waiting(other)
                await other.fetch("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        assert '"code":"NOT_FOUND"' in await told


async def test_a_revocation_is_heard_of_though_the_client_is_just_looked_up(
    api: Api, database: Database, database_url: str
) -> None:
    create = """mutation { createApiClient(input: {name: "P", scopes: [READ]}) { secret apiClient { id } } }"""
    secret = (await api.as_(token(scopes=["read", "admin"])).data(create))["createApiClient"]["secret"]
    client_id = await fetched(database, "SELECT id FROM api_clients")
    async with locked(database_url, "api_clients") as other:
        found = asyncio.create_task(api.clients.of(secret))
        await until_waiting(other)
        api.clients.forget(client_id)
    assert (await found).id == client_id
    await execute(database, "UPDATE api_clients SET revoked_at = now()")
    assert await api.clients.of(secret) is None
