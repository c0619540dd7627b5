"""How the database stands, for who asks whether this process can do its work."""

from dataclasses import dataclass

from sqlalchemy import text

from db.engine import Database
from db.queue import WORKER


@dataclass(frozen=True)
class Standing:
    """What one look found."""

    revision: str | None
    """Of the schema; None where it was never migrated."""
    is_writable: bool
    """False on a standby, and on a server that was told to refuse changes."""
    workers: int
    """Workers that hold a connection for the queue, in whatever process."""


async def look(database: Database) -> Standing:
    """One short transaction. Raises what connecting raises."""
    async with database.transaction("BEGIN", None) as transaction:
        # The table of revisions belongs to whoever migrates, which is who connects and none of the roles.
        await transaction.driver.execute("SET LOCAL ROLE NONE")
        is_migrated = await transaction.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        revision = await transaction.scalar(text("SELECT version_num FROM alembic_version")) if is_migrated else None
        row = await transaction.row(_STANDING, {"worker": WORKER})
    return Standing(revision, row.is_writable, row.workers)


_STANDING = text("""
SELECT current_setting('transaction_read_only') = 'off' AS is_writable, (
  SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :worker
) AS workers
""")
