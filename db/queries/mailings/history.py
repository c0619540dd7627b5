"""Mailings that were sent before they came here: when, and to whom."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from db.engine import Transaction


async def write_down(transaction: Transaction, mailing_id: int, sent_at: Mapping[int, datetime]) -> None:
    """Completes a mailing that has been started just now as one that was sent: by recipient, when. All of them are named."""
    values = {
        "workspace": transaction.workspace_id,
        "mailing": mailing_id,
        "ids": sorted(sent_at),
        "moments": [sent_at[recipient_id] for recipient_id in sorted(sent_at)],
    }
    await transaction.run(_SENT, values)
    await transaction.run(_DONE, values | {"started": min(sent_at.values()), "completed": max(sent_at.values())})


_SENT = text(
    "UPDATE recipients SET queued_at = moment, intent_at = moment, sent_at = moment, updated_at = moment "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:moments AS timestamptz[])) AS sent (recipient_id, moment) "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND mailing_id = :mailing AND id = recipient_id"
)
_DONE = text(
    "UPDATE mailings SET status = 'COMPLETED', started_at = :started, completed_at = :completed, updated_at = :completed "
    "WHERE workspace_id = (SELECT CAST(:workspace AS bigint)) AND id = :mailing AND status = 'RUNNING'"
)
