"""Assets: making, finding, changing, deleting, restoring, reuse and likeness."""

import asyncio
import hashlib
import io
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from tests.api import Api
from tests.creatives import ASSET, change, create_asset, create_space, picture, upload

WRONG = "userErrors { code message field }"
STATS = "stats { assetCount totalAssetSizeBytes storedBytes reusedAssets byType { type count } }"
LIST = """query ($filter: AssetFilter, $first: Int, $after: String) { assets(filter: $filter, first: $first, after: $after) {
  totalCount nodes { name } pageInfo { endCursor } } }"""


async def asset(api: Api, asset_id: str, fields: str) -> Any:
    return (await api.data(f"query ($id: ID!) {{ asset(id: $id) {{ {fields} }} }}", id=asset_id))["asset"]


async def stats(api: Api, space_id: str) -> Any:
    return (await api.data(f"query ($id: ID!) {{ space(id: $id) {{ {STATS} }} }}", id=space_id))["space"]["stats"]


async def names(api: Api, **filter_: Any) -> list[str]:
    found = (await api.data(LIST, filter=filter_, first=50))["assets"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def wrong(api: Api, name: str, input_: dict[str, Any]) -> list[tuple[str, list[str]]]:
    payload = await change(api, name, input_, WRONG)
    return [(one["code"], one["field"]) for one in payload["userErrors"]]


async def test_a_picture_is_stored_read_off_and_downloaded_byte_for_byte(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture(size=(640, 400))
    fields = """asset { name type fileName contentType sha256 sizeBytes width height durationMs tags platformMetadata createdBy
      publicUrl fileUrl thumbnailUrl space { name } } created userErrors { message }"""
    payload = await upload(
        api,
        space_id,
        bytes_,
        "folder/banner.png",
        name="Banner",
        tags=["b", "a"],
        platformMetadata={"x": 1},
        selected=fields,
    )
    found = payload["asset"]
    links = {name: found.pop(name) for name in ("fileUrl", "thumbnailUrl")}
    assert payload == {
        "created": True,
        "userErrors": [],
        "asset": {
            "name": "Banner",
            "type": "IMAGE",
            "fileName": "banner.png",
            "contentType": "image/png",
            "sha256": hashlib.sha256(bytes_).hexdigest(),
            "sizeBytes": len(bytes_),
            "width": 640,
            "height": 400,
            "durationMs": None,
            "tags": ["a", "b"],
            "platformMetadata": {"x": 1},
            "createdBy": "ada",
            "publicUrl": None,
            "space": {"name": "Spring"},
        },
    }
    assert (await api.client.get(links["fileUrl"])).content == bytes_
    with Image.open(io.BytesIO((await api.client.get(links["thumbnailUrl"])).content)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 200))


async def test_the_same_bytes_in_the_same_space_are_the_same_asset(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture()
    first = await upload(api, space_id, bytes_)
    again = await upload(api, space_id, bytes_, "other.png")
    assert again == {"asset": first["asset"], "created": False, "userErrors": []}
    skipped = await upload(api, space_id, bytes_, skipDuplicateCheck=True)
    assert skipped["created"] is True
    other = await upload(api, await create_space(api, "Summer"), bytes_)
    for made in (skipped, other):
        assert await asset(api, made["asset"]["id"], "duplicateOf { id }") == {"duplicateOf": first["asset"]}
    assert await stats(api, space_id) == {
        "assetCount": 2,
        "totalAssetSizeBytes": 2 * len(bytes_),
        "storedBytes": len(bytes_),
        "reusedAssets": 0,
        "byType": [{"type": "IMAGE", "count": 2}],
    }
    async with api.database.everywhere() as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM blobs")) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "HEADLINE"}, "headlineText"),
        ({"type": "AD_COPY", "adCopyText": "  "}, "adCopyText"),
        ({"type": "DESCRIPTION"}, "description"),
        ({"type": "CALL_TO_ACTION", "headlineText": "x"}, "ctaText"),
        ({"type": "IMAGE"}, "file"),
        ({"type": "OTHER"}, "file"),
        ({"type": "HEADLINE", "headlineText": "x", "tags": ["t" * 101]}, "tags"),
        ({"type": "HEADLINE", "headlineText": "x" * 10_001}, "headlineText"),
    ],
)
async def test_an_asset_that_is_not_whole_is_refused(api: Api, given: dict[str, Any], field: str) -> None:
    space_id = await create_space(api)
    assert await wrong(api, "createAsset", {"spaceId": space_id, **given}) == [("INVALID", [field])]
    assert await names(api) == []


