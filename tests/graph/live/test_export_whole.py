"""An export from the question to the files: asked for, watched to its end, downloaded by its links, and checked."""

import hashlib
import json
from io import BytesIO
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from db.engine import Database
from graph.ids import key_of
from tests.exported import event, record
from tests.facts import create_campaign, start_export
from tests.live import Server

WATCH = """subscription ($id: ID!) { exportJob(id: $id) { status rowsDone rowsTotal manifestUrl startedAt finishedAt
  parts { index name rows sizeBytes sha256 url } } }"""
EVENTS = 5


@pytest.fixture
def environment() -> dict[str, str]:
    return {"WORKER": "on", "EXPORT_PART_ROWS": "2"}


async def watched(server: Server, job: str) -> list[Any]:
    """All that a stream of events shows of an export, until it completes."""
    seen = []
    async with server.sse(WATCH, id=job) as lines:
        while (message := await lines.event())["event"] == "next":
            seen.append(json.loads(message["data"])["data"]["exportJob"])
    assert message["event"] == "complete"
    return seen


def keys(content: bytes, kind: str) -> list[str]:
    """The keys of the events that a file holds."""
    if kind == "PARQUET":
        found: list[str] = parquet.read_table(BytesIO(content)).column("key").to_pylist()
        return found
    lines = content.decode().splitlines()
    if kind == "JSONL":
        return [json.loads(line)["key"] for line in lines]
    header = lines[0].split(",")
    return [line.split(",")[header.index("key")] for line in lines[1:]]


@pytest.mark.parametrize("kind", ["CSV", "JSONL", "PARQUET"])
async def test_what_is_asked_for_can_be_downloaded(
    server: Server, database: Database, workspace: int, kind: str
) -> None:
    campaign = await create_campaign(server.api)
    await record(database, workspace, *[event(number, key_of("Campaign", campaign)) for number in range(EVENTS)])
    job = await start_export(server.api, campaign, format=kind, clientId="acme")
    seen = await watched(server, job)
    last = seen[-1]
    assert (last["status"], last["rowsDone"], last["rowsTotal"]) == ("SUCCEEDED", EVENTS, EVENTS)
    assert [one["status"] for one in seen[:-1]].count("SUCCEEDED") == 0
    assert last["startedAt"] <= last["finishedAt"]
    async with httpx.AsyncClient() as anybody:
        contents = [(await anybody.get(part["url"])).content for part in last["parts"]]
        manifest = (await anybody.get(last["manifestUrl"])).json()
    assert [part["rows"] for part in last["parts"]] == [2, 2, 1]
    assert [(len(content), hashlib.sha256(content).hexdigest()) for content in contents] == [
        (part["sizeBytes"], part["sha256"]) for part in last["parts"]
    ]
    assert [key for content in contents for key in keys(content, kind)] == [f"e{number}" for number in range(EVENTS)]
    listed = [{name: part[name] for name in ("index", "name", "rows", "sizeBytes", "sha256")} for part in last["parts"]]
    assert manifest["parts"] == listed
    assert (manifest["exportJobId"], manifest["rows"], manifest["clientId"]) == (job, EVENTS, "acme")


async def test_an_export_of_nothing_has_one_file(server: Server) -> None:
    last = (await watched(server, await start_export(server.api, await create_campaign(server.api))))[-1]
    assert (last["status"], last["rowsTotal"], [part["rows"] for part in last["parts"]]) == ("SUCCEEDED", 0, [0])
