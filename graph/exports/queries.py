"""The root fields that find exports."""

from typing import Annotated

import strawberry

from db.keyset import PageRequest
from db.models.exports import JobStatus
from db.queries.exports import reading
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.exports.types import ExportJob, job_of

OfCampaign = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only of this campaign; of all without it.")
]
InStatus = Annotated[
    list[JobStatus] | None, strawberry.argument(description="Only those that stand at one of these; all without it.")
]


@strawberry.type
class ExportQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The export of an id; null where there is none.")
    def export_job(self, info: Info, id: strawberry.ID) -> ExportJob | None:  # noqa: A002
        return job_of(info, ids.argument("ExportJob", id))

    @strawberry.field(description="The workspace's exports, newest first.")
    async def export_jobs(
        self,
        info: Info,
        campaign_id: OfCampaign = None,
        status: InStatus = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ExportJob]:
        reads, request = info.context.reads, PageRequest.of(first, after, last, before)
        which = reading.Filter(
            campaign_id=None if campaign_id is None else ids.argument("Campaign", campaign_id, "campaignId"),
            status=None if status is None else tuple(status),
        )
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, which, request),
            lambda: reading.count(reads, which),
        )
