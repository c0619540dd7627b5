"""Recording what others report of mails, providers and mail servers: one that cannot be taken keeps no other from being taken."""

from collections.abc import Sequence

from db.changes import change
from db.engine import Database, Transaction
from db.models.email_event_items import NewEmailEvent
from db.queries.email_events import recording
from db.queries.email_events.recording import Recorded


async def record_reports(database: Database, workspace_id: int, events: Sequence[NewEmailEvent]) -> Recorded:
    """Records the events of one workspace, which are valid by themselves. What is answered is committed.

    Raises what the database raises: then all may be reported again, since what is recorded is known by its key.
    """

    async def work(transaction: Transaction) -> Recorded:
        return await recording.record(transaction, events)

    outcome = await change(database, workspace_id, work)
    if outcome.value is not None:
        return outcome.value
    if len(events) == 1:
        return Recorded(0, 0, {0: outcome.problems})
    done = [await record_reports(database, workspace_id, [one]) for one in events]
    rejected = {place: one.rejected[0] for place, one in enumerate(done) if one.rejected}
    return Recorded(sum(one.accepted for one in done), sum(one.duplicates for one in done), rejected)
