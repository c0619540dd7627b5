"""Migrating from the old shape, on a database made by hand: forwards, twice, rehearsed, undone, and refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, select, text

from db.engine import Database
from db.models.brands import Brand
from db.models.campaigns import Campaign
from db.models.impression_items import NewImpression
from db.queries import campaigns, workspaces
from db.queries.impressions import recording
from jobs.legacy import profiles
from jobs.legacy.errors import MigrationRefusedError
from jobs.legacy.run import Migrated, Plan, Undone, migrate, undo
from jobs.legacy.table import AGGREGATES
from tests.conftest import UrlOf, admin
from tests.facts import NOON

LEGACY = """
    CREATE TABLE campaign_profile (
      id bigint PRIMARY KEY,
      campaign_name varchar(100) NOT NULL,
      status text DEFAULT 'draft',
      start_date timestamptz,
      end_date date,
      budget double precision,
      brand_name text,
      cost_per_impression numeric(10,4),
      total_impressions_planned integer,
      likes integer NOT NULL DEFAULT 0 CHECK (likes >= 0),
      shares integer DEFAULT 0,
      comments integer,
      impressions bigint,
      viewability_rate numeric(5,2),
      click_through_rate real,
      conversions integer,
      conversion_rate double precision GENERATED ALWAYS AS (conversions * 100.0 / nullif(impressions, 0)) STORED,
      engagement_rate numeric,
      reach integer,
      impressions_delivered integer,
      impressions_charged integer UNIQUE,
      touched_at timestamptz,
      CONSTRAINT charged_is_delivered CHECK (impressions_charged = impressions_delivered)
    );
    CREATE INDEX by_likes ON campaign_profile (status, likes DESC) WHERE likes > 0;
    COMMENT ON COLUMN campaign_profile.reach IS 'people''s number';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.touched_at = '2030-01-01'; RETURN NEW; END $$;
    CREATE TRIGGER touch BEFORE UPDATE ON campaign_profile FOR EACH ROW EXECUTE FUNCTION touch();
    INSERT INTO campaign_profile (id, campaign_name, status, start_date, end_date, budget, brand_name,
      cost_per_impression, total_impressions_planned, likes, shares, comments, impressions, viewability_rate,
      click_through_rate, conversions, engagement_rate, reach, impressions_delivered, impressions_charged) VALUES
      (7, ' Spring ', 'Active', '2026-03-01 23:30+00', '2026-04-30', 1000.1, 'Acme', 0.0035, 5000,
       12, 3, 4, 1000, 61.25, 1.7, 30, 'NaN', 800, 900, 900),
      (8, 'Summer', NULL, NULL, NULL, NULL, 'Acme', NULL, NULL, 0, NULL, NULL, 0, NULL, 'Infinity', 0, 0.10, 0, 1, 1),
      (9, 'Autumn', 'canceled', NULL, NULL, NULL, '', NULL, NULL, 5, 0, 0, NULL, 0, 0, NULL, 0.100, NULL, NULL, NULL)
