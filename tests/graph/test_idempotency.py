"""Idempotency keys: a request has one effect and one answer, however often it is sent."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from db.engine import Database, Transaction
from db.queries import idempotency
from jobs.worker import forget
from tests.api import Api, build, token
from tests.db.test_concurrency import waiting
from tests.facts import create_campaign
from tests.keyed import BRAND, SEVERAL, error_of, is_replay, send

CLIENT = """mutation ($input: CreateApiClientInput!) { createApiClient(input: $input) { secret apiClient { id name }
  userErrors { code } } }"""
RENAME = """mutation ($a: ID!, $b: ID!, $n: String!) { first: updateCampaign(input: {id: $a, name: $n}) {
  campaign { name } userErrors { code } } second: updateCampaign(input: {id: $b, name: $n}) { campaign { name } userErrors { code } } }"""
WITH_ERROR = """mutation ($input: CreateCampaignInput!, $first: Int) { createCampaign(input: $input) {
  campaign { name impressions(first: $first, after: "nonsense") { totalCount } } userErrors { code } } }"""


async def run(database: Database, *statements: str) -> None:
    async with database.engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(20):
        while not await waiting(database):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def counted(database: Database, table: str) -> int:
    async with database.everywhere() as transaction:
        return int(await transaction.scalar(text(f"SELECT count(*) FROM {table}")))


async def test_a_request_that_is_sent_again_is_answered_the_same_and_changes_nothing(
    api: Api, database: Database
) -> None:
    first = await send(api, "k", BRAND, n="Acme")
    again = await send(api, "k", BRAND, n="Acme")
    assert first.json()["data"]["createBrand"]["brand"]["name"] == "Acme"
    assert (again.status_code, again.content) == (200, first.content)
    assert [is_replay(first), is_replay(again)] == [False, True]
    assert await counted(database, "brands") == 1


async def test_what_the_caller_has_to_mend_is_answered_again_too(api: Api, database: Database) -> None:
    await send(api, None, BRAND, n="Acme")
    refused = await send(api, "k", BRAND, n="Acme")
    assert refused.json()["data"]["createBrand"]["userErrors"][0]["code"] == "CONFLICT"
    async with database.everywhere() as transaction:
        await transaction.run(text("DELETE FROM brands"))
    again = await send(api, "k", BRAND, n="Acme")
    assert (again.content, is_replay(again)) == (refused.content, True)
    assert await counted(database, "brands") == 0


async def test_a_key_with_another_request_is_an_error(api: Api, database: Database) -> None:
    await send(api, "k", BRAND, n="Acme")
    other_variables = await send(api, "k", BRAND, n="Other")
    other_text = await send(api, "k", BRAND + " ", n="Acme")
    assert error_of(other_variables) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert error_of(other_text) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await counted(database, "brands") == 1


async def test_several_fields_are_one(api: Api, database: Database) -> None:
    variables = {"n": "Acme", "input": {"name": "Spring", "key": "spring"}}
    first = await send(api, "k", SEVERAL, **variables)
    again = await send(api, "k", SEVERAL, **variables)
    data = first.json()["data"]
    assert [data["a"]["brand"]["name"], data["b"]["campaign"]["key"]] == ["Acme", "spring"]
    assert data["c"] == {"brand": None, "userErrors": [{"code": "CONFLICT"}]}
    assert again.content == first.content
    assert [await counted(database, table) for table in ("brands", "campaigns")] == [1, 1]


async def test_a_key_is_its_sender_s(api: Api, other_workspace: int, database: Database) -> None:
    senders = [api, api.as_(token(sub="grace")), api.as_(token("other"))]
    answers = [await send(one, "k", BRAND, n=f"Acme {index}") for index, one in enumerate(senders)]
    assert [answer.json()["data"]["createBrand"]["brand"]["name"] for answer in answers] == [
        "Acme 0",
        "Acme 1",
        "Acme 2",
    ]
    assert await counted(database, "idempotency_keys") == 3


async def test_many_at_once_have_one_effect(api: Api, database: Database) -> None:
    answers = await asyncio.gather(*(send(api, "k", BRAND, n="Acme") for _ in range(100)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum(is_replay(answer) for answer in answers) == 99
    assert await counted(database, "brands") == 1


async def test_many_at_once_at_two_servers_have_one_effect(
    api: Api, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with build(database_url, tmp_path / "other") as other:
        servers = [api, other] * 100
        answers = await asyncio.gather(*(send(one, "k", BRAND, n="Acme") for one in servers))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert sum(is_replay(answer) for answer in answers) == 199
    assert await counted(database, "brands") == 1


async def test_at_one_server_they_hold_one_connection(database: Database, database_url: str, tmp_path: Path) -> None:
    sizes = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_OVERFLOW": "0", "DATABASE_POOL_TIMEOUT": "5"}
    await run(database, "INSERT INTO workspaces (key, name, time_zone, currency) VALUES ('test', 'T', 'UTC', 'EUR')")
    async with build(database_url, tmp_path, **sizes) as api:
        answers = await asyncio.gather(*(send(api, "k", SEVERAL, n="A", input={"name": "B"}) for _ in range(50)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert await counted(database, "campaigns") == 1


async def test_who_is_late_by_a_hair_is_rolled_back(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await send(api, "k", SEVERAL, n="Acme", input={"name": "Spring"})
    claim, blind = idempotency.claim, [True]

    async def not_yet_there(transaction: Transaction, digest: bytes) -> idempotency.Claim:
        found = await claim(transaction, digest)
        return idempotency.Claim(found.is_free, None) if blind and blind.pop() else found

    monkeypatch.setattr(idempotency, "claim", not_yet_there)
    late = await send(api, "k", SEVERAL, n="Acme", input={"name": "Spring"})
    assert (blind, late.content, is_replay(late)) == ([], first.content, True)
    assert await counted(database, "campaigns") == 1


async def test_who_does_not_wait_is_told_that_it_still_runs(
    database: Database, workspace: int, database_url: str, tmp_path: Path
) -> None:
    impatient = {"IDEMPOTENCY_WAIT_SECONDS": "0"}
    async with (
        build(database_url, tmp_path, **impatient) as api,
        build(database_url, tmp_path / "other", **impatient) as other,
        database.everywhere() as transaction,
    ):
        await transaction.run(text("LOCK TABLE brands IN SHARE MODE"))
        first = asyncio.create_task(send(api, "k", BRAND, n="Acme"))
        await until_somebody_waits(database)
        told = [await send(one, "k", BRAND, n="Acme") for one in (api, other)]
        changed = await send(api, "k", BRAND, n="Other")
        await transaction.driver.execute("ROLLBACK")
        assert (await first).json()["data"]["createBrand"]["brand"]["name"] == "Acme"
        assert [error_of(one) for one in told] == [(409, "IDEMPOTENCY_IN_PROGRESS")] * 2
        assert [one.headers["retry-after"] for one in told] == ["1", "1"]
        assert error_of(changed) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert is_replay(await send(other, "k", BRAND, n="Acme"))


async def test_where_the_first_is_cancelled_the_next_takes_over(api: Api, database: Database) -> None:
    async with database.everywhere() as transaction:
        await transaction.run(text("LOCK TABLE brands IN SHARE MODE"))
        first = asyncio.create_task(send(api, "k", BRAND, n="Acme"))
        await until_somebody_waits(database)
        others = [asyncio.create_task(send(api, "k", BRAND, n="Acme")) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    answers = await asyncio.gather(*others)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum(not is_replay(answer) for answer in answers) == 1
    assert await counted(database, "brands") == 1


async def test_what_failed_and_changed_nothing_is_tried_again(api: Api, database: Database) -> None:
    await run(database, "ALTER TABLE campaigns RENAME TO away")
    failed = await send(api, "k", SEVERAL, n="Acme", input={"name": "Spring"})
    assert failed.json()["data"] is None
    assert failed.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert await counted(database, "brands") == 0
    await run(database, "ALTER TABLE away RENAME TO campaigns")
    again = await send(api, "k", SEVERAL, n="Acme", input={"name": "Spring"})
    assert again.json()["data"]["b"]["campaign"]["name"] == "Spring"
    assert not is_replay(again)


async def test_an_error_beside_a_change_is_answered_again(api: Api, database: Database) -> None:
    variables = {"input": {"name": "Spring"}, "first": 1}
    first = await send(api, "k", WITH_ERROR, **variables)
    again = await send(api, "k", WITH_ERROR, **variables)
    [error] = first.json()["errors"]
    assert (error["extensions"]["code"], error["path"][:2]) == ("BAD_USER_INPUT", ["createCampaign", "campaign"])
    assert (again.content, is_replay(again)) == (first.content, True)
    assert await counted(database, "campaigns") == 1


async def test_those_that_lock_in_different_orders_all_end_well(api: Api, database: Database) -> None:
    ids = [await create_campaign(api, name=name) for name in ("one", "two")]
    pairs = [ids, ids[::-1]] * 4
    answers = await asyncio.gather(
        *(send(api, f"k{number}", RENAME, a=a, b=b, n=f"n{number}") for number, (a, b) in enumerate(pairs))
    )
    for number, answer in enumerate(answers):
        renamed = {"campaign": {"name": f"n{number}"}, "userErrors": []}
        assert answer.json() == {"data": {"first": renamed, "second": renamed}}


async def test_a_key_is_forgotten_after_its_time(api: Api, database: Database) -> None:
    await send(api, "k", BRAND, n="Acme")
    later = "UPDATE idempotency_keys SET created_at = created_at - interval '24:00:01', expires_at = expires_at - interval '{}'"
    await run(database, later.format("23:59:00"))
    await forget(database)
    assert is_replay(await send(api, "k", BRAND, n="Acme"))
    await run(database, later.format("00:01:00"))
    answer = await send(api, "k", BRAND, n="Other")
    assert (answer.json()["data"]["createBrand"]["brand"]["name"], is_replay(answer)) == ("Other", False)


async def test_old_keys_are_swept_and_others_are_not(
    api: Api, other_workspace: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.queries.idempotency._AT_ONCE", 2)
    for number in range(5):
        await send(api.as_(token("other")), f"k{number}", BRAND, n=f"{number}")
    await run(database, "UPDATE idempotency_keys SET expires_at = now()")
    await send(api, "k", BRAND, n="Acme")
    await forget(database)
    assert await counted(database, "idempotency_keys") == 1


async def test_it_is_kept_for_a_day(api: Api, database: Database) -> None:
    await send(api, "k", BRAND, n="Acme")
    async with database.everywhere() as transaction:
        kept = await transaction.scalar(text("SELECT expires_at - created_at FROM idempotency_keys"))
    assert kept == timedelta(hours=24)


async def test_a_secret_is_told_again_and_kept_nowhere_as_it_is(api: Api, database: Database) -> None:
    admin = api.as_(token(scopes=("read", "admin")))
    made = [await send(admin, "k", CLIENT, input={"name": "Partner", "scopes": ["READ"]}) for _ in range(2)]
    secret = made[0].json()["data"]["createApiClient"]["secret"]
    assert made[1].content == made[0].content
    assert "errors" not in await api.as_(secret).ask("{ viewer { subject } }")
    async with database.everywhere() as transaction:
        row = await transaction.row(text("SELECT digest, request, answer FROM idempotency_keys"))
    assert not any(word in bytes(column) for column in row for word in (secret.encode(), b"Partner"))


async def test_a_restricted_client_has_keys_as_long_as_its_grants(api: Api, database: Database) -> None:
    campaigns = [await create_campaign(api, name=name) for name in ("one", "two")]
    admin = api.as_(token(scopes=("read", "admin")))
    given = {"name": "Partner", "scopes": ["READ", "WRITE"], "campaignIds": campaigns}
    made = (await send(admin, None, CLIENT, input=given)).json()["data"]["createApiClient"]
    partner = api.as_(made["secret"])
    variables = {"a": campaigns[0], "b": campaigns[1], "n": "new"}
    first, again = [await send(partner, "k", RENAME, **variables) for _ in range(2)]
    assert first.json()["data"]["second"]["campaign"] == {"name": "new"}
    assert (again.content, is_replay(again)) == (first.content, True)
    await run(database, "DELETE FROM api_client_campaigns WHERE campaign_id = (SELECT max(id) FROM campaigns)")
    refused = await send(partner, "k", RENAME, **variables)
    assert error_of(refused) == (200, "FORBIDDEN")


async def test_who_may_no_longer_do_it_is_not_told_again(api: Api) -> None:
    await send(api, "k", BRAND, n="Acme")
    assert error_of(await send(api.as_(token(scopes=("read",))), "k", BRAND, n="Acme")) == (200, "FORBIDDEN")


async def test_actors_of_one_application_have_keys_of_their_own(api: Api) -> None:
    campaign = await create_campaign(api)
    react = "mutation ($id: ID!) { react(input: {campaignId: $id, type: LIKE}) { created } }"
    for name in ("ada", "bob"):
        actor = api.as_(token(scopes=("engage",), actor={"userId": name}))
        assert (await send(actor, "k", react, id=campaign)).json()["data"]["react"]["created"] is True


@pytest.mark.parametrize("key", ["", "x" * 256, "\t", "\x7f", "\xe4"])
async def test_a_key_that_is_none_is_refused(api: Api, database: Database, key: str) -> None:
    body: dict[str, Any] = {"query": BRAND, "variables": {"n": "Acme"}, "extensions": {"idempotencyKey": key}}
    response = await api.client.post("/graphql", json=body, headers=api._headers)
    assert error_of(response) == (400, "BAD_USER_INPUT")
    assert await counted(database, "brands") == 0


async def test_a_key_may_be_long_and_come_in_the_extensions(api: Api) -> None:
    body: dict[str, Any] = {"query": BRAND, "variables": {"n": "Acme"}, "extensions": {"idempotencyKey": "~ " * 127}}
    answers = [await api.client.post("/graphql", json=body, headers=api._headers) for _ in range(2)]
    assert [is_replay(answer) for answer in answers] == [False, True]
    assert answers[0].content == answers[1].content


async def test_a_query_needs_no_key_and_keeps_nothing(api: Api, database: Database, statements: list[str]) -> None:
    answers = [await send(api, "k", query) for query in ("{ viewer { subject } }", "{ brands: __typename }")]
    assert all("errors" not in answer.json() for answer in answers)
    assert not any("idempotency" in statement for statement in statements)


async def test_a_change_without_a_key_costs_nothing_more(api: Api, statements: list[str]) -> None:
    await send(api, None, BRAND, n="Acme")
    assert not any("idempotency" in statement or "SAVEPOINT" in statement for statement in statements)


async def test_without_a_token_a_key_is_nobody_s(api: Api) -> None:
    response: httpx.Response = await send(api.as_(None), "k", "mutation { __typename }")
    assert response.json() == {"data": {"__typename": "Mutation"}}


async def test_an_answer_that_is_too_large_is_refused_and_nothing_done(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.keyed_requests.LARGEST_ANSWER", 100)
    assert error_of(await send(api, "k", BRAND, n="Acme")) == (200, "LIMIT_REACHED")
    assert await counted(database, "brands") == 0
