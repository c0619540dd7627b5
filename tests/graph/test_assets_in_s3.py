"""Assets in an S3 store, over HTTP: sent to its own links, stored in parts, and read back by its own links."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.api import Api, build
from tests.creatives import ASSET, change, create_space, picture, upload
from tests.stores import BUCKET, environment, s3

LARGE = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() * 1024 for n in range(288))
"""9 MiB: more than one part."""


async def test_a_staged_upload_and_a_picture(
    database_url: str, workspace: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3() as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        async with (
            build(database_url, tmp_path, OBJECT_STORE_URL=f"s3://{BUCKET}/below") as api,
            httpx.AsyncClient() as anybody,
        ):
            await _large(api, anybody, await create_space(api))
            await _picture(api, anybody, await create_space(api, "Pictures"))
            async with api.database.everywhere() as transaction:
                [row] = await transaction.rows(text("SELECT path FROM loose_objects"))
            assert row.path.startswith(f"uploads/{workspace}/")  # until its link has expired


async def _large(api: Api, anybody: httpx.AsyncClient, space_id: str) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    given = {"spaceId": space_id, "fileName": "page.html", "sizeBytes": len(LARGE), "sha256": digest}
    staged = await change(api, "createUpload", given, "uploadId url")
    assert f"/{BUCKET}/below/uploads/" in staged["url"]
    complete = {"uploadId": staged["uploadId"], "asset": {"type": "OTHER"}}
    wrong = await change(api, "completeUpload", complete, ASSET)
    assert [(one["code"], one["field"]) for one in wrong["userErrors"]] == [("INVALID", ["uploadId"])]
    (await anybody.put(staged["url"], content=LARGE)).raise_for_status()
    made = await change(
        api, "completeUpload", complete, "asset { sha256 sizeBytes fileUrl } created userErrors { message }"
    )
    assert (made["created"], made["asset"]["sha256"], made["asset"]["sizeBytes"]) == (True, digest, len(LARGE))
    answer = await anybody.get(made["asset"]["fileUrl"])
    assert answer.content == LARGE
    assert answer.headers["content-disposition"].startswith("attachment")


async def _picture(api: Api, anybody: httpx.AsyncClient, space_id: str) -> None:
    fields = "asset { id fileUrl thumbnailUrl publicUrl } created userErrors { message }"
    made: Any = await upload(api, space_id, picture(), selected=fields)
    again = await upload(api, space_id, picture(), selected="asset { id } created userErrors { message }")
    assert (again["created"], again["asset"]["id"]) == (False, made["asset"]["id"])
    answer = await anybody.get(made["asset"]["fileUrl"])
    assert (answer.content, answer.headers["content-type"]) == (picture(), "image/png")
    assert (await anybody.get(made["asset"]["thumbnailUrl"])).headers["content-type"] == "image/webp"
    assert made["asset"]["publicUrl"] is None
