"""Sweeping: what nothing holds any more goes out of the tables, and then out of the object store.

A look removes so much and no more, and any number of workers may look at once: each locks what it removes, and passes over
what others have locked. Whoever wants an object that is being removed waits, finds it gone, and stores it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from db.engine import Database
from db.queries.assets import sweeping
from jobs.objects import Objects, ObjectsError

log = structlog.get_logger("groundswell.assets")

UNUSED_FOR = timedelta(days=1)
"""How long a blob stays that no asset holds any more: so long the same bytes need not be stored again."""
AT_ONCE = 100
"""Blobs or objects that one transaction removes."""
_ROUNDS = 20
"""Transactions of one look."""
_MOST_FAILURES = 3
"""Objects that a look may fail to remove. A store that is away is not asked for each."""
_LATER = timedelta(hours=1)
"""When an object is tried again that could not be removed, so that it does not stand before the others."""


@dataclass
class Swept:
    """How many were removed."""

    uploads: int = 0
    blobs: int = 0
    objects: int = 0
    failures: int = 0
    """Objects that could not be removed, and are tried again later."""


async def sweep(database: Database, objects: Objects, now: datetime | None = None) -> Swept:
    """One look, which may be interrupted anywhere: an object is forgotten when it is gone. ``now`` is for blobs only."""
    swept = Swept()
    before = (now or datetime.now(UTC)) - UNUSED_FOR
    async with database.everywhere() as transaction:
        swept.uploads = await sweeping.expired_uploads(transaction)
    for _ in range(_ROUNDS):
        async with database.everywhere() as transaction:
            gone = await sweeping.unused_blobs(transaction, before, AT_ONCE)
        swept.blobs += gone
        if not gone:
            break
    for _ in range(_ROUNDS):
        if not await _sweep_objects(database, objects, swept):
            break
    if swept != Swept():
        log.info("assets were swept", **vars(swept))
    return swept


async def _sweep_objects(database: Database, objects: Objects, swept: Swept) -> bool:
    """Removes some objects that have expired; answers whether there may be more to do."""
    async with database.everywhere() as transaction:
        rows = await sweeping.expired_objects(transaction, AT_ONCE)
        gone, left = await _removed(objects, rows)
        if gone:
            await sweeping.forget(transaction, gone)
        if left:
            await sweeping.postpone(transaction, left, datetime.now(UTC) + _LATER)
    swept.objects += len(gone)
    swept.failures += len(left)
    return len(rows) == AT_ONCE and swept.failures < _MOST_FAILURES


async def _removed(objects: Objects, rows: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The rows whose objects were removed, and those of which that failed. The rest was not tried."""
    gone: list[Any] = []
    left: list[Any] = []
    for row in rows:
        try:
            await objects.delete([row.path], and_folders=row.path.startswith("assets/"))
            gone.append(row)
        except ObjectsError as error:
            log.warning("an object could not be removed", path=row.path, error=str(error))
            left.append(row)
            if len(left) == _MOST_FAILURES:
                break
    return gone, left
