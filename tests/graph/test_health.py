"""What load balancers ask: whether the process lives, and whether it is to be asked."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db import migrate
from db.engine import Database
from db.queries import health
from graph import readiness
from tests.api import Api, build
from tests.recounted import spoil

FINE = {"database": "ok", "migrations": "ok", "jobs": "ok", "live": "ok"}
NO_WORKER = "No worker is connected: exports and mailings wait."


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is of its own look."""
    monkeypatch.setattr(readiness, "KEPT", 0.0)


async def ready(api: Api) -> tuple[int, Any]:
    """Status and body."""
    answer = await api.client.get("/health/ready")
    return answer.status_code, answer.json()


async def comes_to(api: Api, status: int, name: str) -> Any:
    """The body once the answer is so; parts of the process take a moment to begin."""
    async with asyncio.timeout(20):
        while True:
            found, body = await ready(api)
            if (found, body["status"]) == (status, name):
                return body


async def test_the_process_lives(api: Api) -> None:
    answer = await api.client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    assert answer.headers["cache-control"] == "no-store"


async def test_with_a_worker_all_is_fine(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path, WORKER="on") as api:
        assert await comes_to(api, 200, "ready") == {"status": "ready", "checks": FINE, "reasons": []}


async def test_no_token_is_needed_and_nothing_is_kept_by_caches(api: Api) -> None:
    await comes_to(api, 200, "degraded")
    answer = await api.as_(None).client.get("/health/ready")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (await api.client.head("/health/ready")).status_code == 200


async def test_without_a_worker_anywhere_requests_are_answered_all_the_same(api: Api) -> None:
    body = await comes_to(api, 200, "degraded")
    assert body == {"status": "degraded", "checks": FINE | {"jobs": "failed"}, "reasons": [NO_WORKER]}


async def test_a_worker_elsewhere_will_do(database_url: str, tmp_path: Path) -> None:
    async with build(database_url, tmp_path / "one") as api:
        await comes_to(api, 200, "degraded")
        async with build(database_url, tmp_path / "other", WORKER="on"):
            await comes_to(api, 200, "ready")
        await comes_to(api, 200, "degraded")


async def test_a_worker_of_its_own_that_shows_no_sign_of_life_is_a_failure(api: Api, database: Database) -> None:
    await comes_to(api, 200, "degraded")
    api._state.readiness.worker = lambda: float("-inf")
    body = await comes_to(api, 503, "failed")
    assert (body["checks"]["jobs"], body["reasons"]) == ("failed", ["No sign of life for 15 s: worker."])


@pytest.mark.parametrize("part", ["tailer", "sequencer"])
async def test_a_live_stream_that_stands_still_is_a_failure(
    api: Api, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    await comes_to(api, 200, "degraded")
    monkeypatch.setitem(api._state.readiness._live, part, lambda: float("-inf"))
    body = await comes_to(api, 503, "failed")
    assert (body["checks"]["live"], body["reasons"]) == ("failed", [NO_WORKER, f"No sign of life for 15 s: {part}."])


async def test_an_older_schema_is_a_failure(api: Api, database: Database) -> None:
    await comes_to(api, 200, "degraded")
    await spoil(database, "UPDATE alembic_version SET version_num = '0001'")
    body = await comes_to(api, 503, "failed")
    assert body["checks"]["migrations"] == "failed"
    assert body["reasons"][0] == f"The database is at revision 0001; this program needs {migrate.newest()}."


async def test_a_newer_schema_is_fine(api: Api, database: Database) -> None:
    """The database is migrated first, and the old programs go on until they are replaced."""
    await spoil(database, "UPDATE alembic_version SET version_num = '9999'")
    assert (await comes_to(api, 200, "degraded"))["checks"]["migrations"] == "ok"


async def test_a_database_that_takes_no_changes_is_a_failure(api: Api, database: Database) -> None:
    await comes_to(api, 200, "degraded")
    async with database.engine.connect() as connection:
        name = (await connection.execute(text("SELECT current_database()"))).scalar()
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        ending = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
        )
        await connection.execute(text(ending), {"name": name})
    body = await comes_to(api, 503, "failed")
    assert body["checks"]["database"] == "failed"
    assert "The database takes no changes: it is a standby, or was told so." in body["reasons"]


async def test_a_database_that_cannot_be_reached_is_a_failure_and_its_address_a_secret(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://ada:hush@127.0.0.1:1/nowhere"
    async with build(url, tmp_path) as api:
        body = await comes_to(api, 503, "failed")
    assert body["checks"] == {"database": "failed", "migrations": "failed", "jobs": "failed", "live": "failed"}
    assert body["reasons"][0] == "The database did not answer within 1 s."
    assert not any(word in json.dumps(body) for word in ("hush", "ada", "127.0.0.1", "nowhere"))


async def test_a_database_that_does_not_answer_is_waited_for_a_second(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await comes_to(api, 200, "degraded")
    monkeypatch.setattr(readiness, "PATIENCE", 0.05)
    async with database.engine.connect() as connection:
        await connection.execute(text("BEGIN"))
        await connection.execute(text("LOCK alembic_version IN ACCESS EXCLUSIVE MODE"))
        assert (await comes_to(api, 503, "failed"))["reasons"][0] == "The database did not answer within 0.05 s."
        await connection.execute(text("ROLLBACK"))
    monkeypatch.setattr(readiness, "PATIENCE", 1.0)
    await comes_to(api, 200, "degraded")


async def test_however_many_ask_the_database_is_asked_once_a_second(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    async def look(database: Database) -> health.Standing:
        looks.append(database)
        return await health.look(database)

    monkeypatch.setattr(readiness, "look", look)
    monkeypatch.setattr(readiness, "KEPT", 60.0)
    await asyncio.gather(*(ready(api) for _ in range(50)))
    assert len(looks) == 1
    assert looks[0] is not api.database


async def test_a_pool_that_is_busy_is_no_failure(database_url: str, tmp_path: Path) -> None:
    small = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_OVERFLOW": "0"}
    async with build(database_url, tmp_path, **small) as api, api.database.everywhere():
        await comes_to(api, 200, "degraded")


async def test_who_is_about_to_stop_says_so(api: Api) -> None:
    api._state.readiness.is_draining = True
    assert await ready(api) == (
        503,
        {"status": "draining", "checks": {}, "reasons": ["This process is about to stop."]},
    )
    assert (await api.client.get("/health/live")).status_code == 200
