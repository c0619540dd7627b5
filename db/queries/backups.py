"""Statements of backups: all rows of one snapshot, and all of them put in again in one transaction.

Rows are copied as text, table by table, so that neither the version of PostgreSQL nor programs of its own matter. What a
table is, who may see what of it and what is counted by triggers come from the migrations, and are never in a backup.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.models import Base
from db.session import Session

PREFIX = "groundswell"
"""What the connections of all our processes are called like, in pg_stat_activity."""
RESTORED = "Restored from a backup: some of it may have been sent since."


@dataclass(frozen=True)
class Table:
    """What of a table is copied. ``bytes`` is how large it is about."""

    name: str
    columns: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Referred:
    """An object that the snapshot names. None: not known."""

    path: str
    size_bytes: int | None
    sha256: str | None
    content_type: str | None


async def take_time(own: Session) -> None:
    """Lets the connection's statements and transactions take as long as they do, whatever is set for others."""
    await own.driver.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")


async def tables(own: Session) -> list[Table]:
    """All of ours that are there, in order of their names, but for the queue: what is unfinished is queued again by itself."""
    rows = await own.rows(_TABLES, list(Base.metadata.tables))
    return [Table(row["name"], tuple(row["columns"]), row["bytes"]) for row in rows]


async def copy_out(own: Session, table: Table, take: Callable[[bytes], Awaitable[None]]) -> int:
    """Hands all rows of a table out, as the running transaction sees them; answers how many."""
    columns = ", ".join(f'"{name}"' for name in table.columns)
    query = f'SELECT {columns} FROM public."{table.name}"'  # noqa: S608 - names of the catalogue
    return _counted(await own.driver.copy_from_query(query, output=take))


async def sequences(own: Session) -> dict[str, int]:
    """The number that each identity gives out next. To be read after the rows: no row has a later one then."""
    await own.driver.execute("SET LOCAL ROLE NONE")
    found = {}
    for row in await own.rows(_SEQUENCES):
        # Not by pg_sequences: there, one that nothing was taken of looks like one that may not be read.
        last = await own.row(f'SELECT last_value, is_called FROM public."{row["sequence"]}"')  # noqa: S608
        found[row["table"]] = int(last["last_value"]) + int(last["is_called"])
    return found


async def referred_objects(own: Session) -> list[Referred]:
    """What the rows of the running transaction name in the object store, in order of the paths."""
    rows = await own.rows(_OBJECTS)
    return [Referred(row["path"], row["size_bytes"], row["sha256"], row["content_type"]) for row in rows]


async def others(own: Session) -> list[str]:
    """What else of ours is connected to this database: names of connections."""
    return [str(row["name"]) for row in await own.rows(_OTHERS, f"{PREFIX}%")]


async def is_empty(own: Session) -> bool:
    """Whether there is no workspace, and with that nothing at all."""
    return not await own.scalar("SELECT EXISTS (SELECT FROM workspaces)")


async def copy_in(own: Session, table: Table, rows: AsyncIterator[bytes]) -> int:
    """Puts rows into a table, and answers how many."""
    done = await own.driver.copy_to_table(
        table.name, schema_name="public", columns=list(table.columns), source=rows, format="text"
    )
    return _counted(done)


class Emptied:
    """All of our tables, without a row, and without what would look at each row that comes: for one transaction.

    Row-level security, which COPY does not know; triggers, which would count what is counted already; foreign keys and
    indexes, which are made again at the end, and find then whatever does not fit.
    """

    def __init__(self, own: Session, names: Sequence[str]) -> None:
        self._own, self._names = own, list(names)
        self._later: list[str] = []

    async def begin(self) -> None:
        """Removes all rows. The connection acts as who owns the tables, until the transaction ends."""
        await self._own.driver.execute("SET LOCAL ROLE NONE; SET LOCAL lock_timeout = '10s'")
        for name in self._names:
            await self._own.driver.execute(_OPEN.format(name=name))
            self._later.insert(0, _CLOSE.format(name=name))
        for row in await self._own.rows(_MADE_AGAIN, self._names):
            await self._own.driver.execute(row["removed"])
            self._later.insert(0, row["made"])
        every = ", ".join(f'public."{name}"' for name in self._names)
        await self._own.driver.execute(f"TRUNCATE {every}")

    def steps(self) -> list[str]:
        """What is to be run at the end, in order: each may take a while."""
        return list(self._later)


async def set_sequences(own: Session, following: Mapping[str, int]) -> None:
    """Has each identity go on where it was."""
    known = {row["table"]: row["sequence"] for row in await own.rows(_SEQUENCES)}
    for table, value in following.items():
        if table in known:
            await own.scalar("SELECT setval(CAST($1 AS regclass), $2, false)", f'public."{known[table]}"', value)


async def hold_mailings(own: Session) -> int:
    """Nothing is sent by itself out of a backup: what was running is PAUSED, what was scheduled is a DRAFT. Answers how many."""
    return len(await own.rows(_HELD, RESTORED))


async def analyze(own: Session, names: Sequence[str]) -> None:
    """Lets the planner know what is there. Not inside a transaction."""
    await own.driver.execute("RESET ROLE")
    for name in names:
        await own.driver.execute(f'ANALYZE public."{name}"')


def _counted(tag: Any) -> int:
    return int(str(tag).rpartition(" ")[2])


_TABLES = """
SELECT c.relname AS name, pg_table_size(c.oid) AS bytes, array_agg(a.attname ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY ($1)
GROUP BY c.oid ORDER BY c.relname COLLATE "C"
"""
_SEQUENCES = """
SELECT t.relname AS table, s.relname AS sequence FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_class t ON t.oid = d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
AND d.deptype IN ('i', 'a') AND t.relnamespace = 'public'::regnamespace ORDER BY t.relname COLLATE "C"
"""
_OTHERS = """
SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = current_database()
AND application_name LIKE $1 AND pid <> pg_backend_pid() ORDER BY 1
"""
_OBJECTS = """
SELECT path, size_bytes, sha256, content_type FROM blobs
UNION ALL SELECT thumbnail_path, NULL, NULL, 'image/webp' FROM blobs WHERE thumbnail_path IS NOT NULL
UNION ALL SELECT path, size_bytes, sha256, NULL FROM export_parts
UNION ALL SELECT manifest_path, NULL, NULL, NULL FROM export_jobs WHERE manifest_path IS NOT NULL
ORDER BY 1
"""
_OPEN = 'ALTER TABLE public."{name}" NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER'
_CLOSE = 'ALTER TABLE public."{name}" FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER'
# Foreign keys before indexes that they may rest on, which is the order in which they are removed.
_MADE_AGAIN = """
SELECT removed, made FROM (
  SELECT 1 AS turn, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS removed,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS made
  FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    AND conrelid IN (SELECT oid FROM pg_class WHERE relname = ANY ($1) AND relnamespace = 'public'::regnamespace)
  UNION ALL
  SELECT 2, format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index
  WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname = ANY ($1) AND relnamespace = 'public'::regnamespace)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
) AS those ORDER BY turn, removed
"""
_HELD = """
UPDATE mailings SET status_reason = $1, status = CASE status WHEN 'RUNNING' THEN 'PAUSED' ELSE 'DRAFT' END
WHERE status IN ('RUNNING', 'SCHEDULED') RETURNING 1
"""
