"""Campaigns: creation, change, look-up and lists."""

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from db.engine import Database
from db.models.impression_items import NewImpression
from db.queries.impressions import recording
from graph.ids import key_of
from tests.api import Api
from tests.db.test_concurrency import waiting
from tests.facts import NOON, at, create_campaign, record

CREATE = """mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) {
  campaign { key name status currency startsOn endsOn createdBy totalImpressionsPlanned
             budget { amount currency } costPerImpression { amount currency } brand { name } }
  userErrors { code field message } } }"""
UPDATE = """mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) {
  campaign { key name status currency budget { amount currency } } userErrors { code field } } }"""
LIST = """query ($filter: CampaignFilter, $order: CampaignOrder, $first: Int, $after: String, $last: Int, $before: String) {
  campaigns(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
    nodes { name } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def cursor(*values: object) -> str:
    """A cursor as somebody might make one up."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


async def create(api: Api, **values: Any) -> Any:
    return (await api.data(CREATE, input=values))["createCampaign"]


async def change(api: Api, **values: Any) -> Any:
    return (await api.data(UPDATE, input=values))["updateCampaign"]


async def names(api: Api, **variables: Any) -> list[str]:
    return [node["name"] for node in (await api.data(LIST, first=20, **variables))["campaigns"]["nodes"]]


async def create_brand(api: Api, name: str) -> str:
    made = await api.data(
        "mutation ($n: String!) { createBrand(input: {name: $n}) { brand { id } userErrors { code field } } }", n=name
    )
    brand_id: str = made["createBrand"]["brand"]["id"]
    return brand_id


async def test_a_campaign_is_answered_as_it_was_given(api: Api) -> None:
    brand_id = await create_brand(api, "Acme")
    made = await create(
        api,
        key="spring",
        name="Spring",
        brandId=brand_id,
        startsOn="2026-03-01",
        endsOn="2026-03-31",
        budget={"amount": "12.50", "currency": "CHF"},
        costPerImpression={"amount": "0.0035", "currency": "CHF"},
        totalImpressionsPlanned=9007199254740991,
    )
    assert made == {
        "campaign": {
            "key": "spring",
            "name": "Spring",
            "status": "DRAFT",
            "currency": "CHF",
            "startsOn": "2026-03-01",
            "endsOn": "2026-03-31",
            "createdBy": "ada",
            "totalImpressionsPlanned": 9007199254740991,
            "budget": {"amount": "12.50", "currency": "CHF"},
            "costPerImpression": {"amount": "0.0035", "currency": "CHF"},
            "brand": {"name": "Acme"},
        },
        "userErrors": [],
    }


async def test_a_campaign_without_money_has_the_workspaces_currency(api: Api) -> None:
    made = await create(api, name="Plain")
    assert made["campaign"]["currency"] == "EUR"
    assert made["campaign"]["budget"] is None


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_made(api: Api) -> None:
    made = await create(
        api,
        key=" ",
        name="",
        brandId="QnJhbmQ6OTk5",
        startsOn="2026-03-02",
        endsOn="2026-03-01",
        budget={"amount": "-1", "currency": "EUR"},
        costPerImpression={"amount": "0.1", "currency": "USD"},
        totalImpressionsPlanned=-1,
    )
    assert made["campaign"] is None
    assert [(error["code"], error["field"]) for error in made["userErrors"]] == [
        ("NOT_FOUND", ["brandId"]),
        ("INVALID", ["key"]),
        ("INVALID", ["name"]),
        ("INVALID", ["budget", "amount"]),
        ("INVALID", ["endsOn"]),
        ("INVALID", ["totalImpressionsPlanned"]),
        ("INVALID", ["costPerImpression", "currency"]),
    ]
    assert await names(api) == []


async def test_a_key_is_taken_once(api: Api) -> None:
    await create(api, key="spring", name="One")
    made = await create(api, key="spring", name="Two")
    assert made["campaign"] is None
    assert [(e["code"], e["field"]) for e in made["userErrors"]] == [("CONFLICT", ["key"])]
    assert await names(api) == ["One"]


