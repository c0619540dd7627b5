"""How the database stands as a whole, for whoever watches it: sums over all workspaces, cheap to read."""

from typing import NamedTuple

from sqlalchemy import text

from db import queue
from db.engine import Database
from db.models.mailings import STATUS_COUNTS
from db.queries.followers import recounting
from db.queries.followers.recounting import Totals

MOST_WAITING = 100_000
"""Entries of the outbox that are counted: nobody waits for a count of millions."""


class Standing(NamedTuple):
    """What was read at one moment."""

    recounts: Totals
    outbox: int
    """Changes that are not numbered yet, up to MOST_WAITING."""
    position: int
    """Of the last entry in the live log."""
    jobs: list[tuple[str, str, int]]
    """Kinds of jobs, their status in the queue, and how many."""
    recipients: dict[str, int]
    """Recipients of mailings by status, in lower case."""


async def standing(database: Database) -> Standing:
    """Reads it, on one connection."""
    async with database.everywhere() as transaction:
        recounts = await recounting.totals(transaction)
        outbox, position = await transaction.row(_LIVE, {"most": MOST_WAITING})
        jobs = await queue.depths(transaction)
        counts = await transaction.row(_RECIPIENTS)
    recipients = {status.lower(): count for status, count in zip(_STATUS, counts, strict=True)}
    return Standing(recounts, outbox, position, jobs, recipients)


_LIVE = text(
    "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS waiting), (SELECT position FROM live_head)"
)
_STATUS = tuple(sorted(STATUS_COUNTS))
_SUMS = ", ".join(f"coalesce(sum({STATUS_COUNTS[status]}), 0)::bigint" for status in _STATUS)
_RECIPIENTS = text(f"SELECT {_SUMS} FROM mailing_totals")  # noqa: S608 - names of columns
