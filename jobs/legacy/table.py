"""The old table: what it has, and its twelve columns of numbers into a table of their own and back.

Everything here is part of one transaction of the caller, in the old table's own database and as its own user.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from jobs.legacy.errors import MigrationRefusedError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

AGGREGATES = (
    "likes",
    "shares",
    "comments",
    "impressions",
    "viewability_rate",
    "click_through_rate",
    "conversions",
    "conversion_rate",
    "engagement_rate",
    "reach",
    "impressions_delivered",
    "impressions_charged",
)
"""The columns that hold what is computed here. cost_per_impression and total_impressions_planned are plans and stay."""
_SUFFIX = "_engagement_backup"
_LONGEST_NAME = 63


def quoted(name: str) -> str:
    """An identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Table:
    """A table that is there. ``columns`` are in their order."""

    oid: int
    schema: str
    name: str
    columns: Sequence[str]

    @property
    def sql(self) -> str:
        """Its name, as SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def backup(self) -> str:
        """The name of the table that its numbers go to."""
        return self.name + _SUFFIX

    @property
    def backup_sql(self) -> str:
        """That name, as SQL."""
        return f"{quoted(self.schema)}.{quoted(self.backup)}"

    def aggregates(self) -> list[str]:
        """Which of the twelve columns it has."""
        return [name for name in AGGREGATES if name in self.columns]


async def find(connection: Connection, name: str) -> Table:
    """The table of a name, with or without its schema, locked against everybody. Raises MigrationRefusedError."""
    try:
        row = await connection.fetchrow(_FIND, name)
    except (asyncpg.InvalidNameError, asyncpg.PostgresSyntaxError):
        row = None
    if row is None:
        raise MigrationRefusedError(f"There is no table {name!r} in this database.")
    if row["relkind"] not in (b"r", b"p"):
        raise MigrationRefusedError(f"{name!r} is not a table.")
    table = Table(row["oid"], row["nspname"], row["relname"], ())
    if len(table.backup.encode()) > _LONGEST_NAME:
        raise MigrationRefusedError(f"The table's name is too long: {table.backup} would be no name for PostgreSQL.")
    try:
        await connection.execute(f"LOCK TABLE {table.sql} IN ACCESS EXCLUSIVE MODE")
    except asyncpg.LockNotAvailableError:
        raise MigrationRefusedError(f"{name} is in use by somebody else. Try again when it is quiet.") from None
    columns = await connection.fetch(_COLUMNS, table.oid)
    return Table(table.oid, table.schema, table.name, [column["attname"] for column in columns])


async def has_backup(connection: Connection, table: Table) -> bool:
    """Whether there is a table of the backup's name."""
    return bool(await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table.backup_sql))


async def back_up(connection: Connection, table: Table, id_column: str) -> int:
    """Copies the numbers into a table of their own, verifies the copy, and answers how many rows it has."""
    names = table.aggregates()
    listed = ", ".join(map(quoted, names))
    definitions = {"id_column": id_column, **await _definitions(connection, table, names)}
    try:
        await connection.execute(
            f"CREATE TABLE {table.backup_sql} AS SELECT {quoted(id_column)} AS campaign_id, {listed} FROM {table.sql}"  # noqa: S608
        )
        await connection.execute(f"ALTER TABLE {table.backup_sql} ADD PRIMARY KEY (campaign_id)")
    except (asyncpg.UniqueViolationError, asyncpg.NotNullViolationError):
        raise MigrationRefusedError(f"{id_column} does not name each row: it is empty or there twice.") from None
    kept = await connection.fetchval("SELECT quote_literal($1)", json.dumps(definitions))
    await connection.execute(f"COMMENT ON TABLE {table.backup_sql} IS {kept}")
    await verify(connection, table, id_column, names)
    return int(await connection.fetchval(f"SELECT count(*) FROM {table.backup_sql}"))  # noqa: S608