@pytest.mark.parametrize(
    ("bytes_", "file_name", "kind", "code"),
    [
        (b"%PDF-1.7 and so on", "banner.png", "IMAGE", "UNSUPPORTED_TYPE"),
        (b"<html><script>alert(1)</script></html>", "page.html", "DOCUMENT", "UNSUPPORTED_TYPE"),
        (picture()[:-30], "banner.png", "IMAGE", "INVALID"),
        (b"", "empty.txt", "DOCUMENT", "INVALID"),
        (picture(), "banner.mp4", "VIDEO", "UNSUPPORTED_TYPE"),
    ],
)
async def test_a_file_that_is_not_what_it_says_is_refused_and_not_kept(
    api: Api, bytes_: bytes, file_name: str, kind: str, code: str
) -> None:
    space_id = await create_space(api)
    payload = await upload(api, space_id, bytes_, file_name, kind)
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [(code, ["file"])]
    assert payload["asset"] is None
    assert await stats(api, space_id) == {
        "assetCount": 0,
        "totalAssetSizeBytes": 0,
        "storedBytes": 0,
        "reusedAssets": 0,
        "byType": [],
    }


async def test_a_text_with_a_file_and_a_space_that_is_not_there_are_refused(api: Api) -> None:
    payload = await upload(api, await create_space(api), picture(), kind="HEADLINE", headlineText="x")
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [("INVALID", ["file"])]
    payload = await upload(api, "U3BhY2U6OTk5OTk=", picture())
    assert [(one["code"], one["field"]) for one in payload["userErrors"]] == [("NOT_FOUND", ["spaceId"])]


async def test_lists_and_their_filters(api: Api) -> None:
    one, two = await create_space(api), await create_space(api, "Summer")
    bytes_ = picture()
    await upload(api, one, bytes_, name="Hero banner", tags=["hero", "sale"], description="Café in spring")
    await create_asset(api, one, name="Head", tags=["sale"])
    await create_asset(api, two, "AD_COPY", name="Copy")
    await change(api, "deleteAsset", {"id": await create_asset(api, two, name="Gone")}, WRONG)
    assert await names(api) == ["Copy", "Head", "Hero banner"]
    assert await names(api, includeDeleted=True) == ["Gone", "Copy", "Head", "Hero banner"]
    assert await names(api, types=["IMAGE", "AD_COPY"]) == ["Copy", "Hero banner"]
    assert await names(api, types=[]) == []
    assert await names(api, tags=["sale"]) == ["Head", "Hero banner"]
    assert await names(api, tags=["sale", "hero"]) == ["Hero banner"]
    assert await names(api, search="cafe\u0301 HER") == ["Hero banner"]
    assert await names(api, search="ero") == []
    assert await names(api, sha256=hashlib.sha256(bytes_).hexdigest().upper()) == ["Hero banner"]
    assert await names(api, sha256="nothing") == []
    assert await names(api, createdBy="ada", tags=["hero"]) == ["Hero banner"]
    query = """query ($filter: AssetFilter) { spaces { nodes { name assets(filter: $filter) { totalCount nodes { name } } } } }"""
    found = (await api.data(query, filter={"types": ["HEADLINE", "IMAGE"]}))["spaces"]["nodes"]
    assert [
        (one["name"], one["assets"]["totalCount"], [n["name"] for n in one["assets"]["nodes"]]) for one in found
    ] == [
        ("Summer", 0, []),
        ("Spring", 2, ["Head", "Hero banner"]),
    ]
    nothing: dict[str, Any] = {"name": "Spring", "assets": {"totalCount": 0, "nodes": []}}
    assert (await api.data(query, filter={"types": []}))["spaces"]["nodes"] == [{**nothing, "name": "Summer"}, nothing]
    found = (await api.data(query, filter={"types": ["HEADLINE", "IMAGE"], "tags": ["sale"], "search": "he"}))[
        "spaces"
    ]["nodes"]
    assert [one["assets"] for one in found] == [
        nothing["assets"],
        {"totalCount": 2, "nodes": [{"name": "Head"}, {"name": "Hero banner"}]},
    ]


async def test_a_change_of_texts_and_tags_changes_what_it_is_found_by(api: Api) -> None:
    asset_id = await create_asset(api, await create_space(api), name="Old name", tags=["a"])
    given = {"id": asset_id, "name": "New", "description": "words", "tags": ["b"], "headlineText": "Better"}
    payload = await change(api, "updateAsset", given, f"asset {{ name description tags headlineText }} {WRONG}")
    assert payload == {
        "asset": {"name": "New", "description": "words", "tags": ["b"], "headlineText": "Better"},
        "userErrors": [],
    }
    assert (await names(api, search="old"), await names(api, search="word"), await names(api, tags=["a"])) == (
        [],
        ["New"],
        [],
    )
    assert await wrong(api, "updateAsset", {"id": asset_id, "name": None}) == [("INVALID", ["name"])]
    assert await wrong(api, "updateAsset", {"id": asset_id, "headlineText": None}) == [("INVALID", ["headlineText"])]


