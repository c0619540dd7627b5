"""Idempotency keys: a request has one effect and one answer, however often it is sent."""

import asyncio

from sqlalchemy import text

from db.engine import Database
from tests.api import Api, token
from tests.keyed import BRAND, UPSERT, error_of, is_replay, send


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
    first = await send(api, "k", UPSERT, **variables)
    again = await send(api, "k", UPSERT, **variables)
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
