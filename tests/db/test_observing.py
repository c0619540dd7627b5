"""What an observer of the database is told, and what statements are called."""

from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from db.availability import Unavailable
from db.engine import Database
from db.models.campaigns import Campaign
from db.pool import PoolIsFull
from db.queries.workspaces import id_of
from db.summaries import operation_of, summary_of, tables_of


class Witness:
    """Remembers what it is told, but for times."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def statement(self, name: str | None, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        assert seconds >= 0
        self.told.append((name or summary_of(sql), rows, type(error) if error else None))

    def waits(self) -> None:
        self.told.append("waits")

    def waited(self, seconds: float, error: BaseException | None) -> None:
        assert seconds >= 0
        self.told.append(type(error) if error else "has one")

    def batch(self, fetch: Any, keys: int) -> None:
        self.told.append((fetch, keys))


@pytest.fixture
def witness(database: Database, workspace: int) -> Witness:
    """An observer of the database, which has a workspace already."""
    database.observer = witness = Witness()
    return witness


async def test_reads_and_their_snapshot(database: Database, workspace: int, witness: Witness) -> None:
    reads = database.reads(workspace)
    await reads.rows(select(Campaign.id))
    await reads.close()
    assert witness.told == [
        "waits",
        "has one",
        ("begin", 0, None),
        ("SELECT campaigns", 0, None),
        ("commit", 0, None),
    ]


async def test_changes_and_how_many_rows(database: Database, workspace: int, witness: Witness) -> None:
    async with database.write(workspace) as transaction:
        await transaction.run(text("UPDATE workspaces SET name = 'x' WHERE id = :id"), {"id": workspace})
    assert witness.told[2:] == [("begin", 0, None), ("UPDATE workspaces", 1, None), ("commit", 0, None)]


async def test_what_fails(database: Database, workspace: int, witness: Witness) -> None:
    with pytest.raises(ProgrammingError):
        async with database.write(workspace) as transaction:
            await transaction.run(text("DELETE FROM nothing"))
    assert witness.told[3:] == [("DELETE", 0, ProgrammingError), ("rollback", 0, None)]
    with pytest.raises(IntegrityError):
        async with database.write(workspace) as transaction:
            await transaction.run(insert(Campaign).values(workspace_id=workspace))
    assert witness.told[-2:] == [("INSERT campaigns", 0, IntegrityError), ("rollback", 0, None)]


async def test_waiting_in_vain(database_url: str) -> None:
    database = Database(database_url, size=1, overflow=0, timeout=0.01)
    database.observer = witness = Witness()
    async with database.everywhere():
        with pytest.raises(Unavailable):
            await id_of(database, "test")
    await database.close()
    assert witness.told == ["waits", "has one", ("begin", 0, None), "waits", PoolIsFull, ("commit", 0, None)]


@pytest.mark.parametrize(
    ("sql", "operation", "tables"),
    [
        ("SELECT a FROM campaigns JOIN channels ON true", "SELECT", ("campaigns", "channels")),
        ("SELECT 1 FROM campaigns FOR NO KEY UPDATE", "SELECT", ("campaigns",)),
        ("INSERT INTO campaigns (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = 1", "INSERT", ("campaigns",)),
        ("WITH x AS (SELECT 1 FROM leads) SELECT * FROM x JOIN LATERAL unnest(a) ON true", "SELECT", ("leads",)),
        ("WITH gone AS (DELETE FROM leads RETURNING 1) SELECT count(*) FROM gone", "DELETE", ("leads",)),
        ("UPDATE leads SET a = 'it''s FROM campaigns' WHERE b IS DISTINCT FROM c", "UPDATE", ("leads",)),
        ("SELECT extract(epoch FROM seen_at)", "SELECT", ()),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN", ()),
        ("VACUUM", "OTHER", ()),
    ],
)
def test_verb_and_tables(sql: str, operation: str, tables: tuple[str, ...]) -> None:
    assert (operation_of(sql), tables_of(sql)) == (operation, tables)
    assert summary_of(sql) == " ".join((operation, *tables))
