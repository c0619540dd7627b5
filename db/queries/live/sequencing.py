"""Numbering what is committed: from the outbox into the log, under consecutive positions.

Rows are taken by their presence in the outbox and not by a cursor over it, so whatever the order of commits, none is
skipped. The head's row lock lets one numberer work at a time, whoever believes to be elected.
"""

from datetime import timedelta

from db.session import Session

CHANNEL = "groundswell_live"
# Any constants will do; they are what all processes on a database agree on.
_ELECTED = 7_316_240_022
_BATCH = 10_000
_TRIM = 10_000

_COLUMNS = "workspace_id, topic, key, kind, subject_id, subject_type, occurred_at"


async def elected(session: Session) -> bool:
    """Whether this session is the one that numbers; it stays so until its connection ends."""
    return bool(await session.scalar("SELECT pg_try_advisory_lock($1)", _ELECTED))


async def number(session: Session) -> int:
    """Moves what is committed, a batch of it, into the log and wakes who listens. Answers how many entries it were."""
    if not await session.scalar("SELECT EXISTS (SELECT FROM outbox)"):
        return 0
    async with session.transaction():
        await session.scalar("SELECT position FROM live_head FOR UPDATE")
        # A statement of its own: it sees all that was committed up to now, not up to when it began to wait.
        moved = await session.row(_MOVE, _BATCH)
        # The only notifier, once per batch: a commit that notifies takes a lock of the whole database.
        await session.scalar("SELECT pg_notify($1, $2)", CHANNEL, str(moved["position"]))
    return int(moved["moved"])


async def settle_epoch(session: Session) -> bool:
    """Begins another epoch if this is not the database that the epoch was of; answers whether it did.

    A restored database gives positions out again that somebody has seen already for other things. Its server has another
    identifier, or its timeline has branched off, or the database was made anew.
    """
    async with session.transaction():
        known = await session.scalar("SELECT fingerprint FROM live_head FOR UPDATE")
        found = await session.scalar(_FINGERPRINT)
        if known == found:
            return False
        epoch = "epoch" if not known else _ANOTHER
        await session.scalar(f"UPDATE live_head SET fingerprint = $1, epoch = {epoch}", found)  # noqa: S608
    return bool(known)


async def begin_epoch(session: Session) -> None:
    """Makes all cursors expire. For an operator who put back a copy of the database's files, which nothing here can see."""
    await session.scalar(f"UPDATE live_head SET epoch = {_ANOTHER}")  # noqa: S608 - a constant


async def trim(session: Session, keep: timedelta) -> int:
    """Removes what is older than that, as many entries as a short transaction can; answers how many."""
    async with session.transaction():
        await session.scalar("SELECT position FROM live_head FOR UPDATE")
        return int(await session.scalar(_OLD, keep, _TRIM))


_MOVE = f"""
WITH taken AS (
  DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT $1)) RETURNING id, {_COLUMNS}
), numbered AS (
  INSERT INTO live_log (position, {_COLUMNS})
  SELECT (SELECT position FROM live_head) + row_number() OVER (ORDER BY id), {_COLUMNS} FROM taken RETURNING 1
), counted AS (SELECT count(*) AS moved FROM numbered)
UPDATE live_head SET position = position + counted.moved FROM counted RETURNING position, counted.moved
"""  # noqa: S608 - constants
_FINGERPRINT = """
SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
  substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_ANOTHER = "('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint"
_OLD = """
WITH looked_at AS (
  SELECT position, logged_at FROM live_log WHERE position > (SELECT trimmed FROM live_head) ORDER BY position LIMIT $2
), until AS (
  SELECT coalesce(min(position) FILTER (WHERE logged_at >= now() - $1::interval) - 1, max(position)) AS position FROM looked_at
), gone AS (
  DELETE FROM live_log WHERE position <= (SELECT position FROM until) RETURNING 1
), moved AS (
  UPDATE live_head SET trimmed = greatest(trimmed, until.position) FROM until WHERE until.position IS NOT NULL RETURNING 1
)
SELECT count(*) FROM gone
"""
