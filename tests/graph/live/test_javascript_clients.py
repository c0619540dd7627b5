"""The official JavaScript clients, graphql-ws and graphql-sse, and the audits of graphql-http, as npm has them."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.facts import create_campaign, react, share
from tests.live import Server

JAVASCRIPT = Path(__file__).parents[2] / "javascript"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients installed. Skips, with the reason, where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("the JavaScript clients need node and npm, which are not here")
    folder = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "follow.mjs", "audit.mjs"):
        shutil.copy(JAVASCRIPT / name, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the JavaScript clients could not be installed: npm took more than 90 seconds")
    if done.returncode:
        pytest.skip(f"the JavaScript clients could not be installed: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.parametrize("mode", ["ws", "sse", "sse-single"])
async def test_an_official_client_follows(server: Server, clients: Path, mode: str) -> None:
    campaign = await create_campaign(server.api)
    cursor = await server.cursor()
    first = (await react(server.api, campaign, "ada"))["reaction"]["id"]
    arguments = [mode, server.address, server.credential, campaign, cursor, "3"]
    process = await asyncio.create_subprocess_exec(
        "node", "follow.mjs", *arguments, cwd=clients, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    later = [(await share(server.api, campaign, "bob"))["share"]["id"] for _ in range(2)]
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complained.decode()
    answer = json.loads(said)
    assert answer["subject"] == "ada"
    assert [event["engagementId"] for event in answer["events"]] == [first, *later]


async def test_all_audits_of_graphql_over_http_are_met(server: Server, clients: Path) -> None:
    """None with a warning or an error."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "audit.mjs",
        server.address,
        server.credential,
        cwd=clients,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complained.decode()
    results = json.loads(said)
    assert [one for one in results if one["status"] != "ok"] == []
    assert len(results) == 61