async def test_a_brand_name_is_taken_once(api: Api) -> None:
    await create_brand(api, "Acme")
    again = await api.data('mutation { createBrand(input: {name: "Acme"}) { brand { id } userErrors { code field } } }')
    assert again["createBrand"] == {"brand": None, "userErrors": [{"code": "CONFLICT", "field": ["name"]}]}


async def test_what_is_left_out_stays_and_null_clears(api: Api) -> None:
    campaign_id = await create_campaign(api, key="k", budget={"amount": "5", "currency": "EUR"})
    kept = await change(api, id=campaign_id, name="Summer")
    assert kept["campaign"]["budget"] == {"amount": "5", "currency": "EUR"}
    cleared = await change(api, id=campaign_id, budget=None, key=None)
    assert cleared["campaign"] == {"key": None, "name": "Summer", "status": "DRAFT", "currency": "EUR", "budget": None}


async def test_name_and_status_cannot_be_cleared(api: Api) -> None:
    campaign_id = await create_campaign(api)
    refused = await change(api, id=campaign_id, name=None, status=None)
    assert refused["userErrors"] == [{"code": "INVALID", "field": ["name"]}, {"code": "INVALID", "field": ["status"]}]


MOVES = {
    "DRAFT": {"PLANNED", "SCHEDULED", "ACTIVE", "CANCELLED"},
    "PLANNED": {"DRAFT", "SCHEDULED", "ACTIVE", "CANCELLED"},
    "SCHEDULED": {"PLANNED", "ACTIVE", "CANCELLED"},
    "ACTIVE": {"PAUSED", "COMPLETED", "FAILED", "CANCELLED"},
    "PAUSED": {"ACTIVE", "COMPLETED", "FAILED", "CANCELLED"},
    "FAILED": {"PAUSED", "CANCELLED"},
    "COMPLETED": set[str](),
    "CANCELLED": set[str](),
}


async def test_only_the_moves_of_the_domain_are_allowed(api: Api) -> None:
    allowed: dict[str, set[str]] = {}
    for start in MOVES:
        allowed[start] = set()
        for end in set(MOVES) - {start}:
            campaign_id = await create_campaign(api, status=start)
            answer = await change(api, id=campaign_id, status=end)
            if answer["userErrors"]:
                assert answer["userErrors"] == [{"code": "CONFLICT", "field": ["status"]}]
            else:
                allowed[start].add(end)
    assert allowed == MOVES


async def test_to_stay_where_it_is_is_no_move(api: Api) -> None:
    campaign_id = await create_campaign(api, status="COMPLETED")
    assert (await change(api, id=campaign_id, status="COMPLETED", name="Done"))["campaign"]["name"] == "Done"


async def test_the_currency_is_fixed_once_money_was_spent(api: Api) -> None:
    campaign_id = await create_campaign(api)
    assert (await change(api, id=campaign_id, currency="USD"))["campaign"]["currency"] == "USD"
    await record(api, campaign_id, [{"key": "a", "occurredAt": at(), "chargedAt": at(), "cpiRate": "0.1"}])
    refused = await change(api, id=campaign_id, currency="EUR")
    assert refused["userErrors"] == [{"code": "CONFLICT", "field": ["currency"]}]


async def test_a_new_currency_asks_for_the_amounts_again(api: Api) -> None:
    campaign_id = await create_campaign(api, budget={"amount": "5", "currency": "EUR"})
    refused = await change(api, id=campaign_id, currency="USD")
    assert refused["userErrors"] == [{"code": "INVALID", "field": ["budget"]}]
    moved = await change(api, id=campaign_id, currency="USD", budget={"amount": "6", "currency": "USD"})
    assert moved["campaign"]["budget"] == {"amount": "6", "currency": "USD"}


