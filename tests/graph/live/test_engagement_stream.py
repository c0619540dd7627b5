"""Engagements as they happen: none lost, none twice, the same order for everybody."""

from tests.facts import comment, create_campaign, delete_comment, edit_comment, react, share, unreact
from tests.live import ENGAGEMENTS, Server


async def test_what_happens_is_told(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        liked = (await react(server.api, campaign, "ada"))["reaction"]["id"]
        said = await comment(server.api, campaign, "bob")
        await edit_comment(server.api, said, "Nicer")
        await edit_comment(server.api, said, "Nicer")  # the same text is no edit
        await delete_comment(server.api, said)
        await delete_comment(server.api, said)
        await unreact(server.api, campaign, "ada")
        events = [await socket.event() for _ in range(5)]
    assert [(event["kind"], event["type"], event["engagementId"]) for event in events] == [
        ("ADDED", "LIKE", liked),
        ("ADDED", "COMMENT", said),
        ("EDITED", "COMMENT", said),
        ("REMOVED", "COMMENT", said),
        ("REMOVED", "LIKE", liked),
    ]
    assert len({event["cursor"] for event in events}) == 5


async def test_history_and_live_meet_without_a_seam(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    first = [(await share(server.api, campaign, "ada"))["share"]["id"] for _ in range(5)]
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        second = [(await share(server.api, campaign, "ada"))["share"]["id"] for _ in range(5)]
        events = [await socket.event() for _ in range(10)]
    assert [event["engagementId"] for event in events] == first + second
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=events[6]["cursor"])
        assert [await socket.event() for _ in range(3)] == events[7:]
