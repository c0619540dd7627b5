"""Snapshots, transactions, and connections that break or are cancelled."""

import asyncio

import pytest
from sqlalchemy import insert, select, text

from db.changes import change
from db.engine import Database, Transaction
from db.models.brands import Brand
from tests.conftest import UrlOf, admin

NAMES = select(Brand.name).order_by(Brand.name)


async def add(transaction: Transaction, name: str) -> None:
    await transaction.run(insert(Brand).values(workspace_id=transaction.workspace_id, name=name))


async def names(database: Database, workspace: int) -> list[str]:
    reads = database.reads(workspace)
    try:
        return [row.name for row in await reads.rows(NAMES)]
    finally:
        await reads.close()


async def test_reads_are_one_snapshot(database: Database, workspace: int) -> None:
    reads = database.reads(workspace)
    assert await reads.rows(NAMES) == []
    async with database.write(workspace) as transaction:
        await add(transaction, "late")
    assert await reads.rows(NAMES) == []
    await reads.close()
    assert await names(database, workspace) == ["late"]


async def test_reads_cannot_write(database: Database, workspace: int) -> None:
    reads = database.reads(workspace)
    with pytest.raises(Exception, match="read-only transaction"):
        await reads.rows(text(f"INSERT INTO brands (workspace_id, name) VALUES ({workspace}, 'x') RETURNING id"))
    await reads.close()


async def test_closed_reads_are_refused(database: Database, workspace: int) -> None:
    reads = database.reads(workspace)
    await reads.close()
    with pytest.raises(RuntimeError, match="closed"):
        await reads.rows(NAMES)


async def test_concurrent_reads_share_one_connection(database: Database, workspace: int) -> None:
    reads = database.reads(workspace)
    pids = await asyncio.gather(*(reads.rows(text("SELECT pg_backend_pid() AS pid")) for _ in range(10)))
    assert len({rows[0].pid for rows in pids}) == 1
    await reads.close()


async def test_what_raises_changes_nothing(database: Database, workspace: int) -> None:
    async def fail() -> None:
        async with database.write(workspace) as transaction:
            await add(transaction, "gone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await names(database, workspace) == []


async def test_what_is_cancelled_changes_nothing_and_leaves_a_usable_pool(database_url: str, workspace: int) -> None:
    database = Database(database_url, size=1, overflow=0)
    started = asyncio.Event()

    async def slow() -> None:
        async with database.write(workspace) as transaction:
            await add(transaction, "gone")
            started.set()
            await transaction.rows(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(slow())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(database, workspace) == []
    await database.close()


async def test_terminated_backends_are_replaced(database: Database, workspace: int, url_of: UrlOf) -> None:
    async def pid() -> int:
        async with database.write(workspace) as transaction:
            await asyncio.sleep(0)
            return await transaction.server_pid()

    pids = set(await asyncio.gather(*(pid() for _ in range(5))))
    await admin(url_of, *(f"SELECT pg_terminate_backend({pid})" for pid in pids))
    assert await names(database, workspace) == []


async def test_the_workspace_is_gone_after_its_transaction(database_url: str, workspace: int) -> None:
    database = Database(database_url, size=1, overflow=0)
    async with database.write(workspace) as transaction:
        await add(transaction, "mine")
    async with database.engine.connect() as connection:
        role, setting = (await connection.execute(text("SELECT current_user, current_setting('app.workspace')"))).one()
    assert role != "groundswell_app"
    assert setting == ""
    await database.close()


async def test_a_deadlock_is_run_again(database: Database, workspace: int) -> None:
    async with database.write(workspace) as transaction:
        await add(transaction, "a")
        await add(transaction, "b")
    both_hold_one = asyncio.Barrier(2)

    async def touch(first: str, second: str) -> None:
        waited = False

        async def work(transaction: Transaction) -> None:
            nonlocal waited
            await transaction.run(text(f"UPDATE brands SET name = name WHERE name = '{first}'"))
            if not waited:
                waited = True
                await both_hold_one.wait()
            await transaction.run(text(f"UPDATE brands SET name = name WHERE name = '{second}'"))

        outcome = await change(database, workspace, work)
        assert outcome.problems == []

    await asyncio.gather(touch("a", "b"), touch("b", "a"))