async def test_an_external_id_is_an_asset_s_own_on_its_platform(api: Api) -> None:
    one, two = await create_space(api), await create_space(api, "Other", platform="TIKTOK")
    first = await create_asset(api, one, externalAssetId="x")
    await create_asset(api, two, externalAssetId="x")
    again = {"spaceId": one, "type": "HEADLINE", "headlineText": "y", "externalAssetId": "x"}
    assert await wrong(api, "createAsset", again) == [("CONFLICT", ["externalAssetId"])]
    await change(api, "deleteAsset", {"id": first}, WRONG)
    assert await wrong(api, "createAsset", again) == []
    assert await wrong(api, "restoreAsset", {"id": first}) == [("CONFLICT", ["externalAssetId"])]


async def test_reuse_is_counted_kept_and_warned_of(api: Api) -> None:
    space_id = await create_space(api)
    asset_id = await create_asset(api, space_id)
    use = {
        "assetId": asset_id,
        "usedInType": "campaign",
        "usedInId": "xyz",
        "usedInName": "Fall",
        "context": {"place": "hero"},
    }
    await change(api, "recordAssetReuse", use, WRONG)
    fields = """asset { reusedCount lastReusedAt usages { totalCount nodes { usedInType usedInId usedInName context usedAt } } }"""
    found = (await change(api, "recordAssetReuse", {**use, "usedInName": None, "context": None}, fields))["asset"]
    newest, oldest = found["usages"]["nodes"]
    assert (found["reusedCount"], found["usages"]["totalCount"], found["lastReusedAt"]) == (2, 2, newest["usedAt"])
    assert (oldest["context"], oldest["usedInName"], newest["context"]) == ({"place": "hero"}, "Fall", None)
    assert (await stats(api, space_id))["reusedAssets"] == 1
    assert await wrong(api, "deleteAsset", {"id": asset_id}) == [("CONFLICT", ["force"])]
    gone = await change(api, "deleteAsset", {"id": asset_id, "force": True}, f"deletedId asset {{ deletedAt }} {WRONG}")
    assert gone["deletedId"] == asset_id
    assert gone["asset"]["deletedAt"] is not None
    assert (await stats(api, space_id))["reusedAssets"] == 0
    assert await wrong(api, "recordAssetReuse", {"assetId": asset_id, "usedInType": " ", "usedInId": ""}) == [
        ("INVALID", ["usedInType"]),
        ("INVALID", ["usedInId"]),
    ]