"""
COLUMNS = """SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, attgenerated::text,
    pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'campaign_profile'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname"""
RULES = """SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'campaign_profile'::regclass
    UNION ALL SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = 'campaign_profile'::regclass
    UNION ALL SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid = 'campaign_profile'::regclass
    ORDER BY 1, 2"""
CONTENT = """SELECT (to_jsonb(t))::text FROM campaign_profile t ORDER BY id"""
DONE = Migrated(3, 0, list(AGGREGATES), 3, "campaign_profile_engagement_backup", was_done=False)


class Old:
    """The old database."""

    def __init__(self, url: str) -> None:
        self.plan = Plan(url)
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    async def run(self, statements: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(statements)
        await connection.close()

    async def ask(self, query: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self._dsn)
        rows = await connection.fetch(query)
        await connection.close()
        return [tuple(row) for row in rows]

    async def seen(self) -> list[Any]:
        """All that can be seen of the table, and of the tables beside it."""
        tables = await self.ask(
            "SELECT relname::text FROM pg_class WHERE relname LIKE 'campaign\\_profile%' ORDER BY 1"
        )
        return [tables, *[await self.ask(query) for query in (COLUMNS, RULES, CONTENT)]]


@pytest.fixture(params=["our own database", "another database"])
async def old(request: pytest.FixtureRequest, database_url: str, url_of: UrlOf) -> AsyncIterator[Old]:
    if request.param == "our own database":
        found = Old(database_url)
        await found.run(LEGACY)
        yield found
        return
    name = f"{make_url(database_url).database}_old"
    await admin(url_of, f"CREATE DATABASE {name} STRATEGY file_copy")
    found = Old(url_of(name))
    await found.run(LEGACY)
    yield found
    await admin(url_of, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def into(database: Database, workspace: int) -> Any:
    """The row of the workspace that the campaigns go to."""
    return next(row for row in await workspaces.every(database) if row.id == workspace)


async def migrated(database: Database, workspace: int) -> list[tuple[Any, ...]]:
    names = ("key", "name", "status", "starts_on", "ends_on", "currency", "budget_amount", "cost_per_impression")
    columns = [getattr(Campaign, name) for name in (*names, "total_impressions_planned", "created_by")]
    statement = select(*columns, Brand.name).outerjoin(Brand, Brand.id == Campaign.brand_id).order_by(Campaign.key)
    async with database.write(workspace) as transaction:
        return [tuple(row) for row in await transaction.rows(statement)]


async def test_campaigns_are_made_and_the_numbers_backed_up_and_dropped(
    database: Database, workspace: int, into: Any, old: Old
) -> None:
    before = await old.ask(f"SELECT id, ROW({', '.join(AGGREGATES)})::text FROM campaign_profile ORDER BY id")
    assert await migrate(database, into, old.plan) == DONE
    plain = ("EUR", None, None, None, "migrate-legacy")
    found = await migrated(database, workspace)
    day = found[0][3]
    assert (day.isoformat(), found[0][4].isoformat()) == ("2026-03-02", "2026-04-30")  # Berlin's date
    assert found == [
        (
            *("legacy-7", "Spring", "ACTIVE", day, found[0][4], "EUR"),
            *(Decimal("1000.1"), Decimal("0.0035"), 5000, "migrate-legacy", "Acme"),
        ),
        ("legacy-8", "Summer", "DRAFT", None, None, *plain, "Acme"),
        ("legacy-9", "Autumn", "CANCELLED", None, None, *plain, None),
    ]
    left = {row[0] for row in await old.ask(COLUMNS)}
    assert left.isdisjoint(AGGREGATES)
    assert {"id", "cost_per_impression", "total_impressions_planned", "touched_at"} < left
    backup = f"SELECT campaign_id, ROW({', '.join(AGGREGATES)})::text FROM {DONE.backup} ORDER BY campaign_id"
    assert await old.ask(backup) == before


async def test_twice_makes_only_what_is_new(database: Database, workspace: int, into: Any, old: Old) -> None:
    await migrate(database, into, old.plan)
    await old.run("INSERT INTO campaign_profile (id, campaign_name) VALUES (10, 'Winter')")
    again = await migrate(database, into, old.plan)
    assert again == Migrated(1, 3, [], 0, DONE.backup, was_done=True)
    assert [row[1] for row in await migrated(database, workspace)] == ["Winter", "Spring", "Summer", "Autumn"]


async def test_a_rehearsal_changes_nothing(database: Database, workspace: int, into: Any, old: Old) -> None:
    before = await old.seen()
    assert await migrate(database, into, replace(old.plan, dry_run=True)) == DONE
    assert (await old.seen(), await migrated(database, workspace)) == (before, [])
    await migrate(database, into, old.plan)
    after = await old.seen(), await migrated(database, workspace)
    undone = await undo(database, into, replace(old.plan, dry_run=True))
    assert undone == Undone(3, 0, DONE.backup, [])
    assert (await old.seen(), await migrated(database, workspace)) == after


async def test_undone_all_is_as_it_was(database: Database, workspace: int, into: Any, old: Old) -> None:
    before = await old.seen()
    await migrate(database, into, old.plan)
    assert await undo(database, into, old.plan) == Undone(3, 0, DONE.backup, [])
    assert await old.seen() == before
    assert await migrated(database, workspace) == []
    with pytest.raises(MigrationRefusedError, match="nothing to undo"):
        await undo(database, into, old.plan)
    assert await migrate(database, into, old.plan) == DONE


async def test_undo_keeps_what_was_used_since(database: Database, workspace: int, into: Any, old: Old) -> None:
    await migrate(database, into, old.plan)
    async with database.write(workspace) as transaction:
        ids = await campaigns.ids_of_keys(transaction, ["legacy-7", "legacy-8"])
        await recording.record(transaction, [NewImpression("k", ids["legacy-7"], NOON)])
    async with database.write(workspace) as transaction:
        await campaigns.change(transaction, ids["legacy-8"], {"name": "Our summer"})
    await old.run(
        "DELETE FROM campaign_profile WHERE id = 9;"
        "INSERT INTO campaign_profile (id, campaign_name) VALUES (10, 'Winter')"
    )
    notes = ["1 rows of the backup are no longer in the table; their numbers went with them."]
    assert await undo(database, into, old.plan) == Undone(1, 2, DONE.backup, notes)
    assert [row[1] for row in await migrated(database, workspace)] == ["Spring", "Our summer"]
    assert await old.ask("SELECT id, likes, shares FROM campaign_profile ORDER BY id") == [
        (7, 12, 3),
        (8, 0, None),
        (10, 0, 0),
    ]


async def test_rows_that_came_since_may_lack_what_was_required(database: Database, into: Any, old: Old) -> None:
    await old.run("ALTER TABLE campaign_profile ALTER likes DROP DEFAULT")
    await migrate(database, into, old.plan)
    await old.run("INSERT INTO campaign_profile (id, campaign_name) VALUES (10, 'Winter')")
    done = await undo(database, into, old.plan)
    assert done.notes == ["likes is no longer NOT NULL: 1 rows came since and have no value."]


@pytest.mark.parametrize(
    ("change", "maps", "message", "details"),
    [
        ("ALTER TABLE campaign_profile RENAME TO other", (), "There is no table 'campaign_profile'", []),
        ("SELECT", ("name=none",), "The table has no column 'none'", []),
        ("SELECT", ("budget=likes",), "likes is one of the columns that are dropped", []),
        ("ALTER TABLE campaign_profile RENAME campaign_name TO label", (), "Nothing gives a campaign's name", []),
        (
            "UPDATE campaign_profile SET campaign_name = ' ', budget = -1, end_date = '2026-01-01' WHERE id = 7;"
            "UPDATE campaign_profile SET status = 'running' WHERE id = 9",
            (),
            "Some rows cannot become campaigns",
            [
                "id 7: name: This must not be empty.",
                "id 7: budget: This must be zero or more.",
                "id 7: endsOn: The campaign ends before it starts.",
                "id 9: status: There is no status 'running'. There are: DRAFT, PLANNED, SCHEDULED, ACTIVE, PAUSED, "
                "COMPLETED, FAILED, CANCELLED.",
            ],
        ),
        (
            "CREATE VIEW loved AS SELECT id FROM campaign_profile WHERE likes > 10",
            (),
            "Something still needs these columns",
            ["view loved depends on column likes of table campaign_profile"],
        ),
        (
            "CREATE TABLE campaign_profile_engagement_backup (campaign_id bigint)",
            (),
            "campaign_profile_engagement_backup is there already",
            [],
        ),
        (
            "ALTER TABLE campaign_profile DROP CONSTRAINT campaign_profile_pkey; "
            "UPDATE campaign_profile SET id = 7 WHERE id = 8",
            (),
            "id does not name each row",
            [],
        ),
    ],
)
async def test_what_is_refused_changes_nothing(
    database: Database,
    workspace: int,
    into: Any,
    old: Old,
    change: str,
    maps: tuple[str, ...],
    message: str,
    details: list[str],
) -> None:
    await old.run(change)
    tables = "SELECT relname::text FROM pg_class WHERE relname ~ 'other|campaign_profile' ORDER BY 1"
    before = await old.ask(tables)
    with pytest.raises(MigrationRefusedError, match=message) as refused:
        await migrate(database, into, replace(old.plan, mapped=profiles.parse(maps)))
    assert list(refused.value.details) == details
    assert (await old.ask(tables), await migrated(database, workspace)) == (before, [])


async def test_a_table_in_use_is_not_waited_for_for_long(
    database: Database, workspace: int, into: Any, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.legacy.run._LOCK_TIMEOUT", "50ms")
    connection = await asyncpg.connect(old._dsn)
    async with connection.transaction():
        await connection.execute("SELECT FROM campaign_profile")
        with pytest.raises(MigrationRefusedError, match="in use by somebody else"):
            await migrate(database, into, old.plan)
    await connection.close()
    assert await migrated(database, workspace) == []


async def test_two_at_once_make_each_campaign_once(database: Database, workspace: int, into: Any, old: Old) -> None:
    done = await asyncio.gather(*(migrate(database, into, old.plan) for _ in range(2)))
    assert sorted((one.made, one.known, one.was_done) for one in done) == [(0, 3, True), (3, 0, False)]
    assert len(await migrated(database, workspace)) == 3


async def test_cut_off_before_the_old_table_is_committed_it_goes_on(
    database: Database, workspace: int, into: Any, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await old.seen()

    async def cut(*_: Any, **__: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("jobs.legacy.table.drop", cut)
    with pytest.raises(ConnectionResetError):
        await migrate(database, into, old.plan)
    assert await old.seen() == before
    monkeypatch.undo()
    assert await migrate(database, into, old.plan) == DONE


ODD = '"C R M"."The ""Table"""'


