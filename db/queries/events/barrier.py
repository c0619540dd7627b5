"""What makes a bound on ids a snapshot of events, which are never changed.

Whoever records holds the campaigns for the time of its transaction, all at once with others. Whoever wants a snapshot waits
until nobody does: all events recorded before are committed then, and what is recorded later gets larger ids. Unlike ids of
transactions, that stays true in a restored database.
"""

from collections.abc import Collection

from sqlalchemy import text

from db.engine import Transaction

# Any constant will do; it is what all processes on a database agree on. PostgreSQL's locks of this kind have two parts of
# 32 bits: campaigns whose ids are the same in these wait for each other now and then, and no more.
_CLASS = 731_624

_HOLD = text(
    f"SELECT pg_advisory_xact_lock_shared({_CLASS}, key) FROM (SELECT DISTINCT (id % 2147483647)::int AS key "  # noqa: S608
    "FROM unnest(CAST(:ids AS bigint[])) AS given (id) ORDER BY key) AS keys"
)
_WAIT = text(f"SELECT pg_advisory_xact_lock({_CLASS}, (CAST(:id AS bigint) % 2147483647)::int)")


async def hold(transaction: Transaction, campaign_ids: Collection[int]) -> None:
    """Says that events of these campaigns are recorded until the transaction ends. Comes before all locks of events and their counters."""
    await transaction.run(_HOLD, {"ids": sorted(campaign_ids)})


async def settled(transaction: Transaction, campaign_id: int) -> None:
    """Waits for all who record events of a campaign, and lets nobody begin until the transaction ends: keep it short.

    The next statement sees every event that was recorded before, and none that will be recorded later.
    """
    await transaction.run(_WAIT, {"id": campaign_id})
