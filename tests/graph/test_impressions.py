"""Impressions: recording, what became of them, and their pages."""

from typing import Any

import pytest

from tests.api import Api
from tests.facts import at, create_campaign, metrics, record, update

ALL_FIELDS = """key audienceLabel isUnique isViewable viewableDurationMs clicked clickedAt converted convertedAt deviceType
  location region placement cpiRate charged chargedAt ipAddress userAgent sessionId occurredAt
  actor { userId profileId profileType } brand { name } campaign { name }"""


async def impressions(api: Api, campaign_id: str, arguments: str = "", fields: str = "key") -> Any:
    listed = f"impressions{arguments and f'({arguments})'} {{ nodes {{ {fields} }} totalCount }}"
    return (await api.data(f"query ($id: ID!) {{ campaign(id: $id) {{ {listed} }} }}", id=campaign_id))["campaign"][
        "impressions"
    ]


async def keys(api: Api, campaign_id: str, arguments: str = "") -> list[str]:
    return [node["key"] for node in (await impressions(api, campaign_id, arguments))["nodes"]]


async def test_all_25_columns_come_back_as_they_went_in(api: Api) -> None:
    campaign_id = await create_campaign(api, costPerImpression={"amount": "0.5", "currency": "EUR"})
    given = {
        "key": "a",
        "actor": {"userId": "u", "profileId": "p", "profileType": "creator"},
        "audienceLabel": "sporty",
        "isViewable": True,
        "viewableDurationMs": 1200,
        "clickedAt": at(seconds=2),
        "convertedAt": at(seconds=3),
        "deviceType": "mobile",
        "location": "Bern",
        "region": "CH",
        "placement": "feed",
        "cpiRate": "0.0035",
        "chargedAt": at(seconds=4),
        "ipAddress": "2001:db8::1",
        "userAgent": "Firefox",
        "sessionId": "s",
        "occurredAt": at(),
    }
    assert await record(api, campaign_id, [given]) == {"accepted": 1, "duplicates": 0, "rejected": [], "userErrors": []}
    [node] = (await impressions(api, campaign_id, fields=ALL_FIELDS))["nodes"]
    derived = {
        "isUnique": True,
        "clicked": True,
        "converted": True,
        "charged": True,
        "brand": None,
        "campaign": {"name": "Spring"},
    }
    assert node == given | derived


async def test_an_impression_of_nobody(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "a", "isUnique": True, "occurredAt": at()}])
    [node] = (await impressions(api, campaign_id, fields="isUnique isViewable clicked charged actor { userId }"))[
        "nodes"
    ]
    assert node == {"isUnique": False, "isViewable": None, "clicked": False, "charged": False, "actor": None}


async def test_a_repeated_key_counts_once(api: Api) -> None:
    campaign_id = await create_campaign(api)
    batch = [{"key": key, "actor": {"userId": "u"}, "occurredAt": at()} for key in ("a", "b", "a")]
    assert (await record(api, campaign_id, batch))["duplicates"] == 1
    again = await record(api, campaign_id, [*batch, {"key": "c", "occurredAt": at()}])
    assert (again["accepted"], again["duplicates"]) == (1, 3)
    assert await metrics(api, campaign_id, "impressions uniqueImpressions reach") == {
        "impressions": 3,
        "uniqueImpressions": 1,
        "reach": 1,
    }


async def test_the_first_of_a_user_is_unique_unless_the_ad_server_says_otherwise(api: Api) -> None:
    campaign_id = await create_campaign(api)
    user: dict[str, Any] = {"actor": {"userId": "u"}}
    batch: list[dict[str, Any]] = [
        {"key": "late", "occurredAt": at(seconds=9), **user},
        {"key": "early", "occurredAt": at(), **user},
        {"key": "said", "occurredAt": at(seconds=5), "isUnique": True, **user},
    ]
    await record(api, campaign_id, batch)
    await record(api, campaign_id, [{"key": "next", "occurredAt": at(hours=-1), **user}])
    nodes = (await impressions(api, campaign_id, fields="key isUnique"))["nodes"]
    assert {node["key"] for node in nodes if node["isUnique"]} == {"early", "said"}


