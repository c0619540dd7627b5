"""Asking the application as its clients do."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt

from db.engine import Database
from graph.app import build_app
from graph.clients.directory import Clients
from graph.settings import Settings

SECRET = "a secret that only the tests know, 32 bytes long"
EVERYTHING = ("read", "write", "ingest")


def token(workspace: str = "test", scopes: Sequence[str] = EVERYTHING, **claims: Any) -> str:
    """A token as the server accepts it, unless the claims say otherwise."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    payload = {"sub": "ada", "workspace": workspace, "scope": " ".join(scopes), "exp": expires, **claims}
    return jwt.encode(payload, SECRET, algorithm="HS256")


class Api:
    """A client of the application, bound to a token."""

    def __init__(self, client: httpx.AsyncClient, state: Any, credential: str | None) -> None:
        self.client = client
        self.credential = credential
        self._state = state
        self.database: Database = state.database
        self.clients: Clients = state.clients
        self._headers = {} if credential is None else {"authorization": f"Bearer {credential}"}

    def as_(self, credential: str | None) -> "Api":
        """The same application, asked by somebody else."""
        return Api(self.client, self._state, credential)

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer: data, errors."""
        response = await self.client.post(
            "/graphql", json={"query": query, "variables": variables}, headers=self._headers
        )
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, **variables: Any) -> Any:
        """The data of an answer that must be without errors."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def post_form(
        self, fields: Sequence[tuple[str, str]], files: Mapping[str, tuple[str, bytes]]
    ) -> dict[str, Any]:
        """The whole answer to a multipart request: fields first, then the files with their names."""
        parts: list[Any] = [(name, (None, value)) for name, value in fields]
        headers = {**self._headers, "graphql-preflight": "1"}
        response = await self.client.post("/graphql", files=[*parts, *files.items()], headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    async def stream(self, query: str, **variables: Any) -> str:
        """All that a stream of events holds, once it has ended by itself."""
        headers = {**self._headers, "accept": "text/event-stream"}
        body = {"query": query, "variables": variables}
        return (await self.client.post("/graphql", json=body, headers=headers)).text

    async def error(self, query: str, **variables: Any) -> tuple[str, str]:
        """Code and message of the only error of an answer."""
        [error] = (await self.ask(query, **variables))["errors"]
        return error["extensions"]["code"], error["message"]


@asynccontextmanager
async def build(database_url: str, data_dir: Path, **more: str) -> AsyncIterator[Api]:
    """The application over a database. Without background work, unless WORKER says so: tests count statements."""
    environ = {"JWT_SECRET": SECRET, "EXECUTOR": os.environ.get("EXECUTOR", ""), "WORKER": "off", **more}
    app = build_app(Settings.from_env(environ, data_dir=data_dir), database_url)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield Api(client, app.state, token())
