"""Importing assets, and what platforms report of spaces and assets."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, BinaryIO

import strawberry
from strawberry.file_uploads import Upload

from db.engine import Transaction
from db.errors import Problem, Refused, invalid, not_found
from db.models.asset_items import StoredFile
from db.queries.assets import figures as reporting
from db.queries.assets import writing
from db.queries.spaces import reading as spaces
from graph import ids
from graph.assets.checks import missing_space, reached, while_there
from graph.assets.kinds import ImportSource
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.ingest import IngestPayload, RejectedItem
from graph.platforms import Platform
from graph.spaces.types import Space, space_of
from jobs.asset_imports import archives, manifests, platforms, reports
from jobs.asset_imports.manifests import Row
from jobs.objects import NoRoom

MOST_REJECTED = 1_000
"""Rows that are named as rejected: of a file that is wrong in every row, the first ones say enough."""


@strawberry.input(description="Assets in a file.")
class ImportAssetsInput:
    """What importAssets takes."""

    space_id: strawberry.ID = strawberry.field(description="The space they are for.")
    source: ImportSource = strawberry.field(
        description="What the file is: CSV_IMPORT a manifest of texts, BULK_IMPORT a ZIP of files, PLATFORM_API what the space's "
        "platform exports."
    )
    file: Upload = strawberry.field(description="The file, by the GraphQL multipart request specification.")


@strawberry.input(description="A platform's own report.")
class ImportPerformanceInput:
    """What importPerformance takes."""

    platform: Platform = strawberry.field(description="Whose report it is.")
    file: Upload = strawberry.field(description="The file, by the GraphQL multipart request specification.")


@strawberry.type(description="What came of importing assets.")
class ImportAssetsPayload:
    """Every row of the file is accepted, a duplicate, or rejected."""

    accepted: int = strawberry.field(description="Assets that were made.")
    duplicates: int = strawberry.field(
        description="Rows whose bytes, or whose external id, the space holds already. They changed nothing."
    )
    rejected: list[RejectedItem] = strawberry.field(
        description="Rows that were not taken, by their position in the file from 0, and why."
    )
    space_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(
        description="What is wrong with the file as a whole: then nothing of it was taken."
    )

    @strawberry.field(description="The space as it is now; null when something was wrong.")
    def space(self, info: Info) -> Space | None:
        return space_of(info, self.space_id)


@strawberry.type
class AssetImportMutation:
    """What takes in many at once."""

    @strawberry.mutation(
        description="Makes assets of the rows of a manifest, the files of a ZIP, or what a platform exports. What is wrong with "
        "one does not keep the others out."
    )
    async def import_assets(self, info: Info, input: ImportAssetsInput) -> ImportAssetsPayload:  # noqa: A002
        try:
            space = await _space(info, input.space_id)
            rows = await _rows_of(input.source, Platform(space.platform), _file_of(input.file))
        except Refused as refused:
            return _nothing(refused.problems)
        workspace_id, subject = info.context.viewer.workspace_id, info.context.viewer.subject
        storage = info.context.storage

        async def store(row: Row, file: BinaryIO) -> StoredFile:
            return await storage.take_in(workspace_id, file, row.asset.type, row.asset.file_name)  # type: ignore[union-attr]

        async def attempt() -> ImportAssetsPayload:
            async with info.context.untimed():
                await reached(_store_all(rows, store))
            right = [row for row in rows if row.asset is not None and not row.problems]
            news = [row.asset for row in right if row.asset is not None]

            async def work(transaction: Transaction) -> list[Any]:
                return await writing.create_many(transaction, space.id, news, subject, source=input.source)

            outcome = await info.context.change(work)
            if outcome.value is None:
                return _nothing(outcome.problems)
            return _imported(rows, right, outcome.value, space.id)

        return await while_there(attempt)

    @strawberry.mutation(
        description="Takes in a platform's own report: its figures become those of the spaces and assets that it names by the "
        "platform's own ids. accepted counts spaces and assets; an id that none has is rejected with the place of its first row."
    )
    async def import_performance(self, info: Info, input: ImportPerformanceInput) -> IngestPayload:  # noqa: A002
        context = info.context
        currencies = await spaces.currencies(context.reads, input.platform)
        await context.release()
        try:
            file = _file_of(input.file)
            report = await asyncio.to_thread(reports.read_report, input.platform, file, currencies.of)
        except Refused as refused:
            return IngestPayload(accepted=0, duplicates=0, rejected=[], user_errors=user_errors(refused.problems))

        async def work(transaction: Transaction) -> reporting.Reported:
            return await reporting.report_many(transaction, input.platform, report.spaces, report.assets)

        outcome = await context.change(work)
        if outcome.value is None:
            return IngestPayload(accepted=0, duplicates=0, rejected=[], user_errors=user_errors(outcome.problems))
        done = outcome.value
        unknown = [
            *(
                (one, "No space of this platform has this external campaign id.")
                for one in report.spaces
                if one not in done.spaces and one not in done.refused
            ),
            *(
                (one, "No asset of this platform has this external asset id.")
                for one in report.assets
                if one not in done.assets and one not in done.refused
            ),
        ]
        rejected: list[tuple[int, str | None, Problem]]
        rejected = [(index, None, problem) for index, problems in report.rejected for problem in problems]
        rejected += [(report.rows[key][0], key, not_found(message, "file")) for key, message in unknown]
        rejected += [(report.rows[key][0], key, problem) for key, problem in done.refused.items()]
        return IngestPayload(
            accepted=len(done.spaces) + len(done.assets), duplicates=0, rejected=_rejected(rejected), user_errors=[]
        )


async def _space(info: Info, given: str) -> Any:
    """The space of an id. Raises Refused."""
    space_id = ids.required("Space", given, "space_id")
    problems = await missing_space(info, space_id)
    if problems:
        raise Refused(problems)
    found = await spaces.by_ids(info.context.reads, frozenset({"platform"}), [space_id])
    await info.context.release()
    return found[0]


def _file_of(upload: Any) -> BinaryIO:
    file: BinaryIO = upload.file
    file.seek(0)
    return file


async def _rows_of(source: ImportSource, platform: Platform, file: BinaryIO) -> list[Row]:
    """What a file holds, row by row. Raises Refused for a file that is wrong as a whole."""
    if source is ImportSource.MANUAL_UPLOAD:
        raise Refused([invalid("What is uploaded by hand is made by createAsset.", "source")])
    if source is ImportSource.CSV_IMPORT:
        return await asyncio.to_thread(lambda: list(manifests.read_manifest(file)))
    if source is ImportSource.BULK_IMPORT:
        archive = await asyncio.to_thread(archives.open_archive, file)
        return await asyncio.to_thread(lambda: list(archive.rows()))
    adapter = platforms.adapter_of(platform)
    return await asyncio.to_thread(lambda: list(adapter.rows(file)))


async def _store_all(rows: Iterable[Row], store: Callable[[Row, BinaryIO], Awaitable[StoredFile]]) -> None:
    """Stores the files of all rows that are right and have one; what is wrong with a file is the row's."""
    for row in rows:
        if row.asset is None or row.problems or row.open_into is None:
            continue
        with tempfile.TemporaryFile() as file:
            try:
                await asyncio.to_thread(row.open_into, file)
                file.seek(0)
                row.asset.file = await store(row, file)
            except Refused as refused:
                row.problems.extend(refused.problems)
            except OSError as error:
                raise NoRoom from error


def _nothing(problems: Sequence[Problem]) -> ImportAssetsPayload:
    return ImportAssetsPayload(accepted=0, duplicates=0, rejected=[], space_id=None, user_errors=user_errors(problems))


def _imported(rows: Sequence[Row], right: Sequence[Row], made: Sequence[Any], space_id: int) -> ImportAssetsPayload:
    wrong = [(row.index, row.key, problem) for row in rows for problem in row.problems]
    wrong += [(row.index, row.key, one) for row, one in zip(right, made, strict=True) if isinstance(one, Problem)]
    done = [one for one in made if not isinstance(one, Problem)]
    accepted = sum(one.created for one in done)
    return ImportAssetsPayload(
        accepted=accepted,
        duplicates=len(done) - accepted,
        rejected=_rejected(wrong),
        space_id=space_id,
        user_errors=[],
    )


def _rejected(wrong: Sequence[tuple[int, str | None, Problem]]) -> list[RejectedItem]:
    first = sorted(wrong, key=lambda one: one[0])[:MOST_REJECTED]
    return [RejectedItem.of(*one) for one in first]
