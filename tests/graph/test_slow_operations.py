"""Slow operations are logged by hash, with their statements and without a value that anybody sent."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from graph.logs import of_request
from tests.api import Api, build
from tests.locks import locked

NAMED = 'query Named { campaignByKey(key: "secret words") { name } }'
CREATE = 'mutation { createBrand(input: {name: "secret name"}) { brand { name } userErrors { code } } }'


@pytest.fixture
async def api(database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Api]:
    async with build(database_url, tmp_path, SLOW_SECONDS="0.000001") as api:
        await api.data("{ viewer { subject } }")
        yield api


async def line_of(api: Api, query: str, **headers: str) -> Any:
    with capture_logs(processors=[of_request]) as lines:
        await api.client.post("/graphql", json={"query": query}, headers={**api._headers, **headers})
    [line] = [line for line in lines if line["event"] == "slow operation"]
    return line


async def test_a_slow_query_is_told_with_its_statements(api: Api, workspace: int) -> None:
    line = await line_of(api, NAMED, **{"x-request-id": "mine"})
    assert line["operation"] == hashlib.sha256(NAMED.encode()).hexdigest()[:16]
    assert (line["operation_name"], line["workspace_id"], line["request_id"]) == ("Named", workspace, "mine")
    assert line["statement_count"] == 1
    [statement] = line["statements"]
    assert (statement["what"], statement["times"], len(statement["statement"])) == ("SELECT campaigns", 1, 16)
    assert 0 < statement["seconds"] <= line["seconds"]
    assert "secret" not in repr(line)


async def test_a_slow_change_is_told_without_its_values(api: Api) -> None:
    line = await line_of(api, CREATE)
    assert line["operation_name"] is None
    assert "INSERT brands" in [statement["what"] for statement in line["statements"]]
    assert "secret" not in repr(line)


async def test_a_statement_that_was_cancelled_is_told(api: Api, database_url: str) -> None:
    async with locked(database_url, "campaigns"):
        line = await line_of(api, NAMED, **{"x-request-timeout": "0.2"})
    [statement] = line["statements"]
    assert 0.1 < statement["seconds"] <= line["seconds"]


@pytest.mark.parametrize("setting", ["0", "60"])
async def test_what_is_not_slow_is_not_told(database_url: str, workspace: int, tmp_path: Path, setting: str) -> None:
    async with build(database_url, tmp_path, SLOW_SECONDS=setting) as api:
        with capture_logs() as lines:
            await api.data(NAMED)
    assert [line for line in lines if line["event"] == "slow operation"] == []