async def test_good_items_go_in_beside_bad_ones(api: Api) -> None:
    campaign_id = await create_campaign(api)
    answer = await record(
        api,
        campaign_id,
        [
            {"key": "good", "occurredAt": at()},
            {"key": " ", "occurredAt": at()},
            {"key": "ip", "occurredAt": at(), "ipAddress": "1.2.3"},
            {"key": "two", "occurredAt": "1970-01-01T00:00:00Z", "cpiRate": "-1"},
            {"key": "user", "occurredAt": at(), "actor": {"userId": ""}},
            {"key": "text", "occurredAt": at(), "placement": "a\0b"},
            {"key": "long", "occurredAt": at(), "deviceType": "x" * 201},
        ],
    )
    assert answer["accepted"] == 1
    assert [(item["index"], item["key"], item["code"], item["field"]) for item in answer["rejected"]] == [
        (1, " ", "INVALID", ["key"]),
        (2, "ip", "INVALID", ["ipAddress"]),
        (3, "two", "INVALID", ["cpiRate"]),
        (3, "two", "INVALID", ["occurredAt"]),
        (4, "user", "INVALID", ["userId"]),
        (5, "text", "INVALID", ["placement"]),
        (6, "long", "INVALID", ["deviceType"]),
    ]


async def test_a_batch_of_more_than_1000_is_refused_whole(api: Api) -> None:
    campaign_id = await create_campaign(api)
    answer = await record(api, campaign_id, [{"key": str(n), "occurredAt": at()} for n in range(1001)])
    assert answer["userErrors"][0]["code"] == "TOO_LARGE"
    assert await keys(api, campaign_id) == []


async def test_an_unknown_campaign_refuses_the_batch(api: Api) -> None:
    answer = await record(api, "Q2FtcGFpZ246OTk5", [{"key": "a", "occurredAt": at()}])
    assert [(e["code"], e["field"]) for e in answer["userErrors"]] == [("NOT_FOUND", ["campaignId"])]


@pytest.mark.parametrize("order", [1, -1])
async def test_updates_give_the_same_in_any_order(api: Api, order: int) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "a", "occurredAt": at()}])
    updates: list[dict[str, Any]] = [
        {"key": "a", "clickedAt": at(seconds=5), "isViewable": True, "viewableDurationMs": 10},
        {"key": "a", "clickedAt": at(seconds=1), "isViewable": False, "viewableDurationMs": 900},
        {"key": "a", "chargedAt": at(seconds=5), "cpiRate": "0.2"},
        {"key": "a", "chargedAt": at(seconds=3), "cpiRate": "0.1"},
    ]
    for one in updates[::order]:
        await update(api, one)
    [node] = (await impressions(api, campaign_id, fields="clickedAt isViewable viewableDurationMs chargedAt cpiRate"))[
        "nodes"
    ]
    assert node == {
        "clickedAt": at(seconds=1),
        "isViewable": True,
        "viewableDurationMs": 900,
        "chargedAt": at(seconds=3),
        "cpiRate": "0.1",
    }
    assert (await metrics(api, campaign_id, "clicks spend { amount }")) == {"clicks": 1, "spend": {"amount": "0.1"}}


async def test_an_update_that_changes_nothing_is_a_duplicate(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "a", "occurredAt": at()}])
    click = {"key": "a", "clickedAt": at()}
    answer = await update(api, click, click)
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert (await update(api, click))["duplicates"] == 1
    assert await metrics(api, campaign_id, "clicks") == {"clicks": 1}


async def test_updates_of_the_unknown_are_rejected_item_by_item(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "a", "occurredAt": at()}])
    answer = await update(
        api,
        {"key": "none", "clickedAt": at()},
        {"key": "a", "clickedAt": at()},
        {"id": "SW1wcmVzc2lvbjo5OTk5", "clickedAt": at()},
        {"id": campaign_id, "clickedAt": at()},
        {"clickedAt": at()},
    )
    assert answer["accepted"] == 1
    assert [(item["index"], item["code"], item["field"]) for item in answer["rejected"]] == [
        (0, "NOT_FOUND", ["key"]),
        (2, "NOT_FOUND", ["id"]),
        (3, "INVALID", ["id"]),
        (4, "INVALID", ["id"]),
    ]


