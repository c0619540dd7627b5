"""Exports and their files."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import strawberry

from db.models.exports import ExportDataset, ExportFormat, JobStatus
from db.queries.exports import reading
from graph.campaigns.types import Campaign, campaigns_of
from graph.context import Info
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.scalars import BigInt
from graph.selection import selection_of

strawberry.enum(ExportDataset, name="ExportDataset", description="Which facts of a campaign an export holds.")
strawberry.enum(ExportFormat, name="ExportFormat", description="How the files of an export are written.")
strawberry.enum(
    JobStatus, name="JobStatus", description="Where a job stands. SUCCEEDED, FAILED and CANCELLED are final."
)


@strawberry.type(description="A half-open window [from, to), as it was asked for. An open end is unbounded.")
class ResolvedWindow:
    """A view of the window of a row of export_jobs."""

    @strawberry.field(name="from", description="From this moment on; null: from the first fact.")
    def from_(root: strawberry.Parent[Any]) -> datetime | None:  # noqa: N805 - a row
        return root.window_from

    @strawberry.field(description="Before this moment; null: to the last fact.")
    def to(root: strawberry.Parent[Any]) -> datetime | None:  # noqa: N805
        return root.window_to


@strawberry.type(description="A file of an export that is finished. Parts have no rows in common and are in order.")
class ExportPart:
    """A view of a row of export_parts."""

    index: int = strawberry.field(description="Its place among the parts, from 0 on.")
    rows: BigInt = strawberry.field(description="How many facts it holds; a CSV file's header is not counted.")
    size_bytes: BigInt = strawberry.field(description="How long it is, in bytes.")
    sha256: str = strawberry.field(description="SHA-256 of its bytes: 64 hexadecimal digits in lower case.")

    path: strawberry.Private[str]

    @strawberry.field(description="The file's name, unique within the export.")
    def name(root: strawberry.Parent[Any]) -> str:  # noqa: N805 - a row
        return PurePosixPath(root.path).name

    @level_field(
        description="A signed link to the file, good for some minutes and for whoever has it. Ask again for another."
    )
    async def url(roots: Roots, info: Info) -> list[str]:  # noqa: N805
        return await info.context.links.links(info.context.reads, [root.path for root in roots])


@strawberry.type(
    description="A campaign's facts, written to files. It goes on by itself, whatever happens to the server meanwhile."
)
class ExportJob(Node):
    """A view of a row of export_jobs."""

    id: strawberry.ID = global_id("ExportJob")
    key: str | None = strawberry.field(description="The caller's own key, unique in the workspace.")
    client_id: str | None = strawberry.field(
        description="For whom it is, as the caller calls them. Nothing here depends on it."
    )
    dataset: ExportDataset = strawberry.field(description="Which facts it holds.")
    format: ExportFormat = strawberry.field(description="How its files are written.")
    status: JobStatus = strawberry.field(description="Where it stands.")
    rows_done: BigInt = strawberry.field(description="How many facts are written so far.")
    rows_total: BigInt | None = strawberry.field(description="How many there are; null until they were counted.")
    error_message: str | None = strawberry.field(description="Why it FAILED; null otherwise.")
    created_by: str = strawberry.field(description="Subject of the viewer who asked for it.")
    created_at: datetime = strawberry.field(
        description="When it was asked for. It holds no events that were recorded later, whenever they occurred."
    )
    started_at: datetime | None = strawberry.field(description="When work on it began first; null while QUEUED.")
    finished_at: datetime | None = strawberry.field(description="When it came to its final status; null before.")

    campaign_id: strawberry.Private[int]
    window_from: strawberry.Private[datetime | None]
    window_to: strawberry.Private[datetime | None]

    @level_field(description="Whose facts they are.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @strawberry.field(description="When the facts occurred that it holds.")
    def window(root: strawberry.Parent[Any]) -> ResolvedWindow:  # noqa: N805 - a row, which holds its window
        return root

    @level_field(description="The files that are finished, in order. None any more once it is CANCELLED.")
    async def parts(roots: Roots, info: Info) -> list[list[ExportPart]]:  # noqa: N805
        fields = selection_of(info).names
        return await info.context.loaders.many_each(reading.parts, (fields,), [root.id for root in roots])

    @level_field(
        description="A signed link to the manifest, JSON which lists the files, their rows and hashes, and how the facts were "
        "read; good for some minutes. Null until SUCCEEDED."
    )
    async def manifest_url(roots: Roots, info: Info) -> list[str | None]:  # noqa: N805
        return await _manifests(roots, info)


async def _manifests(roots: Sequence[Any], info: Info) -> list[str | None]:
    paths = [root.manifest_path for root in roots if root.manifest_path is not None]
    links = dict(zip(paths, await info.context.links.links(info.context.reads, paths), strict=True))
    return [links.get(root.manifest_path) for root in roots]


def job_of(info: Info, job_id: int | None) -> Any:
    """The export of an id, with what the current field selects of it; null where there is none."""
    if job_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), job_id)
