"""A campaign's numbers as they change: at most once per interval, only what is selected, the newest."""

import asyncio
import time

from tests.facts import at, create_campaign, react, record, unreact, update
from tests.live import Server

LIKES = """subscription ($id: ID!, $ms: Int) { campaignMetrics(campaignId: $id, intervalMs: $ms) {
  at metrics { likes impressions clicks } } }"""


async def test_the_newest_numbers_come_when_they_change(server: Server) -> None:
    campaign = await create_campaign(server.api, totalImpressionsPlanned=100)
    async with server.socket() as socket:
        await socket.subscribe(LIKES, campaign, id=campaign, ms=100)
        numbers = [(await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"]]
        for change in (
            react(server.api, campaign, "ada"),
            record(server.api, campaign, [{"key": "a", "occurredAt": at()}]),
            update(server.api, {"key": "a", "clickedAt": at(minutes=1)}),
            unreact(server.api, campaign, "ada"),
        ):
            await change
            numbers.append((await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"])
    assert [tuple(one.values()) for one in numbers] == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)]


async def test_a_change_of_the_plan_is_a_change_too(server: Server) -> None:
    campaign = await create_campaign(server.api, totalImpressionsPlanned=100)
    query = "subscription ($id: ID!) { campaignMetrics(campaignId: $id, intervalMs: 100) { campaign { name totalImpressionsPlanned } metrics { deliveryProgress } } }"
    async with server.socket() as socket:
        await socket.subscribe(query, campaign, id=campaign)
        await socket.payload(campaign)
        change = "mutation ($id: ID!) { updateCampaign(input: {id: $id, totalImpressionsPlanned: 50}) { userErrors { code } } }"
        await server.api.data(change, id=campaign)
        update = (await socket.payload(campaign))["data"]["campaignMetrics"]
    assert update["campaign"]["totalImpressionsPlanned"] == 50


async def test_what_changes_nothing_selected_is_no_news(server: Server) -> None:
    campaign = await create_campaign(server.api)
    query = "subscription ($id: ID!) { campaignMetrics(campaignId: $id, intervalMs: 100) { at metrics { likes } } }"
    async with server.socket() as socket:
        await socket.subscribe(query, campaign, id=campaign)
        assert (await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"] == {"likes": 0}
        await record(server.api, campaign, [{"key": "a", "occurredAt": at()}])
        await asyncio.sleep(0.3)  # more than an interval: it has looked, and kept silent
        await react(server.api, campaign, "ada")
        assert (await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"] == {"likes": 1}


async def test_many_changes_in_an_interval_are_one_update(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        await socket.subscribe(LIKES, campaign, id=campaign, ms=1000)
        await socket.payload(campaign)
        began = time.monotonic()
        for user in range(20):
            await react(server.api, campaign, f"user {user}")
        updates = [(await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"]["likes"]]
        while updates[-1] < 20:
            updates.append((await socket.payload(campaign))["data"]["campaignMetrics"]["metrics"]["likes"])
        seconds = time.monotonic() - began
    assert updates == sorted(set(updates))
    assert len(updates) <= 1 + seconds


async def test_who_joins_gets_the_newest_at_once(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as one, server.socket() as other:
        await one.subscribe(LIKES, campaign, id=campaign, ms=60_000)
        first = await one.payload(campaign)
        await other.subscribe(LIKES, campaign, id=campaign, ms=60_000)
        assert await other.payload(campaign) == first
        assert len(server.state.streams.groups) == 1