async def test_other_names_and_some_of_the_columns(database: Database, workspace: int, into: Any, old: Old) -> None:
    await old.run(
        f'CREATE SCHEMA "C R M"; CREATE TABLE {ODD} (uid uuid, label text, likes int, reach int);'
        f"INSERT INTO {ODD} VALUES ('0b9f8a2e-6f0e-4c3a-9b62-1d2f3a4b5c6d', 'L', 1, 2)"
    )
    mapped = profiles.parse(["id=uid", "name=label"])
    plan = replace(old.plan, table=ODD, mapped=mapped)
    done = await migrate(database, into, plan)
    assert (done.made, done.dropped, done.backup) == (1, ["likes", "reach"], 'The "Table"_engagement_backup')
    assert [row[:2] for row in await migrated(database, workspace)] == [
        ("legacy-0b9f8a2e-6f0e-4c3a-9b62-1d2f3a4b5c6d", "L")
    ]
    assert (await undo(database, into, replace(plan, mapped={}))).removed == 1
    assert await old.ask(f"SELECT likes, reach FROM {ODD}") == [(1, 2)]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("name", "it must read field=column"),
        ("colour=x", "no field 'colour'. There are: id, name, description"),
        ("id=", "id cannot be left out"),
    ],
)
def test_a_map_that_is_none(option: str, message: str) -> None:
    with pytest.raises(MigrationRefusedError, match=message):
        profiles.parse([option])


async def test_another_workspace_sees_nothing_of_it(
    database: Database, workspace: int, other_workspace: int, into: Any, old: Old
) -> None:
    await migrate(database, into, old.plan)
    async with database.write(other_workspace) as transaction:
        assert await transaction.scalar(text("SELECT count(*) FROM campaigns")) == 0
