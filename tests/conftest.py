"""A real PostgreSQL for the tests, a migrated template, and a clone of it for each test."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import settings
from sqlalchemy import make_url

from db import migrate
from db.embedded import Embedded
from db.engine import Database
from db.queries import workspaces
from tests.api import Api, build
from tests.memory import folder_for_databases

# How long one example takes is no property of the code.
settings.register_profile("groundswell", deadline=None)
settings.load_profile("groundswell")

_WORKSPACES = {"test": ("Test", "Europe/Berlin", "EUR"), "other": ("Other", "UTC", "USD")}
UrlOf = Callable[[str], str]
_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rewrite`` writes the golden answers anew."""
    parser.addoption("--rewrite", action="store_true", help="write golden answers anew")


@pytest.fixture(scope="session")
def url_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UrlOf]:
    """URLs of databases on the test server: DATABASE_URL's, or an embedded one that is thrown away."""
    given = os.environ.get("DATABASE_URL")
    if given:
        url = make_url(given).set(drivername="postgresql+asyncpg")
        yield lambda name: url.set(database=name).render_as_string(hide_password=False)
        return
    with (
        folder_for_databases(tmp_path_factory.mktemp("postgres")) as folder,
        Embedded(folder, durable=False) as cluster,
    ):
        yield cluster.url


async def admin(url_of: UrlOf, *statements: str) -> None:
    """Runs statements outside of any database that is being made or dropped."""
    url = make_url(url_of("postgres"))
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(url_of: UrlOf) -> Iterator[str]:
    """The name of a migrated database that nothing is ever connected to."""
    name = f"groundswell_template_{os.getpid()}"
    asyncio.run(admin(url_of, f"CREATE DATABASE {name}"))
    asyncio.run(migrate.upgrade(url_of(name)))
    yield name
    asyncio.run(admin(url_of, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def filled(url_of: UrlOf, template: str, request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    """The name of the database that each test of a file has a clone of, and what the file's ``fill_database`` answered.

    A file that needs much in it has ``async def fill_database(database, workspace, other_workspace)``, which runs once.
    """
    fill = getattr(request.module, "fill_database", None)
    if fill is None:
        yield template, None
        return
    name = f"groundswell_filled_{os.getpid()}_{next(_numbers)}"
    asyncio.run(admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))

    async def run() -> Any:
        database = Database(url_of(name))
        try:
            return await fill(database, *[await _made(database, one) for one in ("test", "other")])
        finally:
            await database.close()

    yield name, asyncio.run(run())
    asyncio.run(admin(url_of, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def database_url(url_of: UrlOf, filled: tuple[str, Any]) -> AsyncIterator[str]:
    """A database of this test's own, migrated, and empty unless its file fills it."""
    template, _ = filled
    name = f"groundswell_test_{os.getpid()}_{next(_numbers)}"
    await admin(url_of, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield url_of(name)
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on this test's database."""
    database = Database(database_url)
    yield database
    await database.close()


async def _made(database: Database, key: str) -> int:
    """The id of a workspace, which is made unless the file's ``fill_database`` has it already."""
    found = await workspaces.id_of(database, key)
    return await workspaces.create(database, key, *_WORKSPACES[key]) if found is None else found


@pytest.fixture
async def workspace(database: Database) -> int:
    """The id of the workspace ``test``."""
    return await _made(database, "test")


@pytest.fixture
async def other_workspace(database: Database) -> int:
    """The id of the workspace ``other``, of which ``test`` must never see anything."""
    return await _made(database, "other")


@pytest.fixture
async def api(database_url: str, workspace: int, tmp_path: Path) -> AsyncIterator[Api]:
    """The whole application on this test's database, asked as somebody who may do everything in ``test``."""
    async with build(database_url, tmp_path) as api:
        yield api


@pytest.fixture
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are written by PostgreSQL from the first time on that a text is sent."""
    monkeypatch.setattr("graph.leaves.ONLY_ROWS_FOR", 0)


@pytest.fixture
def statements(api: Api) -> Iterator[list[str]]:
    """The SQL that the application executes, in order."""
    seen: list[str] = []
    with api.database.watched(lambda statement, _: seen.append(statement)):
        yield seen