async def test_a_campaign_is_found_by_its_key(api: Api) -> None:
    await create_campaign(api, key="spring", name="Spring")
    found = await api.data('{ a: campaignByKey(key: "spring") { name } b: campaignByKey(key: "autumn") { name } }')
    assert found == {"a": {"name": "Spring"}, "b": None}


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({}, ["Alpha", "Beta", "Gamma"]),
        ({"status": ["ACTIVE"]}, ["Beta"]),
        ({"status": []}, []),
        ({"search": "BET"}, ["Beta"]),
        ({"search": "shoes autumn"}, ["Gamma"]),
        ({"search": "%"}, []),
        ({"search": "ΟΔΟΣ"}, []),
        ({"activeOn": "2026-03-31"}, ["Alpha", "Beta"]),
        ({"activeOn": "2026-04-01"}, ["Beta"]),
        ({"activeOn": "2026-02-28"}, ["Beta"]),
    ],
)
async def test_lists_are_filtered(api: Api, filter_: dict[str, Any], expected: list[str]) -> None:
    await create_campaign(api, name="Alpha", startsOn="2026-03-01", endsOn="2026-03-31")
    await create_campaign(api, name="Beta", status="ACTIVE")
    await create_campaign(api, name="Gamma", startsOn="2026-05-01", description="Autumn", objective="sell SHOES")
    assert await names(api, filter=filter_, order="NAME") == expected


async def test_campaigns_of_a_brand(api: Api) -> None:
    acme, other = await create_brand(api, "Acme"), await create_brand(api, "Other")
    await create_campaign(api, name="A", brandId=acme)
    await create_campaign(api, name="B", brandId=other)
    assert await names(api, filter={"brandId": acme}) == ["A"]


async def test_lists_are_ordered(api: Api) -> None:
    for name, start in (("beta", "2026-03-02"), ("Alpha", None), ("Gamma", "2026-03-01")):
        await create_campaign(api, name=name, startsOn=start)
    assert await names(api, order="NEWEST") == ["Gamma", "Alpha", "beta"]
    assert await names(api, order="OLDEST") == ["beta", "Alpha", "Gamma"]
    assert await names(api, order="NAME") == ["Alpha", "beta", "Gamma"]
    assert await names(api, order="STARTS_ON") == ["Gamma", "beta", "Alpha"]


@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "NAME", "STARTS_ON"])
async def test_pages_both_ways_meet_every_campaign_once(api: Api, order: str) -> None:
    for number in range(7):
        await create_campaign(api, name=f"C{number % 3}", startsOn=[None, "2026-03-01"][number % 2])
    everything = await names(api, order=order)
    forward: list[str] = []
    page: dict[str, Any] = {"pageInfo": {"endCursor": None, "hasNextPage": True}}
    while page["pageInfo"]["hasNextPage"]:
        page = (await api.data(LIST, order=order, first=3, after=page["pageInfo"]["endCursor"]))["campaigns"]
        forward += [node["name"] for node in page["nodes"]]
    assert forward == everything
    backward: list[str] = []
    page = {"pageInfo": {"startCursor": None, "hasPreviousPage": True}}
    while page["pageInfo"]["hasPreviousPage"]:
        page = (await api.data(LIST, order=order, last=3, before=page["pageInfo"]["startCursor"]))["campaigns"]
        backward = [node["name"] for node in page["nodes"]] + backward
    assert backward == everything
    assert page["totalCount"] == 7


