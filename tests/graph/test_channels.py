"""Channels, audiences, campaigns on channels, and which channels are best."""

from typing import Any

import pytest

from tests.api import Api
from tests.facts import (
    ERRORS,
    add_channel,
    at,
    create_audience,
    create_campaign,
    create_channel,
    event,
    record,
    record_events,
    restricted,
)


async def test_a_channel_is_made_and_listed_by_name(api: Api) -> None:
    made = await api.data(
        'mutation { createChannel(input: {name: "Search", kind: ADS, platform: GOOGLE_ADS}) '
        f"{{ channel {{ name kind platform }} {ERRORS} }} }}"
    )
    assert made["createChannel"] == {
        "channel": {"name": "Search", "kind": "ADS", "platform": "GOOGLE_ADS"},
        "userErrors": [],
    }
    await create_channel(api, "Blog", kind="WEB")
    listed = await api.data("{ channels { totalCount nodes { name platform } } }")
    assert listed["channels"] == {
        "totalCount": 2,
        "nodes": [{"name": "Blog", "platform": None}, {"name": "Search", "platform": "GOOGLE_ADS"}],
    }


@pytest.mark.parametrize(
    ("field", "more"), [("createChannel", ", kind: ADS"), ("createAudience", "")], ids=["channel", "audience"]
)
async def test_a_name_is_there_once_and_is_checked(api: Api, field: str, more: str) -> None:
    async def make(name: str) -> Any:
        query = f"mutation ($name: String!) {{ {field}(input: {{name: $name{more}}}) {{ {ERRORS} }} }}"
        return (await api.data(query, name=name))[field]["userErrors"]

    what = "A channel" if field == "createChannel" else "An audience"
    assert await make("Same") == []
    assert await make("Same") == [
        {"code": "CONFLICT", "message": f"{what} of this name exists already.", "field": ["name"]}
    ]
    assert await make(" ") == [{"code": "INVALID", "message": "This must not be empty.", "field": ["name"]}]
    assert await make("x" * 201) == [
        {"code": "INVALID", "message": "At most 200 characters; there are 201.", "field": ["name"]}
    ]


async def test_a_campaign_comes_to_a_channel_once(api: Api) -> None:
    campaign_id, channel_id = await create_campaign(api), await create_channel(api, "Search")
    first, second = await add_channel(api, campaign_id, channel_id), await add_channel(api, campaign_id, channel_id)
    assert first == second
    query = """query ($id: ID!) { campaign(id: $id) { channels { totalCount nodes {
      campaign { name } channel { name } metrics { impressions uniqueUsers clickThroughRate revenue { amount } } } } } }"""
    assert (await api.data(query, id=campaign_id))["campaign"]["channels"] == {
        "totalCount": 1,
        "nodes": [
            {
                "campaign": {"name": "Spring"},
                "channel": {"name": "Search"},
                "metrics": {"impressions": 0, "uniqueUsers": 0, "clickThroughRate": None, "revenue": []},
            }
        ],
    }


