"""Budgets: charged before, given back after, filled by time."""

import os
from pathlib import Path
from typing import Any

import pytest

from graph import budgets
from graph.budgets import Budgets, Charge, Standing
from tests.api import Api, build, token


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def charged(found: Charge | int) -> Charge:
    """A charge that was taken."""
    assert isinstance(found, Charge)
    return found


def test_what_is_not_used_is_given_back() -> None:
    charge = charged(Budgets(600, Clock()).charge("a", 300, 1))
    assert charge.standing == Standing(600, 300, 30)
    charge.settle(60)
    assert charge.standing == Standing(600, 540, 6)
    assert (charge.requested, charge.used) == (300, 60)


def test_what_was_used_beyond_is_charged_as_well() -> None:
    charge = charged(Budgets(600, Clock()).charge("a", 300, 1))
    charge.settle(900)
    assert charge.standing == Standing(600, 0, 90)


def test_a_budget_fills_with_time_and_not_beyond() -> None:
    clock = Clock()
    found = Budgets(600, clock)
    charged(found.charge("a", 300, 1))
    clock.now = 10
    assert found.standing_of("a") == Standing(600, 400, 20)
    clock.now = 1000
    assert found.standing_of("a") == Standing(600, 600, 0)


def test_who_has_too_little_left_is_told_when_there_is_enough() -> None:
    clock = Clock()
    found = Budgets(600, clock)
    charged(found.charge("a", 500, 1))
    assert found.charge("a", 300, 1) == 20
    clock.now = 20
    assert charged(found.charge("a", 300, 1)).standing == Standing(600, 0, 60)


def test_each_client_has_its_own() -> None:
    found = Budgets(600, Clock())
    charged(found.charge("a", 600, 1))
    assert charged(found.charge("b", 1, 1)).standing == Standing(600, 599, 1)


def test_no_more_clients_are_kept_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MOST_CLIENTS", 2)
    found = Budgets(600, Clock())
    for client in "abac":
        charged(found.charge(client, 100, 1))
    assert [found.standing_of(client).remaining for client in "ac"] == [400, 500]
    assert found.standing_of("b").remaining == 600


def test_without_a_limit_nothing_is_charged() -> None:
    charge = charged(Budgets(0, Clock()).charge("a", 10**15, 1))
    charge.settle(5)
    assert charge.standing is None
    assert charge.told() == {"requested": 10**15, "used": 5}


VIEWER = "{ viewer { workspace { id } } }"


async def post(api: Api, query: str, **more: Any) -> Any:
    """The response to a request."""
    return await api.client.post("/graphql", json={"query": query, **more}, headers=api._headers)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the application's budgets."""
    clock = Clock()
    monkeypatch.setattr("graph.admission.Budgets", lambda limit: Budgets(limit, clock))
    return clock


async def test_headers_say_what_is_left(api: Api) -> None:
    headers = (await post(api, VIEWER)).headers
    assert headers["ratelimit-policy"] == '"cost";q=20000000;w=60'
    assert headers["ratelimit"] == '"cost";r=19999997;t=1'


BRANDS = "{ viewer { workspace { brands(first: 100) { nodes { id } } } } }"


@pytest.mark.skipif(os.environ.get("EXECUTOR") == "stock", reason="the stock executor does not count what it answers")
async def test_who_has_used_up_the_budget_is_answered_429(
    database_url: str, tmp_path: Path, workspace: int, clock: Clock
) -> None:
    async with build(database_url, tmp_path, COST_BUDGET="120", LIMIT_COST="120") as api:
        left = [(await post(api, BRANDS)).headers["ratelimit"] for _ in range(5)]
        assert left == [
            f'"cost";r={number};t={seconds}' for number, seconds in ((116, 2), (112, 4), (108, 6), (104, 8), (100, 10))
        ]
        response = await post(api, BRANDS)
        assert (response.status_code, response.headers["retry-after"]) == (429, "2")
        assert response.headers["ratelimit"] == '"cost";r=100;t=10'
        message = "You have used up what you may in a minute. Ask again in 2 s."
        cost = {"requested": 104, "limit": 120, "remaining": 100}
        extensions = {"code": "RATE_LIMITED", "retryAfter": 2, "cost": cost}
        assert response.json() == {"errors": [{"message": message, "extensions": extensions}]}
        assert (await post(api.as_(token(sub="bob")), BRANDS)).status_code == 200
        clock.now = 2
        assert (await post(api, BRANDS)).status_code == 200


async def test_variables_that_are_wrong_use_nothing(api: Api) -> None:
    query = "query ($n: Int) { viewer { workspace { brands(first: $n) { nodes { id } } } } }"
    response = await post(api, query, variables={"n": "many"})
    assert response.headers["ratelimit"] == '"cost";r=19999999;t=1'


async def test_the_graph_says_what_is_left(api: Api) -> None:
    query = "{ rateLimit { limit remaining used cost resetAt } viewer { workspace { id } } }"
    found = (await api.data(query))["rateLimit"]
    assert (found["limit"], found["remaining"], found["used"], found["cost"]) == (20_000_000, 19_999_996, 4, 4)
    assert found["resetAt"].endswith("Z")


async def test_without_a_budget_there_is_none_in_the_graph(database_url: str, tmp_path: Path, workspace: int) -> None:
    async with build(database_url, tmp_path, COST_BUDGET="0") as api:
        assert await api.data("{ rateLimit { limit } }") == {"rateLimit": None}
        assert "ratelimit" not in (await post(api, VIEWER)).headers


async def test_the_cost_is_answered_where_it_is_asked_for(api: Api) -> None:
    assert "extensions" not in (await post(api, VIEWER)).json()
    cost = (await post(api, VIEWER, extensions={"cost": True})).json()["extensions"]["cost"]
    assert (cost["requested"], cost["used"], cost["limit"], cost["remaining"]) == (3, 3, 20_000_000, 19_999_994)


async def test_a_stream_is_charged_when_it_begins_and_refused_without_a_budget(
    database_url: str, tmp_path: Path, workspace: int
) -> None:
    query = 'subscription { engagements(campaignIds: ["Q2FtcGFpZ246MQ=="]) { cursor } }'
    async with build(database_url, tmp_path, COST_BUDGET="15", LIMIT_COST="15") as api:
        live = api.as_(token(scopes=["live"]))
        assert '"code":"NOT_FOUND"' in await live.stream(query)
        refused = await live.stream(query)
        assert '"code":"RATE_LIMITED","retryAfter":' in refused
