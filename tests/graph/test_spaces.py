"""Spaces: making, changing, lists, templates, deleting and restoring."""

from typing import Any

import pytest

from tests.api import Api, token
from tests.creatives import change, create_asset, create_space, picture, upload
from tests.facts import create_campaign, restricted

WHOLE = """name platform campaign { name } brand { name } externalCampaignId description objective targetAudience
  budget { amount currency } importSource importMetadata importedAt tags category isTemplate templateMetadata isActive isArchived
  deletedAt createdBy performance { clicks }"""
LIST = """query ($filter: SpaceFilter, $first: Int, $after: String) { spaces(filter: $filter, first: $first, after: $after) {
  totalCount nodes { name } pageInfo { hasNextPage endCursor } } }"""
WRONG = "userErrors { code message field }"
STATS = "stats { assetCount totalAssetSizeBytes storedBytes reusedAssets byType { type count } }"


async def space(api: Api, space_id: str, fields: str = WHOLE) -> Any:
    return (await api.data(f"query ($id: ID!) {{ space(id: $id) {{ {fields} }} }}", id=space_id))["space"]


async def names(api: Api, **filter_: Any) -> list[str]:
    found = (await api.data(LIST, filter=filter_, first=50))["spaces"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def wrong(api: Api, name: str, input_: dict[str, Any]) -> list[tuple[str, list[str]]]:
    payload = await change(api, name, input_, WRONG)
    return [(one["code"], one["field"]) for one in payload["userErrors"]]


async def test_a_space_is_answered_as_it_was_given(api: Api) -> None:
    campaign = await create_campaign(api, name="Spring sale")
    brand = 'mutation { createBrand(input: {name: "Acme"}) { brand { id } } }'
    brand_id = (await api.data(brand))["createBrand"]["brand"]["id"]
    given = {
        "platform": "GOOGLE_ADS",
        "campaignId": campaign,
        "brandId": brand_id,
        "externalCampaignId": "c-1",
        "description": "All of it",
        "objective": "conversion",
        "targetAudience": {"age": [18, 30]},
        "budget": {"amount": "5000.00", "currency": "USD"},
        "importMetadata": None,
        "tags": ["summer", "sale", "summer"],
        "category": "seasonal",
    }
    assert await space(api, await create_space(api, "Spring", **given)) == {
        "name": "Spring",
        "platform": "GOOGLE_ADS",
        "campaign": {"name": "Spring sale"},
        "brand": {"name": "Acme"},
        "externalCampaignId": "c-1",
        "description": "All of it",
        "objective": "conversion",
        "targetAudience": {"age": [18, 30]},
        "budget": {"amount": "5000.00", "currency": "USD"},
        "importSource": "MANUAL_UPLOAD",
        "importMetadata": None,
        "importedAt": None,
        "tags": ["sale", "summer"],
        "category": "seasonal",
        "isTemplate": False,
        "templateMetadata": None,
        "isActive": True,
        "isArchived": False,
        "deletedAt": None,
        "createdBy": "ada",
        "performance": None,
    }
    query = "query ($id: ID!) { campaign(id: $id) { spaces { totalCount nodes { name } } } }"
    assert (await api.data(query, id=campaign))["campaign"]["spaces"] == {
        "totalCount": 1,
        "nodes": [{"name": "Spring"}],
    }


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_made(api: Api) -> None:
    given = {
        "name": " ",
        "platform": "META",
        "campaignId": "Q2FtcGFpZ246OTk5OTk=",
        "budget": {"amount": "-1", "currency": "usd"},
        "tags": [""],
    }
    assert sorted(await wrong(api, "createSpace", given)) == [
        ("INVALID", ["budget"]),
        ("INVALID", ["budget"]),
        ("INVALID", ["name"]),
        ("INVALID", ["tags"]),
    ]
    missing = {"name": "A", "platform": "META", "campaignId": "Q2FtcGFpZ246OTk5OTk=", "brandId": "QnJhbmQ6OTk5OTk="}
    assert await wrong(api, "createSpace", missing) == [("NOT_FOUND", ["campaignId"]), ("NOT_FOUND", ["brandId"])]
    assert await names(api) == []


async def test_a_name_is_taken_once_and_free_again_after_deleting(api: Api) -> None:
    first = await create_space(api, "Spring")
    assert await wrong(api, "createSpace", {"name": "Spring", "platform": "META"}) == [("CONFLICT", ["name"])]
    await change(api, "deleteSpace", {"id": first}, WRONG)
    second = await create_space(api, "Spring")
    assert await wrong(api, "restoreSpace", {"id": first}) == [("CONFLICT", ["name"])]
    await change(api, "updateSpace", {"id": second, "name": "Summer"}, WRONG)
    assert await wrong(api, "restoreSpace", {"id": first}) == []
    assert await names(api) == ["Summer", "Spring"]


async def test_a_change_keeps_what_is_left_out_and_null_clears(api: Api) -> None:
    space_id = await create_space(api, "Spring", description="Old", tags=["a"], category="c", externalCampaignId="x")
    given = {"id": space_id, "description": None, "tags": ["b"], "isArchived": True}
    await change(api, "updateSpace", given, WRONG)
    found = await space(api, space_id, "name description tags category isArchived externalCampaignId")
    assert found == {
        "name": "Spring",
        "description": None,
        "tags": ["b"],
        "category": "c",
        "isArchived": True,
        "externalCampaignId": "x",
    }
    assert await wrong(api, "updateSpace", {"id": space_id, "name": None, "isActive": None}) == [
        ("INVALID", ["isActive"]),
        ("INVALID", ["name"]),
    ]


async def test_lists_are_newest_first_and_filters_hold_together(api: Api) -> None:
    await create_space(api, "Été chaud", platform="TIKTOK", tags=["a", "b"], description="Café prices")
    await create_space(api, "Winter", tags=["a"], category="cold", isActive=False)
    await change(api, "markSpaceAsTemplate", {"id": await create_space(api, "Base")}, WRONG)
    gone = await create_space(api, "Gone", tags=["a"])
    await change(api, "deleteSpace", {"id": gone}, WRONG)
    assert await names(api) == ["Base", "Winter", "Été chaud"]
    assert await names(api, includeDeleted=True) == ["Gone", "Base", "Winter", "Été chaud"]
    assert await names(api, platform="TIKTOK") == ["Été chaud"]
    assert await names(api, tags=["a"]) == ["Winter", "Été chaud"]
    assert await names(api, tags=["a", "b"]) == ["Été chaud"]
    assert await names(api, tags=["a", "B"]) == []
    assert await names(api, category="cold") == ["Winter"]
    assert await names(api, isActive=False) == ["Winter"]
    assert await names(api, isTemplate=True) == ["Base"]
    assert await names(api, isArchived=True) == []
    assert await names(api, search="ÉTÉ caf") == ["Été chaud"]
    assert await names(api, search="chaud nothing") == []
    assert await names(api, createdBy="ada") == ["Base", "Winter", "Été chaud"]
    assert await names(api, createdBy="bob") == []
    first = (await api.data(LIST, first=2))["spaces"]
    after = first["pageInfo"]["endCursor"]
    assert first["pageInfo"]["hasNextPage"] is True
    assert [one["name"] for one in (await api.data(LIST, first=2, after=after))["spaces"]["nodes"]] == ["Été chaud"]


async def test_a_space_is_made_from_a_template_with_its_assets_and_without_what_is_its_own(api: Api) -> None:
    base = await create_space(api, "Base", tags=["t"], description="D", externalCampaignId="ext", category="c")
    assert await wrong(api, "createSpaceFromTemplate", {"templateId": base, "name": "New"}) == [
        ("CONFLICT", ["templateId"])
    ]
    bytes_ = picture()
    made = await upload(api, base, bytes_, externalAssetId="a-1", tags=["hero"])
    await change(api, "updateAssetPerformance", {"id": made["asset"]["id"], "clicks": 3}, WRONG)
    await change(api, "updateSpacePerformance", {"id": base, "impressions": 10, "clicks": 3}, WRONG)
    deleted = await create_asset(api, base)
    await change(api, "deleteAsset", {"id": deleted}, WRONG)
    marked = await change(
        api, "markSpaceAsTemplate", {"id": base, "templateMetadata": {"v": 1}}, "space { isTemplate templateMetadata }"
    )
    assert marked["space"] == {"isTemplate": True, "templateMetadata": {"v": 1}}
    fields = f"""space {{ name platform tags description category externalCampaignId isTemplate performance {{ clicks }} {STATS}
      assets {{ nodes {{ name externalAssetId tags sizeBytes performance {{ clicks }} duplicateOf {{ id }} reusedCount }} }} }} {WRONG}"""
    given = {"templateId": base, "name": "New", "platform": "TIKTOK"}
    payload = await change(api, "createSpaceFromTemplate", given, fields)
    assert payload == {
        "userErrors": [],
        "space": {
            "name": "New",
            "platform": "TIKTOK",
            "tags": ["t"],
            "description": "D",
            "category": "c",
            "externalCampaignId": None,
            "isTemplate": False,
            "performance": None,
            "stats": {
                "assetCount": 1,
                "totalAssetSizeBytes": len(bytes_),
                "storedBytes": len(bytes_),
                "reusedAssets": 0,
                "byType": [{"type": "IMAGE", "count": 1}],
            },
            "assets": {
                "nodes": [
                    {
                        "name": "banner.png",
                        "externalAssetId": None,
                        "tags": ["hero"],
                        "sizeBytes": len(bytes_),
                        "performance": None,
                        "duplicateOf": {"id": made["asset"]["id"]},
                        "reusedCount": 0,
                    }
                ]
            },
        },
    }


async def test_a_deleted_space_takes_its_assets_along_and_brings_them_back(api: Api) -> None:
    space_id = await create_space(api)
    kept, gone = [await create_asset(api, space_id, name=name) for name in ("kept", "gone")]
    await change(api, "deleteAsset", {"id": gone}, WRONG)
    payload = await change(api, "deleteSpace", {"id": space_id}, f"deletedId space {{ deletedAt {STATS} }}")
    assert payload["deletedId"] == space_id
    assert payload["space"]["deletedAt"] is not None
    assert payload["space"]["stats"]["assetCount"] == 0
    assert (await api.data("{ assets { totalCount } }"))["assets"]["totalCount"] == 0
    assert await wrong(api, "restoreAsset", {"id": kept}) == [("CONFLICT", ["id"])]
    assert await wrong(api, "createAsset", {"spaceId": space_id, "type": "HEADLINE", "headlineText": "x"}) == [
        ("CONFLICT", ["spaceId"])
    ]
    await change(api, "restoreSpace", {"id": space_id}, WRONG)
    assert (await api.data("{ assets { nodes { name } } }"))["assets"]["nodes"] == [{"name": "kept"}]


async def test_a_space_whose_assets_are_in_use_is_deleted_by_force_only(api: Api) -> None:
    space_id = await create_space(api)
    asset = await create_asset(api, space_id)
    await change(api, "recordAssetReuse", {"assetId": asset, "usedInType": "campaign", "usedInId": "7"}, WRONG)
    for hard in (False, True):
        assert await wrong(api, "deleteSpace", {"id": space_id, "hard": hard}) == [("CONFLICT", ["force"])]
    gone = await change(
        api, "deleteSpace", {"id": space_id, "hard": True, "force": True}, f"deletedId space {{ id }} {WRONG}"
    )
    assert gone == {"deletedId": space_id, "space": None, "userErrors": []}
    assert await space(api, space_id) is None
    assert (await api.data("query ($id: ID!) { asset(id: $id) { id } }", id=asset))["asset"] is None
    assert await wrong(api, "restoreSpace", {"id": space_id}) == [("NOT_FOUND", ["id"])]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"clicks": -1}, "clicks"),
        ({"spend": {"amount": "1", "currency": "EURO"}}, "spend"),
        ({"spend": {"amount": "1", "currency": "EUR"}, "revenue": {"amount": "1", "currency": "USD"}}, "revenue"),
        ({}, "impressions"),
    ],
)
async def test_figures_that_cannot_be_are_refused(api: Api, given: dict[str, Any], field: str) -> None:
    space_id = await create_space(api)
    assert await wrong(api, "updateSpacePerformance", {"id": space_id, **given}) == [("INVALID", [field])]
    assert await space(api, space_id, "performance { clicks }") == {"performance": None}