async def test_a_campaign_is_put_on_the_channels_of_its_events_and_impressions(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ads, web = await create_channel(api, "Ads"), await create_channel(api, "Web")
    await record_events(api, event("e", campaign_id, channelId=ads))
    await record(api, campaign_id, [{"key": "i", "occurredAt": at(), "channelId": web}])
    query = "query ($id: ID!) { campaign(id: $id) { channels { nodes { channel { name } } } } }"
    nodes = (await api.data(query, id=campaign_id))["campaign"]["channels"]["nodes"]
    assert [node["channel"]["name"] for node in nodes] == ["Ads", "Web"]
    for channel_id, names in ((ads, ["Spring"]), (web, ["Spring"])):
        found = await api.data(
            "query ($c: ID!) { campaigns(filter: {channelId: $c}) { nodes { name } } }", c=channel_id
        )
        assert [node["name"] for node in found["campaigns"]["nodes"]] == names
    other = await create_channel(api, "Other")
    found = await api.data("query ($c: ID!) { campaigns(filter: {channelId: $c}) { totalCount } }", c=other)
    assert found["campaigns"]["totalCount"] == 0


async def test_an_impression_has_its_channel_and_audience(api: Api) -> None:
    campaign_id, channel_id = await create_campaign(api), await create_channel(api, "Web")
    audience_id = await create_audience(api, "Cyclists", description="People who ride")
    missing = "QXVkaWVuY2U6OTk5OTk5"
    given = [
        {"key": "a", "occurredAt": at(), "channelId": channel_id, "audienceId": audience_id},
        {"key": "b", "occurredAt": at(), "audienceId": missing},
        {"key": "c", "occurredAt": at(), "audienceId": channel_id},
    ]
    answer = await record(api, campaign_id, given)
    assert (answer["accepted"], [(one["key"], one["code"], one["field"]) for one in answer["rejected"]]) == (
        1,
        [("b", "NOT_FOUND", ["audienceId"]), ("c", "INVALID", ["audienceId"])],
    )
    query = """query ($id: ID!) { campaign(id: $id) { impressions { nodes {
      key channel { name kind } audience { name description } } } } }"""
    assert (await api.data(query, id=campaign_id))["campaign"]["impressions"]["nodes"] == [
        {
            "key": "a",
            "channel": {"name": "Web", "kind": "ADS"},
            "audience": {"name": "Cyclists", "description": "People who ride"},
        }
    ]


async def ranked(api: Api, arguments: str = "", fields: str = "conversions clicks") -> list[tuple[Any, ...]]:
    query = f"{{ topChannels{arguments} {{ channel {{ name }} metrics {{ {fields} }} }} }}"
    return [(one["channel"]["name"], *one["metrics"].values()) for one in (await api.data(query))["topChannels"]]


async def test_the_best_channels_are_those_with_most_conversions_then_clicks_then_by_name(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ids = {name: await create_channel(api, name) for name in ("d", "c", "b", "a")}
    facts = [("c", "CONVERSION"), ("b", "CLICK"), ("b", "CONVERSION"), ("d", "CLICK"), ("d", "CLICK")]
    await record_events(
        api, *(event(str(n), campaign_id, type=kind, channelId=ids[name]) for n, (name, kind) in enumerate(facts))
    )
    assert await ranked(api) == [("b", 1, 1), ("c", 1, 0), ("d", 0, 2), ("a", 0, 0)]
    assert await ranked(api, "(first: 1)") == [("b", 1, 1)]


async def test_the_best_channels_of_a_window_that_cuts_buckets(api: Api) -> None:
    campaign_id = await create_campaign(api)
    ids = {name: await create_channel(api, name) for name in ("a", "b")}
    facts = [("a", -1), ("a", 0), ("b", 1), ("b", 20), ("a", 61), ("b", 61)]
    await record_events(
        api,
        *(
            event(str(n), campaign_id, type="CONVERSION", channelId=ids[name], occurredAt=at(minutes=minutes))
            for n, (name, minutes) in enumerate(facts)
        ),
    )
    window = f'(window: {{from: "{at(minutes=0)}", to: "{at(minutes=61)}"}})'
    assert await ranked(api, window, "conversions") == [("b", 2), ("a", 1)]
    assert await ranked(api, f'(window: {{from: "{at()}", to: "{at()}"}})', "conversions") == [("a", 0), ("b", 0)]


async def test_ranks_channels_and_numbers_take_three_statements(api: Api, statements: list[str]) -> None:
    campaign_id = await create_campaign(api)
    counts = []
    for number in range(4):
        channel_id = await create_channel(api, f"c{number}")
        await record_events(api, event(f"e{number}", campaign_id, channelId=channel_id))
        if number in (1, 3):
            statements.clear()
            await ranked(api, fields="impressions uniqueUsers revenue { amount }")
            counts.append(len(statements))
    assert counts == [3, 3]


async def test_channels_of_campaigns_take_as_many_statements_for_2n_as_for_n(api: Api, statements: list[str]) -> None:
    query = """{ campaigns { nodes { eventMetrics { impressions } eventSeries(bucket: MONTH) { metrics { clicks } }
      channels { totalCount nodes { channel { name metrics { clicks } } metrics { conversions } metricSeries { start } } }
      events { totalCount nodes { key channel { name } audience { name } campaign { name } } } } } }"""
    counts = []
    for number in range(4):
        campaign_id, channel_id = await create_campaign(api), await create_channel(api, f"c{number}")
        await record_events(api, event(f"e{number}", campaign_id, channelId=channel_id))
        if number in (1, 3):
            statements.clear()
            await api.data(query)
            counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_restricted_client_sees_the_channels_of_its_campaigns_and_only_their_numbers(api: Api) -> None:
    mine, other = await create_campaign(api, name="Mine"), await create_campaign(api, name="Other")
    ads, web = await create_channel(api, "Ads"), await create_channel(api, "Web")
    await record_events(
        api,
        event("a", mine, channelId=ads, userId="u", type="CONVERSION"),
        event("b", other, channelId=ads, userId="v", type="CONVERSION"),
        event("c", other, channelId=web, userId="w"),
    )
    partner = await restricted(api, [mine], "READ", "INGEST")
    assert await ranked(partner, fields="conversions uniqueUsers") == [("Ads", 1, 1)]
    listed = await partner.data("{ channels { totalCount nodes { name metrics { conversions uniqueUsers } } } }")
    assert listed["channels"] == {
        "totalCount": 1,
        "nodes": [{"name": "Ads", "metrics": {"conversions": 1, "uniqueUsers": 1}}],
    }
    answer = await record_events(
        partner,
        event("d", mine, channelId=ads),
        event("e", other),
        event("f", mine, channelId=web),
        event("g", mine, audienceId=await create_audience(api, "Cyclists")),
    )
    assert (answer["accepted"], [(one["key"], one["code"], one["field"]) for one in answer["rejected"]]) == (
        1,
        [
            ("e", "NOT_FOUND", ["campaignId"]),
            ("f", "NOT_FOUND", ["channelId"]),
            ("g", "NOT_FOUND", ["audienceId"]),
        ],
    )
    letters = "{ deadLetters { nodes { key received } } }"
    seen = {(one["key"], one["received"]) for one in (await partner.data(letters))["deadLetters"]["nodes"]}
    assert seen == {("e", 1), ("f", 1), ("g", 1)}
    assert await partner.data("{ audiences { totalCount } }") == {"audiences": {"totalCount": 0}}
    await record_events(api, event("h", "nonsense"))
    assert len((await api.data(letters))["deadLetters"]["nodes"]) == 4
    assert len((await partner.data(letters))["deadLetters"]["nodes"]) == 3
