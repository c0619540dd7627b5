"""Spans, as a collector receives them."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from db.engine import Database
from graph.environment import SettingsError
from graph.logs import trace_ids
from graph.operations import Operations
from graph.tracing_settings import TracingSettings
from tests.api import Api, build, token
from tests.spans import Received, Receiver, receiving

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Traced:
    """Builds applications whose spans are received once they have ended."""

    def __init__(self, database_url: str, folder: Path, receiver: Receiver) -> None:
        self._url, self._folder, self.receiver = database_url, folder, receiver

    @asynccontextmanager
    async def api(self, **more: str) -> AsyncIterator[Api]:
        """One of them."""
        async with build(self._url, self._folder, OTEL_EXPORTER_OTLP_ENDPOINT=self.receiver.url, **more) as api:
            yield api

    def tree(self, span: Received) -> Any:
        """A span's name and those within it, in the order in which they began."""
        children = sorted(self.receiver.children(span), key=lambda child: child.began)
        return (span.name, *map(self.tree, children)) if children else span.name


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector of this test's own."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def traced(database_url: str, workspace: int, tmp_path: Path, receiver: Receiver) -> Traced:
    """What builds applications on this test's database."""
    return Traced(database_url, tmp_path, receiver)


NESTED = "query Nested { campaigns(first: 3) { nodes { name channels(first: 2) { nodes { id } } } } }"


async def test_a_nested_query(traced: Traced, receiver: Receiver, database: Database) -> None:
    async with traced.api(METRICS="off") as api:
        await api.data('mutation { createCampaign(input: {name: "Spring"}) { campaign { id } } }')
        receiver_before = len(receiver.spans)
        await api.data(NESTED)
    assert receiver_before == 0  # they are sent in batches
    mutation, query = receiver.named("POST /graphql")
    assert traced.tree(query) == (
        "POST /graphql",
        ("query", "BEGIN", "SELECT campaigns", "SELECT campaign_channels"),
        "COMMIT",
    )
    assert (query.kind, query.parent, query.failed) == ("SERVER", "", False)
    assert query.attributes == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "url.path": "/graphql",
        "url.scheme": "http",
    }
    operation = receiver.one("query")
    sha256 = operation.attributes.pop("groundswell.document.sha256")
    assert (operation.kind, operation.trace, len(sha256)) == ("SERVER", query.trace, 64)
    assert operation.attributes == {"graphql.operation.type": "query", "graphql.operation.name": "Nested"}
    [begin, campaigns, _channels] = sorted(receiver.children(operation), key=lambda span: span.began)
    of_database = {"db.system.name": "postgresql", "db.namespace": database.engine.url.database}
    assert begin.attributes == {**of_database, "db.operation.name": "BEGIN", "db.query.summary": "BEGIN"}
    assert (campaigns.kind, campaigns.failed, campaigns.links) == ("CLIENT", False, [])
    assert campaigns.attributes == {
        **of_database,
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT campaigns",
        "db.collection.name": "campaigns",
        "db.response.returned_rows": 1,
        "code.function.name": "db.queries.campaigns._listed",
    }
    assert mutation.trace != query.trace


async def test_a_mutation(traced: Traced, receiver: Receiver) -> None:
    async with traced.api() as api:
        await api.data("{ viewer { subject } }")  # who asks is known from here on
        await api.data('mutation Make { createCampaign(input: {name: "Spring"}) { campaign { id } } }')
    _, request = receiver.named("POST /graphql")
    assert traced.tree(request) == (
        "POST /graphql",
        ("mutation", "BEGIN", "SELECT workspaces", "INSERT campaigns", "COMMIT", "BEGIN", "SELECT campaigns"),
        "COMMIT",
    )
    operation = receiver.one("mutation")
    del operation.attributes["groundswell.document.sha256"]
    assert operation.attributes == {"graphql.operation.type": "mutation", "graphql.operation.name": "Make"}


async def test_what_a_client_did_wrong_is_no_failure(traced: Traced, receiver: Receiver) -> None:
    async with traced.api() as api:
        await api.ask("{ nix }")
        await api.ask("{")
        await api.as_(token(scopes=["read"])).ask('mutation { createBrand(input: {name: "B"}) { brand { id } } }')
    codes = {
        span.name: span.attributes["groundswell.error.codes"]
        for span in receiver.spans
        if "groundswell.error.codes" in span.attributes
    }
    assert codes == {
        "query": ["GRAPHQL_VALIDATION_FAILED"],
        "GraphQL Operation": ["GRAPHQL_PARSE_FAILED"],
        "mutation": ["FORBIDDEN"],
    }
    assert not any(span.failed for span in receiver.spans)


