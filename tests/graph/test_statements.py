"""One statement per level, whatever the number of rows, and nothing is read that is not asked for."""

import os

import pytest

from tests.api import Api
from tests.facts import at, create_campaign, record

DASHBOARD = """query ($first: Int!, $page: Int!) { campaigns(first: $first) { totalCount nodes {
  id name brand { name }
  impressions(first: $page) { totalCount nodes { key isUnique actor { userId } brand { name } campaign { name } } }
  metrics { impressions uniqueImpressions reach viewabilityRate clickThroughRate spend { amount } deliveryProgress }
  recent: metrics(window: {from: "2026-03-01T11:50:01Z"}) { clicks reach }
  metricSeries(bucket: HOUR) { start metrics { impressions clicks reach } }
} } }"""


async def fill(api: Api, campaigns: int, impressions: int) -> None:
    brand = await api.data('mutation { createBrand(input: {name: "Acme"}) { brand { id } } }')
    for number in range(campaigns):
        campaign_id = await create_campaign(api, name=f"C{number}", brandId=brand["createBrand"]["brand"]["id"])
        batch = [
            {"key": f"{number}-{n}", "occurredAt": at(seconds=n), "actor": {"userId": str(n % 7)}}
            for n in range(impressions)
        ]
        await record(api, campaign_id, batch)


async def test_the_dashboard_costs_one_statement_a_level_for_n_and_2n(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=20, impressions=50)
    counted = []
    for first, page in ((10, 25), (20, 50)):
        statements.clear()
        nodes = (await api.data(DASHBOARD, first=first, page=page))["campaigns"]["nodes"]
        assert [len(node["impressions"]["nodes"]) for node in nodes] == [page] * first
        counted.append(len(statements))
    # campaigns, their count, brands; impressions, their count, brands and campaigns; metrics twice, a series
    assert counted == [9, 9]


async def test_a_query_without_metrics_touches_none(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=1, impressions=1)
    statements.clear()
    await api.data("{ campaigns { nodes { name } } }")
    assert len(statements) == 1
    assert "campaign_totals" not in statements[0]
    assert "impressions" not in statements[0]
    assert "description" not in statements[0]


async def test_clicks_read_what_clicks_need(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=1, impressions=1)
    statements.clear()
    await api.data("{ campaigns { edges { node { metrics { clicks } } } } }")
    [_, read] = statements
    assert "campaign_totals.clicks" in read
    assert not [word for word in ("spend", "reach", "conversions", "JOIN impressions", "currency") if word in read]


async def test_what_skip_leaves_out_is_not_read(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=1, impressions=1)
    statements.clear()
    query = "query ($no: Boolean!) { campaigns { edges { node { metrics { clicks reach @include(if: $no) ... @skip(if: true) { spend { amount } } } } } } }"
    await api.data(query, no=False)
    assert "reach" not in statements[1]
    assert "spend" not in statements[1]


async def test_a_total_alone_reads_no_page(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=2, impressions=3)
    statements.clear()
    answer = await api.data("{ campaigns { totalCount } }")
    assert answer == {"campaigns": {"totalCount": 2}}
    assert len(statements) == 1
    statements.clear()
    answer = await api.data("{ campaigns { nodes { impressions { totalCount } } } }")
    assert [node["impressions"]["totalCount"] for node in answer["campaigns"]["nodes"]] == [3, 3]
    assert len(statements) == 2
    assert "campaign_totals" in statements[1]


async def test_the_same_metrics_twice_cost_one_statement(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=1, impressions=1)
    statements.clear()
    await api.data("{ campaigns { edges { node { a: metrics { clicks } b: metrics { clicks } } } } }")
    assert len(statements) == 2


@pytest.mark.usefixtures("written_at_once")
async def test_what_postgresql_writes_is_one_statement(api: Api, statements: list[str]) -> None:
    await fill(api, campaigns=2, impressions=3)
    statements.clear()
    [one, two] = (await api.data("{ campaigns { nodes { key metrics { clicks reach viewabilityRate } } } }"))[
        "campaigns"
    ]["nodes"]
    assert one == two == {"key": None, "metrics": {"clicks": 0, "reach": 3, "viewabilityRate": 0.0}}
    # The stock executor takes rows: the campaigns and their numbers.
    assert len(statements) == (2 if os.environ.get("EXECUTOR") == "stock" else 1)
    assert not [
        word for word in ("spend", "conversions", "likes", "JOIN impressions", "currency") if word in statements[-1]
    ]


async def test_one_answer_is_one_snapshot(api: Api) -> None:
    await fill(api, campaigns=1, impressions=5)
    answer = await api.data(
        "{ campaigns { nodes { metrics { impressions } impressions { totalCount nodes { id } } } } }"
    )
    [node] = answer["campaigns"]["nodes"]
    assert node["metrics"]["impressions"] == node["impressions"]["totalCount"] == len(node["impressions"]["nodes"]) == 5


async def test_fragments_that_double_at_every_step_cost_no_more_than_their_length(api: Api) -> None:
    links = "".join(f"fragment F{n} on Campaign {{ ...F{n + 1} ...F{n + 1} }} " for n in range(9))
    query = "{ campaigns { nodes { ...F0 } } } " + links + "fragment F9 on Campaign { name }"
    assert await api.data(query) == {"campaigns": {"nodes": []}}