async def verify(
    connection: Connection, table: Table, id_column: str, names: Sequence[str], *, only_common: bool = False
) -> None:
    """Compares table and backup row by row, both ways. ``only_common``: rows that only one of them has do not count."""
    ours = f"SELECT {_as_text([id_column, *names])} FROM {table.sql}"  # noqa: S608 - all names are quoted
    theirs = f"SELECT {_as_text(['campaign_id', *names])} FROM {table.backup_sql}"  # noqa: S608
    if only_common:
        ours += f" WHERE {quoted(id_column)} IN (SELECT campaign_id FROM {table.backup_sql})"  # noqa: S608
        theirs += f" WHERE campaign_id IN (SELECT {quoted(id_column)} FROM {table.sql})"  # noqa: S608
    different = await connection.fetchval(
        f"SELECT count(*) FROM (({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours})) AS different"  # noqa: S608
    )
    if different:
        raise MigrationRefusedError(f"The copy differs from the table in {different} rows. Nothing was changed.")


def _as_text(names: Sequence[str]) -> str:
    # As a text, so that values of every type can be compared, and exactly: NaN, floats, trailing zeros.
    return f"ROW({', '.join(map(quoted, names))})::text AS row"


async def drop(connection: Connection, table: Table) -> None:
    """Drops the columns that were backed up. Raises MigrationRefusedError where something stands on one of them."""
    names = table.aggregates()
    columns = {column["attname"]: column for column in await connection.fetch(_COLUMNS, table.oid)}
    # A generated column goes before the one it is computed from.
    ordered = sorted(names, key=lambda name: columns[name]["generated"] is None)
    try:
        await connection.execute(f"ALTER TABLE {table.sql} {', '.join(f'DROP COLUMN {quoted(n)}' for n in ordered)}")
    except asyncpg.DependentObjectsStillExistError as error:
        detail = (error.detail or "").splitlines()
        raise MigrationRefusedError(
            "Something still needs these columns. Drop it or point it elsewhere first.", detail
        ) from None


async def restore(connection: Connection, table: Table) -> tuple[Sequence[Any], Sequence[str]]:
    """Puts the numbers back as they were and drops the backup. Answers all ids, and what could not be as it was."""
    definitions = await _kept_definitions(connection, table)
    id_column = definitions["id_column"]
    if id_column not in table.columns:
        raise MigrationRefusedError(f"The table has no column {id_column!r} any more.")
    columns = definitions["columns"]
    names = [column["name"] for column in columns]
    if again := [name for name in names if name in table.columns]:
        raise MigrationRefusedError(f"The table has {', '.join(again)} again. Rename or drop them first.")
    plain = [column for column in columns if not column["generated"]]
    await _alter(connection, table, [f"ADD COLUMN {_column(column)}" for column in plain])
    await _fill(connection, table, id_column, [column["name"] for column in plain])
    await _alter(connection, table, [f"ADD COLUMN {_column(column)}" for column in columns if column["generated"]])
    left = [note for column in columns if (note := await _require(connection, table, column))]
    for constraint in definitions["constraints"]:
        await _alter(connection, table, [f"ADD CONSTRAINT {quoted(constraint['name'])} {constraint['definition']}"])
    for statement in [*definitions["indexes"], *definitions["comments"]]:
        await connection.execute(statement)
    await verify(connection, table, id_column, names, only_common=True)
    gone = await connection.fetchval(
        f"SELECT count(*) FROM {table.backup_sql} WHERE campaign_id NOT IN (SELECT {quoted(id_column)} FROM {table.sql})"  # noqa: S608
    )
    if gone:
        left.append(f"{gone} rows of the backup are no longer in the table; their numbers went with them.")
    ids = await connection.fetch(
        f"SELECT {quoted(id_column)} FROM {table.sql} UNION SELECT campaign_id FROM {table.backup_sql}"  # noqa: S608
    )
    await connection.execute(f"DROP TABLE {table.backup_sql}")
    return [row[0] for row in ids], left


async def _kept_definitions(connection: Connection, table: Table) -> Any:
    comment = await connection.fetchval("SELECT obj_description(to_regclass($1), 'pg_class')", table.backup_sql)
    try:
        return json.loads(comment or "")
    except ValueError:
        raise MigrationRefusedError(
            f"{table.backup} does not say how the columns were defined: its comment is missing or was changed."
        ) from None