async def test_figures_replace_what_is_given_and_rates_come_of_them(api: Api) -> None:
    space_id = await create_space(api)
    fields = "space { performance { impressions clicks conversions spend { amount currency } revenue { amount } clickThroughRate roas } }"
    first = {"id": space_id, "impressions": 3, "clicks": 1, "spend": {"amount": "3.00", "currency": "EUR"}}
    payload = await change(api, "updateSpacePerformance", first, fields)
    assert payload["space"]["performance"] == {
        "impressions": 3,
        "clicks": 1,
        "conversions": None,
        "spend": {"amount": "3.00", "currency": "EUR"},
        "revenue": None,
        "clickThroughRate": 33.33,
        "roas": None,
    }
    second = {"id": space_id, "clicks": None, "revenue": {"amount": "10", "currency": "EUR"}}
    payload = await change(api, "updateSpacePerformance", second, fields)
    assert payload["space"]["performance"]["clickThroughRate"] is None
    assert payload["space"]["performance"]["roas"] == 3.3333
    third = {"id": space_id, "revenue": {"amount": "10", "currency": "USD"}}
    assert await wrong(api, "updateSpacePerformance", third) == [("INVALID", ["revenue"])]


async def test_who_may_not_write_changes_nothing(api: Api) -> None:
    reader = api.as_(token(scopes=("read",)))
    query = 'mutation { createSpace(input: {name: "A", platform: META}) { space { id } } }'
    assert (await reader.error(query))[0] == "FORBIDDEN"
    partner = await restricted(api, [await create_campaign(api)], "READ")
    await create_space(api)
    assert (await partner.data("{ spaces { totalCount nodes { id } } }"))["spaces"] == {"totalCount": 0, "nodes": []}


async def test_spaces_with_all_that_hangs_on_them_take_as_many_statements_for_2n_as_for_n(
    api: Api, statements: list[str]
) -> None:
    query = f"""{{ spaces {{ totalCount nodes {{ name tags campaign {{ name }} performance {{ clicks }} {STATS}
      assets(first: 5) {{ totalCount nodes {{ name tags fileUrl usages {{ totalCount nodes {{ usedInId }} }} duplicateOf {{ name }}
        similar {{ distance asset {{ name }} }} space {{ name }} }} }} }} }} }}"""
    taken: list[int] = []
    for batch in (2, 4):
        for number in range(batch - len(taken) * 2):
            space_id = await create_space(api, f"Space {batch} {number}")
            await upload(api, space_id, picture(number))
            await create_asset(api, space_id)
        statements.clear()
        await api.data(query)
        taken.append(len(statements))
    assert taken[0] == taken[1]
