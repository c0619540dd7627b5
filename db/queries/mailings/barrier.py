"""What makes a pause hold: who writes intents holds the mailings for the time of its transaction, all at once with others;
who changes a mailing's status waits until nobody does, and what is intended later sees the new one.

These locks are taken in turn. Locks of the mailing's row would not be: with many workers somebody always holds it, and who
wants to pause waits for a moment in which nobody does.
"""

from collections.abc import Collection

from sqlalchemy import text

from db.engine import Transaction

_CLASS = 731_629
"""Any constant will do; see ``db.queries.events.barrier``."""
_KEYS = 2**31 - 1

_WAIT = text(f"SELECT pg_advisory_xact_lock({_CLASS}, (CAST(:id AS bigint) % {_KEYS})::int)")


def hold(mailing_ids: Collection[int]) -> str:
    """SQL that holds some mailings in their status until the transaction ends, sent in one round trip with its BEGIN.

    What is asked afterwards sees all that was committed before they were held.
    """
    keys = sorted({mailing_id % _KEYS for mailing_id in mailing_ids})
    return "; ".join(f"SELECT pg_advisory_xact_lock_shared({_CLASS}, {key})" for key in keys)


async def settled(transaction: Transaction, mailing_id: int) -> None:
    """Waits for all who hold a mailing, and lets nobody begin until the transaction ends: keep it short."""
    await transaction.run(_WAIT, {"id": mailing_id})
