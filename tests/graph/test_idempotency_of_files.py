"""Idempotency keys of requests with files, and of those that work long: nothing is stored twice, and no connection is held."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from db.engine import Database
from tests import uploads
from tests.api import Api, build, token
from tests.creatives import ASSET, create_space, picture
from tests.graph.test_idempotency import counted
from tests.graph.test_recalculate_scores import RECALCULATE
from tests.keyed import error_of, is_replay, send
from tests.social import interaction, record_interactions

CREATE = f"mutation ($input: CreateAssetInput!) {{ createAsset(input: $input) {{ {ASSET} }} }}"
UPLOAD = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) { uploadId url expiresAt userErrors { code } } }"""
COMPLETE = """mutation ($input: CompleteUploadInput!) { completeUpload(input: $input) { created asset { id }
  userErrors { code message } } }"""


async def send_file(api: Api, space: str, file: bytes, name: str = "a.png", key: str = "k") -> httpx.Response:
    variables = {"input": {"spaceId": space, "type": "IMAGE", "file": None}}
    given = uploads.form(CREATE, variables, {"0": ["variables.input.file"]}, {"0": (name, file, "image/png")})
    return await uploads.send(api, given, idempotency_key=key)


async def test_a_file_that_is_sent_again_makes_no_other_asset(api: Api, database: Database) -> None:
    space = await create_space(api, "Spring")
    first, again = [await send_file(api, space, picture()) for _ in range(2)]
    assert first.json()["data"]["createAsset"]["userErrors"] == []
    assert (again.content, is_replay(again)) == (first.content, True)
    assert await counted(database, "assets") == 1


async def test_another_file_is_another_request(api: Api) -> None:
    space = await create_space(api, "Spring")
    await send_file(api, space, picture())
    refused = [await send_file(api, space, picture() + b"\0"), await send_file(api, space, picture(), "b.png")]
    assert [error_of(one) for one in refused] == [(422, "IDEMPOTENCY_KEY_REUSED")] * 2


async def test_files_at_two_servers_at_once_make_one_asset(
    api: Api, database: Database, database_url: str, tmp_path: Path
) -> None:
    space = await create_space(api, "Spring")
    async with build(database_url, tmp_path) as other:
        answers = await asyncio.gather(*(send_file(one, space, picture()) for one in [api, other] * 5))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert await counted(database, "assets") == 1


async def test_a_staged_upload_is_prepared_and_completed_once(api: Api, database: Database) -> None:
    space, file = await create_space(api, "Spring"), picture()
    given = {"spaceId": space, "fileName": "a.png", "sizeBytes": len(file)}
    prepared = [await send(api, "prepare", UPLOAD, input=given) for _ in range(2)]
    assert prepared[1].content == prepared[0].content
    upload = prepared[0].json()["data"]["createUpload"]
    assert (await api.client.put(upload["url"], content=file)).is_success
    complete: dict[str, Any] = {"uploadId": upload["uploadId"], "asset": {"type": "IMAGE"}}
    made = await asyncio.gather(*(send(api, "complete", COMPLETE, input=complete) for _ in range(5)))
    assert made[0].json()["data"]["completeUpload"]["created"] is True
    assert {answer.content for answer in made} == {made[0].content}
    assert [await counted(database, table) for table in ("assets", "uploads")] == [1, 1]


async def test_scores_are_recounted_once_for_a_key(api: Api, database: Database) -> None:
    await record_interactions(api, interaction("a", "amy", type="COMMENT"))
    answers = [await send(api.as_(token()), "k", RECALCULATE) for _ in range(2)]
    assert (answers[1].content, is_replay(answers[1])) == (answers[0].content, True)
    assert await counted(database, "score_recounts") == 1
