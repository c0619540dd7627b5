"""Recording what a provider said, in the workspaces of the recipients. What was answered is committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from db.engine import Database
from db.models.email_event_items import NewEmailEvent
from graph.ingest import LARGEST_BATCH
from jobs.mailings.providers.notices import Notice, Notices
from jobs.mailings.reports import record_reports

log = structlog.get_logger("groundswell.mail")


@dataclass(frozen=True)
class Counts:
    """How many events were new, known already, and without effect."""

    accepted: int
    duplicates: int
    ignored: int


async def record(database: Database, notices: Notices, provider: str) -> Counts:
    """Records all of them. Raises what the database raises: then all may be sent again, since what is recorded is known."""
    done = [await record_reports(database, workspace_id, events) for workspace_id, events in _batches(notices.found)]
    accepted, duplicates = sum(one.accepted for one in done), sum(one.duplicates for one in done)
    ignored = notices.ignored + sum(len(one.rejected) for one in done)
    if ignored:
        log.info("events of mails without effect", provider=provider, events=ignored)
    return Counts(accepted, duplicates, ignored)


def _batches(found: Sequence[Notice]) -> Iterator[tuple[int, list[NewEmailEvent]]]:
    for workspace_id, notices in groupby(sorted(found, key=_workspace_of), _workspace_of):
        events = [one.event for one in notices]
        for start in range(0, len(events), LARGEST_BATCH):
            yield workspace_id, events[start : start + LARGEST_BATCH]


def _workspace_of(notice: Notice) -> int:
    return notice.workspace_id
