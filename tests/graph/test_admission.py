"""How much runs at once: what does not fit waits for its turn, and is refused when that does not come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from graph.capacity import Capacity, Lane
from tests.api import Api, build, token
from tests.locks import locked, until_waiting

LARGE = "{ campaigns(first: 100) { nodes { id } } }"
"""Costs 102."""
SMALL = "{ viewer { subject } }"
"""Costs 2."""


class Queue:
    """A lane, and who entered it in which order."""

    def __init__(self, limit: int) -> None:
        self.lane = Lane(limit)
        self.entered: list[str] = []

    def enter(self, name: str, cost: int, client: str = "", patience: float | None = None) -> "asyncio.Task[bool]":
        """Somebody who wants to enter."""

        async def entering() -> bool:
            entered = await self.lane.enter(cost, client or name, patience)
            if entered:
                self.entered.append(name)
            return entered

        return asyncio.create_task(entering())

    async def leave(self, cost: int) -> list[str]:
        """Lets somebody leave. Answers who entered until now."""
        self.lane.leave(cost)
        await settled()
        return self.entered


async def settled() -> None:
    """Lets all go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_does_not_fit_enters_when_somebody_leaves() -> None:
    queue = Queue(10)
    waiting = [queue.enter(name, 5) for name in "abc"]
    await settled()
    assert queue.entered == ["a", "b"]
    assert await queue.leave(5) == ["a", "b", "c"]
    assert [one.result() for one in waiting] == [True, True, True]


async def test_nobody_overtakes_who_waits() -> None:
    queue = Queue(10)
    for name, cost in (("a", 6), ("b", 8), ("c", 1)):
        queue.enter(name, cost)
    await settled()
    assert (queue.entered, queue.lane.try_enter(1)) == (["a"], False)
    assert await queue.leave(6) == ["a", "b", "c"]


async def test_what_costs_more_than_there_is_runs_alone() -> None:
    queue = Queue(10)
    queue.enter("a", 1000)
    queue.enter("b", 1)
    await settled()
    assert queue.entered == ["a"]
    assert await queue.leave(1000) == ["a", "b"]
    assert queue.lane.try_enter(9)
    assert not queue.lane.try_enter(1)


async def test_clients_take_turns() -> None:
    queue = Queue(1)
    for name, client in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")):
        queue.enter(name, 1, client)
    await settled()
    for _ in range(5):
        await queue.leave(1)
    assert queue.entered == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_who_has_waited_too_long_is_refused_and_holds_up_nobody() -> None:
    queue = Queue(10)
    queue.enter("a", 6)
    refused, behind = queue.enter("b", 8, patience=0.01), queue.enter("c", 1)
    assert await refused is False
    assert await behind is True
    assert queue.entered == ["a", "c"]
    assert await queue.leave(6) == ["a", "c"]
    assert queue.lane.try_enter(9)


async def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    queue = Queue(10)
    queue.enter("a", 6)
    cancelled, behind = queue.enter("b", 8), queue.enter("c", 4)
    await settled()
    cancelled.cancel()
    assert await behind is True
    assert await queue.leave(6) == ["a", "c"]
    assert queue.lane.try_enter(6)


async def test_who_is_cancelled_as_the_turn_comes_gives_it_back() -> None:
    queue = Queue(10)
    queue.enter("a", 10)
    cancelled, behind = queue.enter("b", 10), queue.enter("c", 10)
    await settled()
    queue.lane.leave(10)  # it is b's turn now, which does not know it yet
    cancelled.cancel()
    await settled()
    assert cancelled.cancelled()
    assert await behind is True
    assert queue.entered == ["a", "c"]


async def test_small_ones_do_not_wait_for_large_ones() -> None:
    capacity = Capacity(100, patience=0.01)
    assert [capacity.try_enter(100), capacity.try_enter(6), capacity.try_enter(5)] == [True, False, True]
    assert await capacity.enter(6, "a") is False
    assert await capacity.enter(5, "a") is True
    capacity.leave(100)
    assert capacity.try_enter(6)


async def test_small_ones_are_bounded_as_well() -> None:
    capacity = Capacity(100)
    assert [capacity.try_enter(5) for _ in range(11)] == [True] * 10 + [False]
    capacity.leave(5)
    assert capacity.try_enter(5)


async def test_without_a_limit_all_enter() -> None:
    capacity = Capacity(0)
    assert all([capacity.try_enter(10**9), await capacity.enter(10**9, "a")])
    capacity.leave(10**9)


@pytest.fixture
async def api(database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Api]:
    """An application that runs one large operation at once."""
    async with build(database_url, tmp_path, COST_IN_FLIGHT="150") as api:
        await api.data(SMALL)
        yield api


async def post(api: Api, query: str, **headers: str) -> Any:
    """The response to a request."""
    return await api.client.post("/graphql", json={"query": query}, headers=api._headers | headers)


async def test_what_is_too_much_is_refused_in_time_and_costs_nothing(api: Api, database_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with locked(database_url, "campaigns") as other:
        running = asyncio.create_task(post(api, LARGE))
        await until_waiting(other)
        began = loop.time()
        response = await post(api.as_(token(sub="bob")), LARGE)
        took = loop.time() - began
        assert (await post(api, SMALL)).status_code == 200
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.headers["ratelimit"] == '"cost";r=20000000;t=0'
    [error] = response.json()["errors"]
    assert error == {
        "message": "The server has more to do than it has room for. Nothing was done: ask again in 1 s.",
        "extensions": {"code": "OVERLOADED", "retryAfter": 1},
    }
    assert 0.4 <= took < 1
    assert (await running).status_code == 200


async def test_who_waits_is_let_in_when_there_is_room(api: Api, database_url: str) -> None:
    async with locked(database_url, "campaigns") as other:
        asked = [asyncio.create_task(post(api, LARGE)) for _ in range(2)]
        await until_waiting(other)
        assert await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1
    assert [(await one).status_code for one in asked] == [200, 200]


async def test_there_is_room_after_errors_and_cancellations(api: Api, database_url: str) -> None:
    wrong = "query ($n: Int) { campaigns(first: $n) { nodes { id } } more: campaigns(first: 100) { nodes { id } } }"
    for _ in range(2):
        response = await api.client.post(
            "/graphql", json={"query": wrong, "variables": {"n": "many"}}, headers=api._headers
        )
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        bad = await post(api, '{ campaigns(first: 100, after: "!") { nodes { id } } }')
        assert bad.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    async with locked(database_url, "campaigns") as other:
        assert (await post(api, LARGE, **{"x-request-timeout": "0.1"})).status_code == 504
        left = asyncio.create_task(post(api, LARGE))
        await until_waiting(other)
        left.cancel()
        await asyncio.wait((left,))
    assert (await post(api, LARGE)).status_code == 200


async def test_the_setting_may_be_switched_off(database_url: str, workspace: int, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, COST_IN_FLIGHT="0") as api:
        await api.data(SMALL)
        async with locked(database_url, "campaigns") as other:
            asked = [asyncio.create_task(post(api, LARGE)) for _ in range(5)]
            await until_waiting(other, 5)
        assert [(await one).status_code for one in asked] == [200] * 5