async def test_a_charge_takes_the_price_of_its_time(api: Api) -> None:
    campaign_id = await create_campaign(api, costPerImpression={"amount": "0.0035", "currency": "EUR"})
    await record(api, campaign_id, [{"key": str(n), "occurredAt": at()} for n in range(4)])
    await update(api, {"key": "0", "chargedAt": at()})
    await api.data(
        'mutation ($id: ID!) { updateCampaign(input: {id: $id, costPerImpression: {amount: "1", currency: "EUR"}}) '
        "{ userErrors { code } } }",
        id=campaign_id,
    )
    await update(api, {"key": "1", "chargedAt": at()}, {"key": "2", "chargedAt": at(), "cpiRate": "2"})
    assert await metrics(api, campaign_id, "impressionsCharged impressionsDelivered spend { amount currency }") == {
        "impressionsCharged": 3,
        "impressionsDelivered": 3,
        "spend": {"amount": "3.0035", "currency": "EUR"},
    }


async def test_the_rate_of_a_charged_impression_is_fixed(api: Api) -> None:
    campaign_id = await create_campaign(api)
    await record(api, campaign_id, [{"key": "a", "occurredAt": at(), "chargedAt": at(), "cpiRate": "0.1"}])
    answer = await update(api, {"key": "a", "cpiRate": "0.2"}, {"key": "a", "cpiRate": "0.1"})
    assert [(item["index"], item["code"], item["field"]) for item in answer["rejected"]] == [
        (0, "CONFLICT", ["cpiRate"])
    ]
    assert answer["duplicates"] == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ["d", "c", "b", "a"]),
        ("filter: {clicked: true}", ["b"]),
        ("filter: {clicked: false}", ["d", "c", "a"]),
        ("filter: {converted: true}", ["c"]),
        ("filter: {viewable: true}", ["a"]),
        ("filter: {viewable: false}", ["b"]),
        ("filter: {charged: true}", ["d"]),
        ('filter: {deviceType: "tv"}', ["a", "b"][::-1]),
        ('filter: {placement: "feed", deviceType: "tv"}', ["b"]),
        ('filter: {userId: "u"}', ["c", "a"]),
        ('filter: {window: {from: "2026-03-01T12:00:01Z", to: "2026-03-01T12:00:03Z"}}', ["c", "b"]),
        ("last: 3", ["c", "b", "a"]),
    ],
)
async def test_pages_are_filtered_and_newest_first(api: Api, arguments: str, expected: list[str]) -> None:
    campaign_id = await create_campaign(api)
    user: dict[str, Any] = {"actor": {"userId": "u"}}
    batch: list[dict[str, Any]] = [
        {"key": "a", "isViewable": True, "deviceType": "tv", **user},
        {"key": "b", "clickedAt": at(), "isViewable": False, "deviceType": "tv", "placement": "feed"},
        {"key": "c", "convertedAt": at(), **user},
        {"key": "d", "chargedAt": at()},
    ]
    await record(api, campaign_id, [item | {"occurredAt": at(seconds=n)} for n, item in enumerate(batch)])
    answer = await impressions(api, campaign_id, arguments)
    assert [node["key"] for node in answer["nodes"]] == expected
    assert answer["totalCount"] == (4 if "last" in arguments else len(expected))


async def test_pages_of_several_campaigns_are_each_their_own(api: Api) -> None:
    for name in "AB":
        campaign_id = await create_campaign(api, name=name)
        await record(api, campaign_id, [{"key": f"{name}{n}", "occurredAt": at(seconds=n)} for n in range(5)])
    query = "{ campaigns(orderBy: NAME) { nodes { impressions(first: 2) { edges { cursor node { key } } pageInfo { hasNextPage } } } } }"
    pages = [node["impressions"] for node in (await api.data(query))["campaigns"]["nodes"]]
    assert [[edge["node"]["key"] for edge in page["edges"]] for page in pages] == [["A4", "A3"], ["B4", "B3"]]
    after = pages[0]["edges"][1]["cursor"]
    query = f'{{ campaigns(orderBy: NAME) {{ nodes {{ impressions(first: 2, after: "{after}") {{ nodes {{ key }} }} }} }} }}'
    nodes = (await api.data(query))["campaigns"]["nodes"]
    assert [[node["key"] for node in page["impressions"]["nodes"]] for page in nodes] == [["A2", "A1"], ["B2", "B1"]]
