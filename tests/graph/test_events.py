"""Events: recording, lists, numbers, and those that could not be taken."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api import Api, token
from tests.facts import at, create_audience, create_campaign, create_channel, event, record_events

ALL_FIELDS = """key type userId occurredAt value { amount currency } data
  campaign { name } channel { name } audience { name }"""


async def events(api: Api, campaign_id: str, arguments: str = "", fields: str = "key") -> Any:
    listed = f"events{arguments and f'({arguments})'} {{ totalCount nodes {{ {fields} }} }}"
    answer = await api.data(f"query ($id: ID!) {{ campaign(id: $id) {{ {listed} }} }}", id=campaign_id)
    return answer["campaign"]["events"]


async def numbers(api: Api, campaign_id: str, window: dict[str, str] | None = None) -> Any:
    query = """query ($id: ID!, $window: TimeWindow) { campaign(id: $id) { eventMetrics(window: $window) {
      impressions clicks conversions uniqueUsers clickThroughRate conversionRatePerClick revenue { amount currency } } } }"""
    return (await api.data(query, id=campaign_id, window=window))["campaign"]["eventMetrics"]


async def test_an_event_comes_back_as_it_went_in(api: Api) -> None:
    campaign_id, channel_id = await create_campaign(api), await create_channel(api, "Search")
    audience_id = await create_audience(api, "Cyclists")
    data = {"device": "phone", "tags": ["a", None, 1.5], "größe": True}
    given = event(
        "a",
        campaign_id,
        type="CONVERSION",
        channelId=channel_id,
        audienceId=audience_id,
        userId="u",
        value={"amount": "12.50", "currency": "USD"},
        data=data,
    )
    assert await record_events(api, given) == {"accepted": 1, "duplicates": 0, "rejected": [], "userErrors": []}
    assert await events(api, campaign_id, fields=ALL_FIELDS) == {
        "totalCount": 1,
        "nodes": [
            {
                "key": "a",
                "type": "CONVERSION",
                "userId": "u",
                "occurredAt": at(),
                "value": {"amount": "12.50", "currency": "USD"},
                "data": data,
                "campaign": {"name": "Spring"},
                "channel": {"name": "Search"},
                "audience": {"name": "Cyclists"},
            }
        ],
    }


async def test_the_numbers_of_a_campaign(api: Api) -> None:
    campaign_id = await create_campaign(api)
    facts = [("IMPRESSION", "u", None), ("IMPRESSION", "v", None), ("IMPRESSION", None, None), ("CLICK", "u", "9")]
    facts += [("CONVERSION", "u", "0.0035"), ("CONVERSION", "w", "1.5"), ("CONVERSION", "w", None)]
    given = [
        event(str(n), campaign_id, type=kind, userId=user, value=value and {"amount": value, "currency": "EUR"})
        for n, (kind, user, value) in enumerate(facts)
    ]
    given.append(event("usd", campaign_id, type="CONVERSION", value={"amount": "2", "currency": "USD"}))
    await record_events(api, *given)
    assert await numbers(api, campaign_id) == {
        "impressions": 3,
        "clicks": 1,
        "conversions": 4,
        "uniqueUsers": 3,
        "clickThroughRate": 33.33,
        "conversionRatePerClick": 400.0,
        "revenue": [{"amount": "1.5035", "currency": "EUR"}, {"amount": "2", "currency": "USD"}],
    }


async def test_a_campaign_without_events_has_zeros(api: Api) -> None:
    campaign_id = await create_campaign(api)
    nothing: dict[str, Any] = {
        "impressions": 0,
        "clicks": 0,
        "conversions": 0,
        "uniqueUsers": 0,
        "clickThroughRate": None,
        "conversionRatePerClick": None,
        "revenue": [],
    }
    assert await numbers(api, campaign_id) == nothing
    assert await numbers(api, campaign_id, {"from": at(), "to": at(hours=1)}) == nothing
    query = "query ($id: ID!) { campaign(id: $id) { eventSeries { start } } }"
    assert (await api.data(query, id=campaign_id))["campaign"]["eventSeries"] == []


async def test_a_series_is_filled_with_zeros_in_the_workspace_s_days(api: Api) -> None:
    campaign_id = await create_campaign(api)
    value = {"amount": "1", "currency": "EUR"}
    await record_events(
        api, event("a", campaign_id), event("b", campaign_id, type="CONVERSION", value=value, occurredAt=at(hours=36))
    )
    query = """query ($id: ID!) { campaign(id: $id) { eventSeries(bucket: DAY) {
      start metrics { impressions conversions revenue { amount currency } } } } }"""
    points = (await api.data(query, id=campaign_id))["campaign"]["eventSeries"]
    assert [(p["start"], *p["metrics"].values()) for p in points] == [
        ("2026-02-28T23:00:00Z", 1, 0, []),
        ("2026-03-01T23:00:00Z", 0, 0, []),
        ("2026-03-02T23:00:00Z", 0, 1, [{"amount": "1", "currency": "EUR"}]),
    ]


async def test_a_repeated_key_counts_once_over_the_whole_workspace(api: Api) -> None:
    first, second = await create_campaign(api), await create_campaign(api)
    assert (await record_events(api, event("a", first), event("a", first)))["duplicates"] == 1
    answer = await record_events(api, event("a", second, type="CLICK"), event("b", second))
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [(await numbers(api, one))["impressions"] for one in (first, second)] == [1, 1]
    assert (await numbers(api, second))["clicks"] == 0


async def test_a_batch_with_inner_duplicates_three_times_at_once_counts_exactly(api: Api) -> None:
    campaign_ids = [await create_campaign(api) for _ in range(3)]
    channel_ids = [await create_channel(api, name) for name in "ab"]
    batch = [
        event(
            f"k{n % 150}",
            campaign_ids[n % 3],
            type=("IMPRESSION", "CLICK", "CONVERSION")[n % 150 % 3 - 1],
            channelId=channel_ids[n % 2],
            userId=f"u{n % 150 % 20}",
        )
        for n in range(300)
    ]
    answers = await asyncio.gather(
        *(record_events(api, *order) for order in (batch, batch[::-1], batch[150:] + batch[:150]))
    )
    assert sum(answer["accepted"] for answer in answers) == 150
    assert sum(answer["duplicates"] for answer in answers) == 750
    found = [await numbers(api, one) for one in campaign_ids]
    assert sum(one["impressions"] + one["clicks"] + one["conversions"] for one in found) == 150


@pytest.mark.parametrize(
    ("values", "code", "message", "field"),
    [
        ({"key": " "}, "INVALID", "This must not be empty.", ["key"]),
        ({"key": "x" * 201}, "INVALID", "At most 200 characters; there are 201.", ["key"]),
        ({"campaignId": "Q2FtcGFpZ246OTk5OTk5"}, "NOT_FOUND", "No such campaign.", ["campaignId"]),
        ({"campaignId": "nonsense"}, "INVALID", "This is not an id of this API.", ["campaignId"]),
        ({"channelId": "Q2hhbm5lbDo5OTk5OTk="}, "NOT_FOUND", "No such channel.", ["channelId"]),
        ({"audienceId": "QXVkaWVuY2U6OTk5OTk5"}, "NOT_FOUND", "No such audience.", ["audienceId"]),
        ({"userId": ""}, "INVALID", "This must not be empty.", ["userId"]),
        ({"occurredAt": "1999-12-31T23:59:59Z"}, "INVALID", "Times begin with the year 2000.", ["occurredAt"]),
        ({"value": {"amount": "-1", "currency": "EUR"}}, "INVALID", "This must be zero or more.", ["value"]),
        (
            {"value": {"amount": "1", "currency": "eur"}},
            "INVALID",
            "A currency is three capital letters, ISO 4217.",
            ["value"],
        ),
        ({"data": "x" * 16_383}, "INVALID", "At most 16,384 bytes of JSON; there are 16,385.", ["data"]),
        ({"data": {"a": ["\0"]}}, "INVALID", "A text cannot hold the character U+0000.", ["data"]),
    ],
    ids=[
        "empty",
        "long",
        "campaign",
        "id",
        "channel",
        "audience",
        "user",
        "early",
        "negative",
        "currency",
        "large",
        "null",
    ],
)
async def test_one_bad_event_is_rejected_alone_and_kept_as_a_dead_letter(
    api: Api, values: dict[str, Any], code: str, message: str, field: list[str]
) -> None:
    campaign_id = await create_campaign(api)
    bad = event("bad", campaign_id) | values
    answer = await record_events(api, event("good", campaign_id), bad)
    told = {"code": code, "message": message, "field": field}
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [{"index": 1, "key": bad["key"], **told}],
        "userErrors": [],
    }
    letters = await api.data(
        "{ deadLetters { totalCount nodes { key received problems { code message field } payload } } }"
    )
    [letter] = letters["deadLetters"]["nodes"]
    payload = json.loads(letter.pop("payload"))
    assert letter == {"key": bad["key"], "received": 1, "problems": [told]}
    assert {name: payload[name] for name in ("key", "type", "campaignId")} == {
        name: bad[name] for name in ("key", "type", "campaignId")
    }
    assert (await numbers(api, campaign_id))["impressions"] == 1


async def test_what_has_not_happened_yet_is_rejected_and_what_comes_late_is_not(api: Api) -> None:
    campaign_id, now = await create_campaign(api), datetime.now(UTC)
    late, soon, ahead = (
        (now + delta).isoformat() for delta in (timedelta(days=-4000), timedelta(minutes=4), timedelta(minutes=6))
    )
    answer = await record_events(
        api, *(event(moment, campaign_id, occurredAt=moment) for moment in (late, soon, ahead))
    )
    assert (answer["accepted"], [one["message"] for one in answer["rejected"]]) == (
        2,
        ["This has not happened yet: the time lies ahead."],
    )


async def test_the_same_dead_letter_is_counted_and_can_be_discarded(api: Api) -> None:
    campaign_id = await create_campaign(api)
    for _ in range(2):
        await record_events(api, event("", campaign_id), event("", campaign_id))
    [letter] = (await api.data("{ deadLetters { nodes { id received } } }"))["deadLetters"]["nodes"]
    assert letter["received"] == 4
    found = await api.data("query ($id: ID!) { node(id: $id) { ... on DeadLetter { received } } }", id=letter["id"])
    assert found == {"node": {"received": 4}}
    discard = """mutation ($ids: [ID!]!) { discardDeadLetters(input: {ids: $ids}) {
      discarded userErrors { code message field } } }"""
    answers = [(await api.data(discard, ids=[letter["id"]]))["discardDeadLetters"] for _ in range(2)]
    assert answers == [{"discarded": 1, "userErrors": []}, {"discarded": 0, "userErrors": []}]
    wrong = (await api.data(discard, ids=["x"]))["discardDeadLetters"]
    assert wrong["userErrors"] == [
        {"code": "INVALID", "message": "This is not an id of this API.", "field": ["ids", "0"]}
    ]


async def test_a_batch_that_is_too_large_is_refused_as_a_whole(api: Api) -> None:
    campaign_id = await create_campaign(api)
    answer = await record_events(api, *(event(str(n), campaign_id) for n in range(1001)))
    assert answer["userErrors"] == [
        {"code": "TOO_LARGE", "message": "At most 1000 items in a batch; there are 1001.", "field": ["events"]}
    ]
    assert (await numbers(api, campaign_id))["impressions"] == 0
    assert (await record_events(api))["accepted"] == 0


async def test_lists_are_filtered_and_paged(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ads, cyclists = await create_channel(api, "Ads"), await create_audience(api, "Cyclists")
    await record_events(
        api,
        event("a", campaign_id, channelId=ads),
        event("b", campaign_id, type="CLICK", occurredAt=at(minutes=1), audienceId=cyclists),
        event("c", campaign_id, type="CONVERSION", occurredAt=at(minutes=2), channelId=ads),
        event("d", campaign_id, type="CLICK", occurredAt=at(minutes=3)),
    )

    async def found(arguments: str) -> tuple[str, int]:
        answer = await events(api, campaign_id, arguments)
        return "".join(node["key"] for node in answer["nodes"]), answer["totalCount"]

    assert await found("") == ("dcba", 4)
    assert await found("filter: {types: [CLICK]}") == ("db", 2)
    assert await found("filter: {types: []}") == ("", 0)
    assert await found(f'filter: {{channelId: "{ads}"}}') == ("ca", 2)
    assert await found(f'filter: {{channelId: "{ads}", types: [CONVERSION]}}') == ("c", 1)
    assert await found(f'filter: {{audienceId: "{cyclists}"}}') == ("b", 1)
    assert await found(f'filter: {{window: {{from: "{at(minutes=1)}", to: "{at(minutes=3)}"}}}}') == ("cb", 2)
    assert await found("first: 2") == ("dc", 4)
    assert await found("last: 1") == ("a", 4)


async def test_a_token_needs_ingest_to_record_and_write_for_the_rest(api: Api) -> None:
    campaign_id = await create_campaign(api)
    machine = api.as_(token(scopes=("ingest",)))
    assert (await record_events(machine, event("a", campaign_id)))["accepted"] == 1
    query = 'mutation { createChannel(input: {name: "x", kind: WEB}) { userErrors { message } } }'
    assert (await machine.error(query))[0] == "FORBIDDEN"
