"""Cursors: opaque, checked, and refused once what follows them is not all there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from db.queries.live import sequencing
from db.session import session
from graph.live.cursors import Cursors
from tests.facts import create_campaign, react, share
from tests.live import ENGAGEMENTS, Server, eventually

SECRET = bytes(range(16))


@given(position=st.integers(0, 2**63 - 1), epoch=st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_means_its_position(position: int, epoch: int) -> None:
    cursors = Cursors(epoch, SECRET)
    assert cursors.decode(cursors.encode(position)) == position
    assert len(cursors.encode(position)) == 22


def test_neighbours_do_not_look_like_neighbours() -> None:
    first, second = (Cursors(1, SECRET).encode(position) for position in (1, 2))
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 8


async def error_of(server: Server, campaign: str, cursor: str) -> Any:
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        [error] = await socket.errors()
        return error["extensions"]["code"]


@pytest.mark.parametrize("cursor", ["", "x", "Z" * 21, "Z" * 23, "ZZZZZZZZZZZZZZZZZZZZZ=", "ä" * 22])
async def test_what_is_no_cursor_is_refused(server: Server, cursor: str) -> None:
    assert await error_of(server, await create_campaign(server.api), cursor) == "BAD_USER_INPUT"


async def test_a_cursor_of_elsewhere_has_expired(server: Server) -> None:
    campaign = await create_campaign(server.api)
    assert await error_of(server, campaign, Cursors(1, SECRET).encode(1)) == "CURSOR_EXPIRED"


async def test_a_cursor_from_the_future_has_expired(server: Server) -> None:
    # The files of the database were put back: it has not come that far.
    campaign = await create_campaign(server.api)
    cursor = server.state.live.hub.cursor(10**6)
    assert await error_of(server, campaign, cursor) == "CURSOR_EXPIRED"


async def test_a_cursor_that_is_too_old_has_expired(server: Server) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    for user in ("ada", "bob"):
        await react(server.api, campaign, user)
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        events = [await socket.event() for _ in range(2)]
    async with server.api.database.everywhere() as transaction:
        first = "UPDATE live_head SET trimmed = (SELECT min(position) FROM live_log WHERE topic = 'ENGAGEMENTS')"
        await transaction.run(text(first))
    assert await error_of(server, campaign, cursor) == "CURSOR_EXPIRED"
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=events[0]["cursor"])
        assert await socket.event() == events[1]


async def test_another_epoch_ends_what_runs_and_refuses_what_was(server: Server, database_url: str) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=cursor)
        await share(server.api, campaign, "ada")
        await socket.event()
        async with session(database_url, "test") as own:
            await sequencing.begin_epoch(own)
        [error] = await socket.errors()
        assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    assert await error_of(server, campaign, cursor) == "CURSOR_EXPIRED"
    fresh = await server.cursor()
    assert await eventually(lambda: server.state.live.hub.cursor(0) != cursor)
    async with server.socket() as socket:
        await socket.subscribe(ENGAGEMENTS, ids=[campaign], after=fresh)
        await share(server.api, campaign, "ada")
        assert (await socket.event())["type"] == "SHARE"


async def test_the_cursor_of_an_answer_is_of_its_snapshot(server: Server) -> None:
    campaign = await create_campaign(server.api)
    await react(server.api, campaign, "ada")
    query = "query ($id: ID!) { campaign(id: $id) { metrics { likes } } liveCursor }"
    answer = await server.api.data(query, id=campaign)
    await react(server.api, campaign, "bob")
    async with server.socket() as socket:
        await socket.subscribe(
            "subscription ($ids: [ID!]!, $after: String) { engagements(campaignIds: $ids, after: $after) "
            "{ engagement { actor { userId } } } }",
            ids=[campaign],
            after=answer["liveCursor"],
        )
        users = []
        while "bob" not in users:
            users.append((await socket.event())["engagement"]["actor"]["userId"])
    # An engagement on the seam may be in both; none is in neither.
    assert answer["campaign"]["metrics"]["likes"] == 1
    assert users in (["bob"], ["ada", "bob"])