async def test_an_insert_at_the_head_repeats_nothing(api: Api) -> None:
    for name in "ABC":
        await create_campaign(api, name=name)
    page = (await api.data(LIST, order="NEWEST", first=2))["campaigns"]
    await create_campaign(api, name="D")
    rest = (await api.data(LIST, order="NEWEST", first=2, after=page["pageInfo"]["endCursor"]))["campaigns"]
    assert [node["name"] for node in page["nodes"] + rest["nodes"]] == ["C", "B", "A"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("first: 0", "first must be from 1 to 100; it is 0."),
        ("first: 101", "first must be from 1 to 100; it is 101."),
        ("last: -1", "last must be from 1 to 100; it is -1."),
        ("first: null", "Say how many: first or last, 1 to 100."),
        ('after: "?"', "This is not a cursor of this list."),
        ('after: "bnVsbA=="', "This is not a cursor of this list."),
        (
            f'after: "{cursor("campaigns:newest", "0001-01-01T00:00:00+23:00", 1)}"',
            "This is not a cursor of this list.",
        ),
        (
            f'after: "{cursor("campaigns:newest", "2026-01-01T00:00:00+00:00", 2**63)}"',
            "This is not a cursor of this list.",
        ),
        (f'orderBy: NAME, after: "{cursor("campaigns:name", chr(0xD800), 1)}"', "This is not a cursor of this list."),
        (f'filter: {{search: "{"x" * 201}"}}', "filter.search: at most 200 characters; there are 201."),
        ('before: "WyJjYW1wYWlnbnM6bmV3ZXN0IiwxLDJd"', "This is not a cursor of this list."),
        ('after: "WyJicmFuZHM6bmFtZSIsIngiLDJd"', "This cursor belongs to a list in another order."),
        ('filter: {search: "a\\u0000b"}', "A text cannot hold the character U+0000."),
        ('filter: {brandId: "Q2FtcGFpZ246MQ=="}', "filter.brandId: This is the id of a Campaign; a Brand is needed."),
    ],
)
async def test_senseless_arguments_are_clear_errors(api: Api, arguments: str, message: str) -> None:
    assert await api.error(f"{{ campaigns({arguments}) {{ nodes {{ id }} }} }}") == ("BAD_USER_INPUT", message)


async def test_a_search_finds_capitals_of_any_script(api: Api) -> None:
    await create_campaign(api, name="ΟΔΟΣ İstanbul")
    assert await names(api, filter={"search": "ΟΔΟΣ İstanbul"}) == ["ΟΔΟΣ İstanbul"]


async def test_the_currency_waits_for_who_records_a_charge(api: Api, database: Database, workspace: int) -> None:
    campaign_id = await create_campaign(api)
    key = key_of("Campaign", campaign_id)
    async with database.write(workspace) as transaction:
        charged = NewImpression("a", key, NOON, charged_at=NOON, cpi_rate=Decimal(2))
        await recording.record(transaction, [charged])
        asked = asyncio.create_task(change(api, id=campaign_id, currency="USD"))
        while not await waiting(database):  # noqa: ASYNC110 - only PostgreSQL knows
            await asyncio.sleep(0.01)
    assert (await asked)["userErrors"] == [{"code": "CONFLICT", "field": ["currency"]}]


async def test_one_series_that_is_too_long_spoils_no_other(api: Api) -> None:
    long, short = await create_campaign(api, name="long"), await create_campaign(api, name="short")
    await record(api, long, [{"key": "a", "occurredAt": at()}, {"key": "b", "occurredAt": at(hours=1000)}])
    await record(api, short, [{"key": "c", "occurredAt": at()}])
    query = """query ($long: ID!, $short: ID!) {
      long: campaign(id: $long) { metricSeries(bucket: HOUR) { metrics { impressions } } }
      short: campaign(id: $short) { metricSeries(bucket: HOUR) { metrics { impressions } } } }"""
    answer = await api.ask(query, long=long, short=short)
    assert answer["data"] == {"long": None, "short": {"metricSeries": [{"metrics": {"impressions": 1}}]}}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["long", "metricSeries"], "BAD_USER_INPUT")


async def test_a_page_bounded_from_the_other_side_says_what_lies_beyond(api: Api) -> None:
    for name in "ABCD":
        await create_campaign(api, name=name)
    whole = (await api.data(LIST, order="NAME", first=3))["campaigns"]["pageInfo"]
    page = (await api.data(LIST, order="NAME", first=5, before=whole["endCursor"]))["campaigns"]
    assert ([node["name"] for node in page["nodes"]], page["pageInfo"]["hasNextPage"]) == (["A", "B"], True)
    page = (await api.data(LIST, order="NAME", first=None, last=5, after=whole["startCursor"]))["campaigns"]
    assert ([node["name"] for node in page["nodes"]], page["pageInfo"]["hasPreviousPage"]) == (["B", "C", "D"], True)
