"""A real server on a port of its own, and clients that stay connected."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.serving import listening, server_of
from graph.settings import Settings
from tests.api import SECRET, Api, token
from tests.live import Server

LIVE = ("read", "write", "ingest", "live", "admin")


@pytest.fixture
def environment() -> dict[str, str]:
    """What the server's settings are read from. A test file may set more."""
    return {}


@pytest.fixture
async def server(
    database_url: str, workspace: int, tmp_path: Path, environment: dict[str, str]
) -> AsyncIterator[Server]:
    """A server on this test's database, and an Api that may do everything."""
    settings = Settings.from_env({"JWT_SECRET": SECRET, **environment}, data_dir=tmp_path, port=0)
    with listening(settings) as listener:
        listener.listen()
        uvicorn = server_of(settings, database_url)
        running = asyncio.create_task(uvicorn.serve(sockets=[listener]))
        app: Any = uvicorn.config.app
        await app.state.tailer.started.wait()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        credential = token(scopes=LIVE)
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield Server(address, app.state, Api(client, app.state, credential), uvicorn, credential)
        uvicorn.should_exit = True
        await running