async def test_upload_delete_upload_restore_makes_no_second_blob(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture()
    first = (await upload(api, space_id, bytes_))["asset"]["id"]
    await change(api, "deleteAsset", {"id": first}, WRONG)
    second = await upload(api, space_id, bytes_)
    assert second["created"] is True
    await change(api, "restoreAsset", {"id": first}, WRONG)
    assert (await stats(api, space_id))["assetCount"] == 2
    assert (await stats(api, space_id))["storedBytes"] == len(bytes_)
    gone = await change(api, "deleteAsset", {"id": first, "hard": True}, f"deletedId asset {{ id }} {WRONG}")
    assert gone == {"deletedId": first, "asset": None, "userErrors": []}
    assert await asset(api, second["asset"]["id"], "duplicateOf { id }") == {"duplicateOf": None}
    link = (await asset(api, second["asset"]["id"], "fileUrl"))["fileUrl"]
    assert (await api.client.get(link)).content == bytes_


async def test_pictures_that_look_alike_are_suggested_and_copies_are_not(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture(3, (400, 300))
    with Image.open(io.BytesIO(bytes_)) as image:
        smaller = io.BytesIO()
        image.resize((200, 150)).save(smaller, "JPEG", quality=80)
    first = (await upload(api, space_id, bytes_))["asset"]["id"]
    await upload(api, space_id, bytes_, skipDuplicateCheck=True)
    await upload(api, space_id, smaller.getvalue(), "small.jpg")
    await upload(api, space_id, picture(8, (400, 300)), "other.png")
    text = await create_asset(api, space_id)
    [alike] = (await asset(api, first, "similar { distance asset { name } }"))["similar"]
    assert alike["asset"] == {"name": "small.jpg"}
    assert 0 <= alike["distance"] <= 8
    assert (await asset(api, text, "similar { distance }"))["similar"] == []
    query = "query ($id: ID!) { asset(id: $id) { similar(maxDistance: 9) { distance } } }"
    assert await api.error(query, id=first) == ("BAD_USER_INPUT", "maxDistance must be from 0 to 8; it is 9.")


async def test_a_staged_upload_is_completed_once_and_checked(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture(5)
    prepared = "uploadId url expiresAt userErrors { code field }"
    given = {
        "spaceId": space_id,
        "fileName": "big.png",
        "sizeBytes": len(bytes_),
        "sha256": hashlib.sha256(bytes_).hexdigest(),
    }
    staged = await change(api, "createUpload", given, prepared)
    complete = {"uploadId": staged["uploadId"], "asset": {"type": "IMAGE", "name": "Big"}}
    assert await wrong(api, "completeUpload", complete) == [("INVALID", ["uploadId"])]
    assert (await api.client.put(staged["url"], content=bytes_[:-1])).status_code == 400
    assert (await api.client.put(staged["url"], content=bytes_)).is_success
    made = await change(api, "completeUpload", complete, ASSET)
    assert (made["created"], made["userErrors"]) == (True, [])
    again = await change(api, "completeUpload", complete, ASSET)
    assert (again["asset"], again["created"]) == (made["asset"], False)
    found = await asset(api, made["asset"]["id"], "name fileName width fileUrl")
    assert (found["name"], found["fileName"], found["width"]) == ("Big", "big.png", 64)
    assert (await api.client.get(found["fileUrl"])).content == bytes_
    wrongly = {"spaceId": space_id, "fileName": " ", "sizeBytes": 0, "sha256": "x"}
    payload = await change(api, "createUpload", wrongly, prepared)
    assert [one["field"] for one in payload["userErrors"]] == [["fileName"], ["sizeBytes"], ["sha256"]]
    large = {"spaceId": space_id, "fileName": "a", "sizeBytes": 2**40}
    assert await wrong(api, "createUpload", large) == [("TOO_LARGE", ["sizeBytes"])]
    mistaken = await change(api, "createUpload", {**given, "sha256": "0" * 64}, prepared)
    await api.client.put(mistaken["url"], content=bytes_)
    assert await wrong(api, "completeUpload", {**complete, "uploadId": mistaken["uploadId"]}) == [
        ("INVALID", ["uploadId"])
    ]


async def test_completing_an_upload_at_once_makes_one_asset(api: Api) -> None:
    space_id, bytes_ = await create_space(api), picture(6)
    given = {"spaceId": space_id, "fileName": "a.png", "sizeBytes": len(bytes_)}
    staged = await change(api, "createUpload", given, "uploadId url")
    await api.client.put(staged["url"], content=bytes_)
    complete = {"uploadId": staged["uploadId"], "asset": {"type": "IMAGE", "skipDuplicateCheck": True}}
    made = await asyncio.gather(*(change(api, "completeUpload", complete, ASSET) for _ in range(4)))
    assert sorted(one["created"] for one in made) == [False, False, False, True]
    assert len({one["asset"]["id"] for one in made}) == 1
    assert await wrong(api, "createUpload", {**given, "fileName": "a/"}) == [("INVALID", ["fileName"])]


@pytest.mark.parametrize("document", ["abc", "", "123", [1, None], {"a": {"b": 1.5}}, False, 0, "\\u0000"])
async def test_a_document_is_answered_as_it_was_given(api: Api, document: Any) -> None:
    space_id = await create_space(api, targetAudience=document)
    query = "query ($id: ID!) { space(id: $id) { targetAudience } spaces { nodes { targetAudience } } }"
    found = await api.data(query, id=space_id)
    assert found == {"space": {"targetAudience": document}, "spaces": {"nodes": [{"targetAudience": document}]}}


@pytest.mark.parametrize("document", ["{a: 1e20}", "[9007199254740993]", "1e999", '{a: ["\\u0000"]}', "[[-1e300]]"])
async def test_a_document_that_could_not_be_answered_is_refused(api: Api, document: str) -> None:
    query = (
        'mutation { createSpace(input: {name: "A", platform: META, targetAudience: %s}) { userErrors { code field } } }'
    )
    [problem] = (await api.data(query % document))["createSpace"]["userErrors"]
    assert problem == {"code": "INVALID", "field": ["targetAudience"]}


async def test_a_name_is_found_however_long_the_description_is(api: Api) -> None:
    words = " ".join(f"word{number}" for number in range(700))
    await create_asset(api, await create_space(api), name="zebra", description=words)
    assert await names(api, search="zebra word1") == ["zebra"]


async def test_flat_pictures_look_like_nothing(api: Api) -> None:
    space_id = await create_space(api)
    made = []
    for colour in ("white", "red"):
        target = io.BytesIO()
        Image.new("RGB", (50, 50), colour).save(target, "PNG")
        made.append((await upload(api, space_id, target.getvalue()))["asset"]["id"])
    assert (await asset(api, made[0], "similar { distance }"))["similar"] == []


async def test_deleting_what_its_space_took_along_stays(api: Api) -> None:
    space_id = await create_space(api)
    asset_id = await create_asset(api, space_id)
    await change(api, "deleteSpace", {"id": space_id}, WRONG)
    await change(api, "deleteAsset", {"id": asset_id}, WRONG)
    await change(api, "restoreSpace", {"id": space_id}, WRONG)
    assert await names(api) == []
