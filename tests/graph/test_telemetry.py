"""What is counted of a process: exactly what happened, by labels that nobody can make more of."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine import Database
from graph.operations import Operations
from graph.telemetry.accumulators import Histogram, Tally
from graph.telemetry.statements import StatementMetrics
from tests.api import Api, build, token
from tests.facts import create_campaign
from tests.ingest import create_spring, event, sent
from tests.metrics import samples, scraped

DOCUMENTED = Path(__file__).parents[2] / "docs" / "observability.md"


async def test_operations_by_type_transport_and_outcome(api: Api) -> None:
    await api.ask("{ campaigns(first: 1) { totalCount } }")
    await api.ask("{ nix }")
    await api.ask("{")
    await api.ask(
        '{ campaigns(first: 1) { totalCount } node(id: "Q2FtcGFpZ246OTk") { id } brand: node(id: "x") { id } }'
    )
    await api.as_(token(scopes=["read"])).ask('mutation { createBrand(input: {name: "B"}) { brand { id } } }')
    await create_campaign(api)
    await api.stream("{ viewer { subject } }")
    assert await samples(api, "operation") == {
        "operations_total{ok,http,query}": 1,
        "operations_total{refused,http,query}": 1,
        "operations_total{refused,http,unknown}": 1,
        "operations_total{errors,http,query}": 1,
        "operations_total{refused,http,mutation}": 1,
        "operations_total{ok,http,mutation}": 1,
        "operations_total{ok,sse,query}": 1,
        "operation_duration_seconds_count{query}": 4,
        "operation_duration_seconds_count{mutation}": 2,
        "operation_duration_seconds_count{unknown}": 1,
        "operation_errors_total{BAD_USER_INPUT}": 2,
        "operation_errors_total{FORBIDDEN}": 1,
        "operation_errors_total{GRAPHQL_PARSE_FAILED}": 1,
        "operation_errors_total{GRAPHQL_VALIDATION_FAILED}": 1,
        "operation_errors_total{DEADLINE_EXCEEDED}": 0,
        "operation_errors_total{INTERNAL}": 0,
        "operation_errors_total{UNAVAILABLE}": 0,
        "operations_running": 0,
    }


async def test_statements_by_function_and_loaders_by_batch(api: Api) -> None:
    for _ in range(3):
        await create_campaign(api)
    before = await samples(api, "statement")
    await api.data("{ campaigns(first: 3) { nodes { id channels(first: 2) { nodes { id } } } } }")
    after = await samples(api, "statement")
    grew = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    of_metrics = {name for name in grew if "{select " in name}
    assert {name: grew[name] for name in grew.keys() - of_metrics if name.startswith("statements_total")} == {
        "statements_total{begin}": 2,  # one is that of /metrics
        "statements_total{commit}": 2,
        "statements_total{campaigns._listed}": 1,
        "statements_total{channels._of_campaigns}": 1,
    }
    found = await samples(api, "loader")
    [batches] = [name for name in found if name.startswith("loader_batches_total{channels.")]
    assert (found[batches], found[batches.replace("batches", "keys")]) == (1, 3)


async def test_statements_that_fail_by_class(api: Api, workspace: int) -> None:
    with pytest.raises(DBAPIError):
        async with api.database.write(workspace) as transaction:
            await transaction.scalar(text("SELECT 1 / 0"))
    assert (await samples(api, "statement_errors")) == {"statement_errors_total{22}": 1}


async def test_requests_by_route_and_class(api: Api) -> None:
    await api.data("{ viewer { subject } }")
    await api.client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers={"authorization": "Bearer x"})
    for path in ("/health/live", "/nowhere/1", "/nowhere/2"):
        await api.client.get(path)
    await api.client.request("BREW", "/health/live")
    await api.client.post("/ingest/events", content=b"")
    found = await samples(api, "http_requests_total")
    assert found == {
        "http_requests_total{POST,/graphql,2xx}": 1,
        "http_requests_total{POST,/graphql,4xx}": 1,
        "http_requests_total{GET,/health/live,2xx}": 1,
        "http_requests_total{GET,other,4xx}": 2,
        "http_requests_total{other,/health/live,4xx}": 1,
        "http_requests_total{POST,/ingest/events,4xx}": 1,
    }


async def test_nothing_that_clients_or_tenants_made_up_is_told(api: Api) -> None:
    await api.ask("query Zanzibar($zebra: Int) { campaigns(first: $zebra) { totalCount } }", zebra=77_777)
    await create_campaign(api, name="Zeppelin")
    await api.client.get("/zoo", headers={"user-agent": "zoologist"})
    told = await scraped(api)
    assert not re.search("(?i)zanzibar|zebra|77777|zeppelin|zoo|ada|test", told.replace("data", ""))


async def test_turned_off_nothing_is_measured(database_url: str, workspace: int, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, METRICS="off") as api:
        await api.data("{ viewer { subject } }")
        assert api.database.observer is None
        assert type(api._state.streams._operations) is Operations


async def test_while_the_database_is_away_the_process_is_told_of(tmp_path: Path) -> None:
    async with build("postgresql+asyncpg://nobody@127.0.0.1:1/nowhere", tmp_path) as api:
        assert await samples(api, "database") == {"database_up": 0}
        assert (await samples(api, "pool_failures"))["pool_failures_total{unreachable}"] >= 1
        assert "process_resident_memory_bytes" in await scraped(api)


async def test_what_is_documented_is_what_there_is(api: Api) -> None:
    there = set(re.findall(r"^# TYPE (groundswell_\w+)", await scraped(api), re.MULTILINE))
    documented = re.findall(r"^\| `(groundswell_\w+)`", DOCUMENTED.read_text(), re.MULTILINE)
    assert sorted(there) == sorted(documented)
    used = set(re.findall(r"groundswell_\w+", DOCUMENTED.read_text().partition("## Rules")[2]))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in used} <= there


def shown(family: Metric) -> dict[Any, float]:
    return {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}


def test_a_tally_stays_bounded() -> None:
    tally = Tally("x", "X.", ("a", "b"), most=2)
    for label in ("one", "two", "three", "four", "one"):
        tally.add((label, "b"), 2)
    assert shown(tally.family()) == {
        ("x_total", "one", "b"): 4,
        ("x_total", "two", "b"): 2,
        ("x_total", "other", "other"): 4,
    }


def test_a_histogram_counts_up_to_and_with_its_bounds() -> None:
    histogram = Histogram(("a", "b"), (0.5, 1.0), most=2)
    for value in (0.25, 0.5, 0.75, 2.0):
        histogram.observe(("one", "x" if value < 1 else "y"), value)
    histogram.observe(("two", "z"), 1.0)
    assert shown(histogram.counts("x", "X.")) == {
        ("x_total", "one", "x"): 3,
        ("x_total", "one", "y"): 1,
        ("x_total", "other", "other"): 1,
    }
    assert shown(histogram.family("x", "X.", 1)) == {
        ("x_bucket", "one", "0.5"): 2,
        ("x_bucket", "one", "1.0"): 3,
        ("x_bucket", "one", "+Inf"): 4,
        ("x_count", "one"): 4,
        ("x_sum", "one"): 3.5,
        ("x_bucket", "other", "0.5"): 0,
        ("x_bucket", "other", "1.0"): 1,
        ("x_bucket", "other", "+Inf"): 1,
        ("x_count", "other"): 1,
        ("x_sum", "other"): 1.0,
    }


async def test_statements_and_loaders_stay_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.telemetry.statements._MOST", 2)
    monkeypatch.setattr("graph.telemetry.statements._MOST_TEXTS", 1)
    metrics = StatementMetrics(database)
    for name in ("one", "two", "three", "four", "one"):
        metrics.statement(name, f"SELECT '{name}'", 0.5, 3, None)
        metrics.batch(type(name, (), {"__module__": "db.queries.x"}), 7)
    found = {family.name: shown(family) for family in metrics.collect()}
    assert found["groundswell_statements"] == {
        ("groundswell_statements_total", "one"): 2,
        ("groundswell_statements_total", "two"): 1,
        ("groundswell_statements_total", "other"): 2,
    }
    assert found["groundswell_loader_keys"] == {
        ("groundswell_loader_keys_total", "x.one"): 14,
        ("groundswell_loader_keys_total", "x.two"): 7,
        ("groundswell_loader_keys_total", "other"): 14,
    }


async def test_lines_of_events_by_what_became_of_them(api: Api, database: Database, workspace: int) -> None:
    async with database.write(workspace) as transaction:
        await create_spring(transaction)
    await sent(api, event("a"), event("a"), {"nothing": 1})
    assert await samples(api, "ingest") == {
        "ingest_lines_total{accepted}": 1,
        "ingest_lines_total{duplicates}": 1,
        "ingest_lines_total{rejected}": 1,
        "ingest_lines_total{retry}": 0,
    }
