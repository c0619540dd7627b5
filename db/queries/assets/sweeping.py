"""What nothing holds: loose objects and uploads whose time has passed, and blobs that no asset holds. In all workspaces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from db.engine import Transaction


async def expired_objects(transaction: Transaction, most: int) -> Sequence[Any]:
    """Loose objects whose time has passed, locked: rows of ``workspace_id`` and ``path``. Others are passed over."""
    return await transaction.rows(_EXPIRED, {"most": most})


async def forget(transaction: Transaction, rows: Sequence[Any]) -> None:
    """Takes away loose objects that were removed from the store."""
    values = {"workspaces": [row.workspace_id for row in rows], "paths": [row.path for row in rows]}
    await transaction.run(_FORGET, values)


async def postpone(transaction: Transaction, rows: Sequence[Any], until: datetime) -> None:
    """Leaves loose objects for later that could not be removed from the store."""
    values = {"workspaces": [row.workspace_id for row in rows], "paths": [row.path for row in rows], "until": until}
    await transaction.run(_POSTPONE, values)


async def expired_uploads(transaction: Transaction) -> int:
    """Removes uploads whose time has passed, and answers how many there were. Their objects are loose."""
    return await transaction.run(text("DELETE FROM uploads WHERE expires_at <= now()"))


async def unused_blobs(transaction: Transaction, since: datetime, most: int) -> int:
    """Removes blobs that no asset holds and that lost one before ``since``; their objects become loose and expire at once.

    Answers how many. A blob that is being taken again is passed over; one that was, is no longer looked for.
    """
    rows = await transaction.rows(_CANDIDATES, {"since": since, "most": most})
    if not rows:
        return 0
    # A statement of its own: it sees what was committed before the blobs were locked.
    values = {"workspaces": [row.workspace_id for row in rows], "hashes": [row.sha256 for row in rows]}
    await transaction.run(_USED_AGAIN, values)
    return int(await transaction.scalar(_REMOVE, values))


_EXPIRED = text(
    "SELECT workspace_id, path FROM loose_objects WHERE expires_at <= now() ORDER BY expires_at LIMIT :most "
    "FOR UPDATE SKIP LOCKED"
)
_PAIRS = "unnest(CAST(:workspaces AS bigint[]), CAST(:{0} AS text[])) AS those (workspace_id, {1})"
_FORGET = text(
    f"DELETE FROM loose_objects USING {_PAIRS.format('paths', 'path')} "  # noqa: S608 - names only
    "WHERE loose_objects.workspace_id = those.workspace_id AND loose_objects.path = those.path"
)
_POSTPONE = text(
    f"UPDATE loose_objects SET expires_at = :until FROM {_PAIRS.format('paths', 'path')} "  # noqa: S608
    "WHERE loose_objects.workspace_id = those.workspace_id AND loose_objects.path = those.path"
)
_CANDIDATES = text(
    "SELECT workspace_id, sha256 FROM blobs WHERE unused_since <= :since ORDER BY workspace_id, sha256 LIMIT :most "
    "FOR UPDATE SKIP LOCKED"
)
_HELD = "EXISTS (SELECT FROM assets WHERE assets.workspace_id = blobs.workspace_id AND assets.sha256 = blobs.sha256)"
_THOSE = f"FROM {_PAIRS.format('hashes', 'sha256')} WHERE blobs.workspace_id = those.workspace_id AND blobs.sha256 = those.sha256"
_USED_AGAIN = text(f"UPDATE blobs SET unused_since = NULL {_THOSE} AND {_HELD}")  # noqa: S608
_REMOVE = text(
    f"WITH removed AS (DELETE FROM blobs USING {_THOSE.removeprefix('FROM ')} AND NOT {_HELD} "  # noqa: S608
    "RETURNING blobs.workspace_id, blobs.path, blobs.thumbnail_path), "
    "loose AS (INSERT INTO loose_objects (workspace_id, path, expires_at) SELECT workspace_id, path, now() FROM removed "
    "UNION ALL SELECT workspace_id, thumbnail_path, now() FROM removed WHERE thumbnail_path IS NOT NULL RETURNING 1) "
    "SELECT (SELECT count(*) FROM removed) + 0 * (SELECT count(*) FROM loose)"
)