async def _alter(connection: Connection, table: Table, changes: Sequence[str]) -> None:
    if changes:
        await connection.execute(f"ALTER TABLE {table.sql} {', '.join(changes)}")


def _column(column: Any) -> str:
    parts = [quoted(column["name"]), column["type"]]
    if column["generated"]:
        parts.append(f"GENERATED ALWAYS AS ({column['default']}) {column['generated']}")
    elif column["default"] is not None:
        parts.append(f"DEFAULT {column['default']}")
    return " ".join(parts)


async def _fill(connection: Connection, table: Table, id_column: str, names: Sequence[str]) -> None:
    if not names:
        return
    # The table's own triggers would take this for somebody's change: of a time of update, say.
    triggers = [row for row in await connection.fetch(_TRIGGERS, table.oid) if row["tgenabled"] in _ENABLE]
    await _alter(connection, table, [f"DISABLE TRIGGER {quoted(row['tgname'])}" for row in triggers])
    values = ", ".join(f"{quoted(name)} = backup.{quoted(name)}" for name in names)
    await connection.execute(
        f"UPDATE {table.sql} AS t SET {values} FROM {table.backup_sql} AS backup "  # noqa: S608
        f"WHERE t.{quoted(id_column)} = backup.campaign_id"
    )
    enabled = [f"{_ENABLE[row['tgenabled']]} TRIGGER {quoted(row['tgname'])}" for row in triggers]
    await _alter(connection, table, enabled)


_ENABLE = {b"O": "ENABLE", b"R": "ENABLE REPLICA", b"A": "ENABLE ALWAYS"}


async def _require(connection: Connection, table: Table, column: Any) -> str | None:
    """Makes a column NOT NULL that was; answers a note where rows that came since have no value."""
    if not column["not_null"]:
        return None
    name = quoted(column["name"])
    empty = await connection.fetchval(f"SELECT count(*) FROM {table.sql} WHERE {name} IS NULL")  # noqa: S608
    if empty:
        return f"{column['name']} is no longer NOT NULL: {empty} rows came since and have no value."
    await _alter(connection, table, [f"ALTER COLUMN {name} SET NOT NULL"])
    return None


async def _definitions(connection: Connection, table: Table, names: Sequence[str]) -> dict[str, Any]:
    """All that goes with the columns, as SQL that brings it back."""
    columns = {row["attname"]: row for row in await connection.fetch(_COLUMNS, table.oid)}
    numbers = [columns[name]["attnum"] for name in names]
    return {
        "columns": [
            {
                "name": name,
                "type": columns[name]["type"],
                "not_null": columns[name]["attnotnull"],
                "default": columns[name]["expression"],
                "generated": columns[name]["generated"],
            }
            for name in names
        ],
        "constraints": [dict(row) for row in await connection.fetch(_CONSTRAINTS, table.oid, numbers)],
        "indexes": [row["definition"] for row in await connection.fetch(_INDEXES, table.oid, numbers)],
        "comments": [row["statement"] for row in await connection.fetch(_COMMENTS, table.oid, numbers)],
    }


_FIND = (
    "SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.oid = to_regclass($1)"
)
_COLUMNS = (
    "SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, "
    "CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END AS generated, "
    "pg_get_expr(d.adbin, d.adrelid) AS expression FROM pg_attribute a "
    "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
# Constraints of the kind n say NOT NULL, which is kept with its column.
_CONSTRAINTS = (
    "SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
    "WHERE conrelid = $1 AND conkey && CAST($2 AS smallint[]) AND contype <> 'n' ORDER BY conname"
)
_INDEXES = (
    "SELECT DISTINCT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i "
    "JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid "
    "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = ANY(CAST($2 AS int[])) "
    "WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"
)
_COMMENTS = (
    "SELECT format('COMMENT ON COLUMN %s.%I IS %L', a.attrelid::regclass, a.attname, d.description) AS statement "
    "FROM pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid "
    "WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $1 AND d.objsubid = ANY(CAST($2 AS int[]))"
)
_TRIGGERS = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal"
