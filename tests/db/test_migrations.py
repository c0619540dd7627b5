"""The migrations make what the models say, protect every tenant table, and can be undone."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db import migrate
from db.engine import Database
from db.models import Base
from tests.conftest import UrlOf, admin
from tests.recounted import spoil

COLUMNS = """SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, generation_expression
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2"""
CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2"""
INDEXES = """SELECT tablename, indexname, indexdef FROM pg_indexes
  WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2"""

TRIGGERS = """SELECT pg_get_triggerdef(t.oid), p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
  JOIN pg_class c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""


async def ask(url: str, *queries: str) -> list[list[Any]]:
    """What some queries answer."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        answers = [[tuple(row) for row in await connection.execute(text(query))] for query in queries]
    await engine.dispose()
    return answers


async def test_upgrade_from_empty_equals_the_models(database_url: str, url_of: UrlOf) -> None:
    await admin(url_of, "CREATE DATABASE groundswell_models")
    try:
        engine = create_async_engine(url_of("groundswell_models"), poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await engine.dispose()
        by_models = await ask(url_of("groundswell_models"), COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS)
        assert await ask(database_url, COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS) == by_models
        assert len(by_models[0]) > 60
    finally:
        await admin(url_of, "DROP DATABASE groundswell_models WITH (FORCE)")


async def test_the_models_have_not_drifted(database_url: str) -> None:
    assert await migrate.drift(database_url) == []


async def test_what_is_undone_can_be_done_again(database_url: str) -> None:
    before = await ask(database_url, COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS)
    await migrate.downgrade(database_url, "base")
    assert await ask(database_url, COLUMNS) == [[]]
    assert await migrate.upgrade(database_url) == (None, migrate.newest())
    assert await ask(database_url, COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS) == before


async def test_an_upgrade_of_what_is_new_does_nothing(database_url: str) -> None:
    assert await migrate.upgrade(database_url) == (migrate.newest(), migrate.newest())


async def test_the_database_of_a_newer_program_is_left_alone(database_url: str, database: Database) -> None:
    await spoil(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.DatabaseUnavailable, match="9999, which a newer Groundswell made"):
        await migrate.upgrade(database_url)


async def test_every_table_is_protected_even_from_its_owner(database_url: str) -> None:
    unprotected = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity
        AND (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid AND polname <> relname || '_granted') = 2)"""
    assert await ask(database_url, unprotected) == [[]]


async def test_every_foreign_key_holds_the_workspace(database_url: str) -> None:
    without = """SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT EXISTS (
      SELECT FROM unnest(conkey, confkey) AS pair (mine, theirs)
      JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = pair.mine AND a.attname = 'workspace_id'
      JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = pair.theirs AND b.attname IN ('workspace_id', 'id'))"""
    assert await ask(database_url, without) == [[]]


async def test_every_index_starts_with_the_workspace(database_url: str) -> None:
    without = """SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE c.relnamespace = 'public'::regnamespace AND a.attname <> 'workspace_id' ORDER BY 1"""
    assert await ask(database_url, without) == [
        [
            ("alembic_version_pkc",),
            ("api_clients_secret_hash_key",),  # a credential is looked up before its workspace is known
            ("live_head_pkey",),
            ("live_log_pkey",),  # one order for the whole database, which whoever follows it reads in this order
            ("outbox_pkey",),
            ("workspaces_key_key",),
            ("workspaces_pkey",),
        ]
    ]


async def test_restricted_clients_cannot_name_what_is_not_theirs(database_url: str) -> None:
    closed = """SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND NOT has_table_privilege('groundswell_partner', oid, 'SELECT, INSERT, UPDATE, DELETE') ORDER BY 1"""
    assert await ask(database_url, closed) == [
        [("alembic_version",), ("api_clients",), ("import_runs",), ("import_waiting",)]
    ]


async def test_the_roles_can_neither_log_in_nor_bypass(database_url: str) -> None:
    roles = """SELECT rolname, rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'groundswell%' ORDER BY 1"""
    assert await ask(database_url, roles) == [
        [(role, False, False, False) for role in ("groundswell_app", "groundswell_partner", "groundswell_system")]
    ]


async def test_a_migration_gives_way_instead_of_queueing_up_all_traffic(database_url: str) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text("LOCK TABLE impressions IN ACCESS SHARE MODE"))
        with pytest.raises(migrate.DatabaseUnavailable, match="did not get its lock in time"):
            await migrate.downgrade(database_url, "base")
    await engine.dispose()
    # What came after it has nothing to do with impressions and was undone: each revision is a transaction of its own.
    assert await migrate.upgrade(database_url) == ("0004", migrate.newest())
