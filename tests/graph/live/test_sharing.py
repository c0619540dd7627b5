"""One execution and one encoding for all that ask the same; bounded queues; whoever falls behind is told so."""

import asyncio
from collections.abc import Iterator

import pytest

from graph.errors import lagged
from graph.live.mailbox import Mailbox, Message
from tests.facts import create_campaign, react, share
from tests.live import ENGAGEMENTS, Server, eventually

RICH = """subscription ($ids: [ID!]!, $after: String) { engagements(campaignIds: $ids, after: $after) {
  cursor engagement { actor { userId } } campaign { name metrics { likes } } } }"""


@pytest.fixture
def selects(server: Server) -> Iterator[list[str]]:
    """What the server reads of engagements, campaigns and totals, in order."""
    seen: list[str] = []

    def record(statement: str, _values: object) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    with server.api.database.watched(record):
        yield seen


async def test_many_listeners_cost_what_one_does(server: Server, selects: list[str]) -> None:
    campaign = await create_campaign(server.api)
    counts = []
    for listeners in (1, 2, 20):
        cursor = await server.cursor()
        async with server.socket() as socket:
            for number in range(listeners):
                # Wherever each begins: it is the same subscription.
                await socket.subscribe(RICH, str(number), ids=[campaign], after=cursor)
            streams = server.state.live.subscriptions
            assert await eventually(lambda streams=streams, n=listeners: sum(streams.values()) == n)  # type: ignore[misc]
            await react(server.api, campaign, f"warm up {listeners}")
            for _ in range(listeners):
                await socket.next()
            selects.clear()
            mutation = await share(server.api, campaign, "ada")
            messages = [await socket.next() for _ in range(listeners)]
            counts.append(len(selects))  # the mutation's own among them: an event may be answered before it is
            assert len(server.state.streams.groups) == 1
        assert {message["payload"]["data"]["engagements"]["cursor"] for message in messages} != set()
        assert len({str(message["payload"]) for message in messages}) == 1
        assert mutation["created"] is True
    assert counts[0] == counts[1] == counts[2]


async def test_other_variables_are_another_subscription(server: Server) -> None:
    campaigns = [await create_campaign(server.api) for _ in range(2)]
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, "both", ids=campaigns, after=cursor)
        await socket.subscribe(ENGAGEMENTS, "one", ids=campaigns[:1], after=cursor)
        await socket.subscribe(ENGAGEMENTS, "shares", ids=campaigns, types=["SHARE"], after=cursor)
        await share(server.api, campaigns[1], "ada")
        await react(server.api, campaigns[0], "ada")
        seen = sorted(
            [(m["id"], m["payload"]["data"]["engagements"]["type"]) for m in [await socket.next() for _ in range(4)]]
        )
    assert seen == [("both", "LIKE"), ("both", "SHARE"), ("one", "LIKE"), ("shares", "SHARE")]


async def test_the_group_ends_with_its_last_listener(server: Server) -> None:
    campaign = await create_campaign(server.api)
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign])
        assert await eventually(lambda: len(server.state.streams.groups) == 1)
        assert server.state.live.hub.is_listened_to
    assert await eventually(lambda: len(server.state.streams.groups) == 0)
    assert not server.state.live.hub.is_listened_to
    assert len(server.state.connections) == 0


async def test_who_falls_behind_is_told_what_it_missed_and_where_to_go_on() -> None:
    mailbox = Mailbox(3, "c0")
    for number in range(1, 6):
        mailbox.put(Message("{}", number, f"c{number}"))
    assert [(await mailbox.get()).cursor for _ in range(3)] == ["c1", "c2", "c3"]
    mailbox.put(Message("{}", 6, "c6"))  # nothing is put behind a gap
    with pytest.raises(type(lagged(0, None))) as told:
        await mailbox.get()
    assert told.value.extensions == {"code": "LAGGED", "missed": 3, "cursor": "c3"}


async def test_of_a_gauge_only_the_newest_waits() -> None:
    mailbox = Mailbox(3, None)
    for number in range(10):
        mailbox.replace(Message(str(number)))
    assert (await mailbox.get()).body == "9"
    waiting = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


class TestASlowReader:
    """Over the network, with a server that lets one be two messages behind."""

    @pytest.fixture
    def environment(self) -> dict[str, str]:
        return {"LIVE_QUEUE": "2", "LIMIT_TOKENS": "7000", "LIMIT_ALIASES": "2000", "LIMIT_FIELDS": "2100"}

    async def test_is_told_and_goes_on_without_a_gap(self, server: Server) -> None:
        campaign = await create_campaign(server.api)
        cursor = await server.cursor()
        padding = " ".join(f"x{n}: engagementId" for n in range(2_000))
        long = ENGAGEMENTS.replace("cursor kind", f"cursor kind {padding}")
        async with server.raw(max_queue=1, compression=None) as socket:
            await socket.send(type="connection_init", payload={"authorization": f"Bearer {server.credential}"})
            assert (await socket.next())["type"] == "connection_ack"
            await socket.subscribe(long, ids=[campaign])
            assert await eventually(lambda: len(server.state.streams.groups) == 1)
            sent = []
            while not any(group._missed for group in _mailboxes(server)):
                sent.append((await share(server.api, campaign, "ada"))["share"]["id"])
            seen = []
            while (message := await socket.next())["type"] == "next":
                seen.append(message["payload"]["data"]["engagements"])
            [error] = message["payload"]
        assert error["extensions"]["code"] == "LAGGED"
        assert error["extensions"]["missed"] >= 1
        assert error["extensions"]["cursor"] == seen[-1]["cursor"]
        async with server.socket() as socket:
            await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=error["extensions"]["cursor"])
            rest = [await socket.event() for _ in range(len(sent) - len(seen))]
        assert [one["engagementId"] for one in seen + rest] == sent
        assert cursor not in {one["cursor"] for one in seen + rest}


def _mailboxes(server: Server) -> list[Mailbox]:
    return [mailbox for group in server.state.streams.groups._groups.values() for mailbox in group._mailboxes]