async def test_what_is_our_fault_is_one_without_what_it_says(
    traced: Traced, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret of Zanzibar")

    async with traced.api() as api:
        await api.data("{ viewer { subject } }")
        monkeypatch.setattr(Database, "reads", broken)
        [error] = (await api.ask(NESTED))["errors"]
    [operation] = [span for span in receiver.named("query") if span.failed]
    assert operation.attributes["error.type"] == "INTERNAL"
    assert operation.attributes["groundswell.error.codes"] == ["INTERNAL"]
    assert operation.attributes["groundswell.error.ids"] == [error["extensions"]["errorId"]]
    assert b"Zanzibar" not in receiver.raw


async def test_a_statement_that_fails(traced: Traced, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with traced.api() as api:
        await api.data("{ viewer { subject } }")
        monkeypatch.setattr("db.engine.CHANGE", "BEGIN; SELECT 1 / 0")
        await api.ask('mutation { createCampaign(input: {name: "Zanzibar"}) { campaign { id } } }')
    [failed] = [span for span in receiver.named("BEGIN") if span.failed]
    assert failed.attributes["db.response.status_code"] == failed.attributes["error.type"] == "22012"
    assert failed.events == [("exception", {"exception.type": "asyncpg.exceptions.DivisionByZeroError"})]
    assert b"Zanzibar" not in receiver.raw


async def test_the_callers_trace_goes_on(traced: Traced, receiver: Receiver) -> None:
    async with traced.api() as api:
        for flag in ("01", "00"):
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-{flag}", "tracestate": "a=b"}
            await api.client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)
    request = receiver.one("POST /graphql")  # the caller says that the other one is not kept
    assert (request.trace, request.parent) == (TRACE, CALLER)
    assert {span.trace for span in receiver.spans} == {TRACE}


async def test_samplers_and_names(traced: Traced, receiver: Receiver) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    async with traced.api(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0") as api:
        await api.client.get("/", headers=headers)
    async with traced.api(OTEL_TRACES_SAMPLER="always_on", OTEL_SERVICE_NAME="waves") as api:
        await api.client.get("/", headers=headers)
    assert receiver.one("GET /").parent == CALLER
    assert [one["service.name"] for one in receiver.resources] == ["waves"]


async def test_paths_and_queries_are_not_told(traced: Traced, receiver: Receiver) -> None:
    async with traced.api() as api:
        await api.client.get("/files/Zanzibar?secret=Zanzibar")
        await api.client.get("/Zanzibar")
        await api.client.get("/metrics")
        await api.client.get("/health/live")
        await api.client.request("BREW", "/graphql", params={"query": "Zanzibar"})
    assert b"Zanzibar" not in receiver.raw
    assert {"GET", "HTTP /graphql"} <= {span.name for span in receiver.spans}
    assert len([span for span in receiver.spans if span.kind == "SERVER"]) == 3
    [brewed] = receiver.named("HTTP /graphql")
    assert brewed.attributes["http.request.method"] == "_OTHER"


async def test_unasked_for_nothing_is_traced(database_url: str, workspace: int, tmp_path: Path) -> None:
    for environ in (
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "none"},
    ):
        async with build(database_url, tmp_path, METRICS="off", **environ) as api:
            await api.data("{ viewer { subject } }")
            assert api.database.observer is None
            assert type(api._state.streams._operations) is Operations


def test_unasked_for_nothing_of_it_is_loaded() -> None:
    code = "import sys, graph.serving; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_without_the_extra_it_says_what_is_missing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "graph.telemetry.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SettingsError, match=r"pip install 'groundswell\[otel\]'"):
        async with build(database_url, tmp_path, OTEL_TRACES_EXPORTER="otlp"):
            pass


def test_lines_of_the_log_say_where_they_belong() -> None:
    assert trace_ids(None, "info", {"event": "x"}) == {"event": "x"}
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        context = span.get_span_context()
        assert trace_ids(None, "info", {"event": "x"}) == {
            "event": "x",
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
        }


def test_settings_are_those_of_the_standard() -> None:
    both = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318/", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://b/spans"}
    assert TracingSettings.from_env(both).endpoint == "https://b/spans"
    assert TracingSettings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318/"}) == TracingSettings(
        "otlp", "http://a:4318/v1/traces"
    )
    assert TracingSettings.from_env({"OTEL_TRACES_EXPORTER": "console"}).is_on
    assert not TracingSettings.from_env({}).is_on


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "half"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ],
)
def test_settings_that_make_no_sense(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        TracingSettings.from_env({"OTEL_TRACES_EXPORTER": "otlp", name: value})
