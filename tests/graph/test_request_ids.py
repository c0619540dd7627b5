"""Request ids: in the answer, in each line of the log, and in PostgreSQL."""

import asyncio
import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from db import requests
from graph import nodes
from graph.logs import of_request
from tests.api import Api
from tests.locks import locked, until_waiting

CAMPAIGNS = "{ campaigns(first: 1) { nodes { name } } }"
BRAND = '{ node(id: "QnJhbmQ6MQ==") { id } }'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def id_of(api: Api, **headers: str) -> str:
    response = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    return str(response.headers["x-request-id"])


@pytest.mark.parametrize("given", ["abc-123", "a b", "x" * 128, "it's \\ $$"])
async def test_the_id_of_the_client_is_kept(api: Api, given: str) -> None:
    assert await id_of(api, **{"x-request-id": given}) == given


@pytest.mark.parametrize("given", ["", "   ", "x" * 129, "tab\there"])
async def test_what_is_no_id_is_replaced(api: Api, given: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", await id_of(api, **{"x-request-id": given}))


async def test_each_request_has_its_own(api: Api) -> None:
    assert await id_of(api) != await id_of(api)
    assert requests.current.get() is None


async def test_other_paths_have_one_too(api: Api) -> None:
    response = await api.client.get("/health/live", headers={"x-request-id": "mine"})
    assert response.headers["x-request-id"] == "mine"


async def test_postgresql_knows_it(api: Api, database_url: str) -> None:
    async with locked(database_url, "campaigns") as other:
        headers = {**api._headers, "x-request-id": "it's me; --"}
        asking = asyncio.create_task(api.client.post("/graphql", json={"query": CAMPAIGNS}, headers=headers))
        await until_waiting(other)
        names = await other.fetch(
            "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        assert [name for (name,) in names] == ["groundswell it_s_me__--"]
    assert (await asking).headers["x-request-id"] == "it's me; --"
    async with api.database.engine.connect() as connection:  # and forgets it
        assert (await connection.exec_driver_sql("SHOW application_name")).scalar() == "groundswell"


def test_no_id_ends_the_text_that_it_is_put_in() -> None:
    binding = requests.Request("'; DROP TABLE campaigns; -- \\ \u00e9" + "x" * 100).binding
    assert (
        binding == f"SET LOCAL application_name = '{('groundswell ___DROP_TABLE_campaigns__--____' + 'x' * 100)[:63]}'"
    )


async def test_lines_of_the_log_name_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(nodes.FETCHES, "Brand", broken)
    headers = {**api._headers, "x-request-id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    with capture_logs(processors=[of_request]) as lines:
        response = await api.client.post("/graphql", json={"query": BRAND}, headers=headers)
    [error] = response.json()["errors"]
    [line] = [line for line in lines if line["event"] == "operation failed"]
    assert (line["error_id"], line["request_id"], line["trace_id"]) == (error["extensions"]["errorId"], "mine", TRACE)


@pytest.mark.parametrize("trace", ["0" * 32, "abc", TRACE.upper()])
async def test_what_is_no_trace_is_left_out(api: Api, monkeypatch: pytest.MonkeyPatch, trace: str) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(nodes.FETCHES, "Brand", broken)
    headers = {**api._headers, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    with capture_logs(processors=[of_request]) as lines:
        await api.client.post("/graphql", json={"query": BRAND}, headers=headers)
    [line] = [line for line in lines if line["event"] == "operation failed"]
    assert "request_id" in line
    assert "trace_id" not in line
