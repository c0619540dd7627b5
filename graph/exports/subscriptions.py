"""How far an export is, until it has ended."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import strawberry

from db.engine import Reads
from db.models.exports import JobStatus
from db.models.live import Topic
from db.queries.exports import reading
from graph import ids
from graph.context import Info
from graph.errors import not_found
from graph.exports.types import ExportJob
from graph.live.sources import Shown
from graph.selection import selection_of

INTERVAL = 0.25
"""Seconds between two messages, at least."""
_FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


@strawberry.type
class ExportSubscription:
    """The streams of this domain."""

    @strawberry.subscription(
        description="An export, at once and whenever it changes, at most four times a second. The stream completes with its "
        "final status: at once where it has ended already."
    )
    async def export_job(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The export.")],  # noqa: A002
    ) -> AsyncGenerator[ExportJob, None]:
        key, fields = ids.argument("ExportJob", id), selection_of(info).names | {"status"}

        async def show(reads: Reads) -> Shown:
            found: list[Any] = await reading.by_ids(reads, fields, [key])
            if not found:
                raise not_found("id: there is no such export.")
            [job] = found
            return Shown(job, is_last=job.status in _FINAL)

        await show(info.context.reads)
        subject = (info.context.viewer.workspace_id, Topic.EXPORTS, key)
        return await info.context.gauge((subject,), INTERVAL, show)  # type: ignore[return-value]
