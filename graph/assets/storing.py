"""Making assets: with a file that comes along, with one that was sent before, or of text."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import strawberry

from db.changes import Outcome
from db.engine import Transaction
from db.errors import Problem, ProblemCode, Refused, invalid, not_found
from db.models.asset_items import LONGEST_FILE_NAME, NewAsset, StoredFile, is_sha256
from db.models.asset_kinds import LARGEST
from db.models.rules import text_problems
from db.queries.assets import uploads, writing
from graph import ids
from graph.assets.checks import missing_space, reached, while_there
from graph.assets.inputs import CompleteUploadInput, CreateAssetInput, CreateUploadInput, asset_of
from graph.assets.payloads import ALL_THAT_IS_WRONG, CreateAssetPayload
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.files import plain_name

GOOD_FOR = timedelta(hours=12)
"""How long the bytes of a staged upload may come, and it be completed."""
_Made = Outcome[writing.Created]


@strawberry.type(description="Where to send the bytes of an upload.")
class CreateUploadPayload:
    """A place for bytes, or what is wrong."""

    upload_id: strawberry.ID | None = strawberry.field(description="For completeUpload; null when something was wrong.")
    url: str | None = strawberry.field(
        description="Send the bytes there by PUT, before it expires. It is good for whoever has it."
    )
    expires_at: datetime | None = strawberry.field(description="Until when the upload must be completed.")
    user_errors: list[UserError] = strawberry.field(description=ALL_THAT_IS_WRONG)


@strawberry.type
class AssetStoringMutation:
    """What makes assets one by one."""

    @strawberry.mutation(
        description="Makes an asset: of a file for IMAGE, VIDEO, DOCUMENT and PERFORMANCE_DATA, of text for AD_COPY, HEADLINE, "
        "DESCRIPTION and CALL_TO_ACTION. Equal bytes are stored once in a workspace."
    )
    async def create_asset(self, info: Info, input: CreateAssetInput) -> CreateAssetPayload:  # noqa: A002
        upload: Any = input.file
        file_name = None if upload is None else _name_of(upload.filename)
        problems: list[Problem] = []
        space_id = ids.checked("Space", input.space_id, problems, "space_id")
        asset = asset_of(input, file_name, problems, has_file=upload is not None)
        if space_id is not None:
            problems.extend(await missing_space(info, space_id))
        if problems:
            return _payload(Outcome(problems=problems))
        workspace_id, storage = info.context.viewer.workspace_id, info.context.storage

        async def store() -> StoredFile | None:
            if upload is None:
                return None
            return await storage.take_in(workspace_id, upload.file, asset.type, file_name)

        return _payload(
            await _made(info, space_id or 0, asset, store, skip_duplicate_check=bool(input.skip_duplicate_check))
        )

    @strawberry.mutation(
        description="Prepares a staged upload, for large files: answers where to send the bytes to. What is not completed in "
        "time is removed."
    )
    async def create_upload(self, info: Info, input: CreateUploadInput) -> CreateUploadPayload:  # noqa: A002
        subject, workspace_id = info.context.viewer.subject, info.context.viewer.workspace_id
        expires_at = datetime.now(UTC).replace(microsecond=0) + GOOD_FOR
        path = f"uploads/{workspace_id}/{secrets.token_hex(16)}"

        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            space_id = ids.checked("Space", input.space_id, problems, "space_id")
            problems.extend(_upload_problems(input))
            if problems:
                raise Refused(problems)
            values = {
                "file_name": _name_of(input.file_name),
                "size_bytes": input.size_bytes,
                "content_type": input.content_type,
                "sha256": None if input.sha256 is None else input.sha256.lower(),
                "path": path,
                "created_by": subject,
                "expires_at": expires_at,
            }
            return await uploads.begin(transaction, space_id or 0, values)

        outcome = await info.context.change(work)
        if outcome.value is None:
            return CreateUploadPayload(
                upload_id=None, url=None, expires_at=None, user_errors=user_errors(outcome.problems)
            )
        seconds = int(GOOD_FOR.total_seconds())
        url = await reached(info.context.links.upload_link(info.context.reads, path, int(input.size_bytes), seconds))
        return CreateUploadPayload(
            upload_id=strawberry.ID(ids.encode("Upload", outcome.value)), url=url, expires_at=expires_at, user_errors=[]
        )

    @strawberry.mutation(
        description="Makes an asset of an upload whose bytes were sent: size and hash are checked. Completing it again answers "
        "the same asset."
    )
    async def complete_upload(self, info: Info, input: CompleteUploadInput) -> CreateAssetPayload:  # noqa: A002
        problems: list[Problem] = []
        upload_id = ids.checked("Upload", input.upload_id, problems, "upload_id")
        upload = None if upload_id is None else await _upload(info, upload_id, problems)
        name = None if upload is None else upload.file_name
        asset = asset_of(input.asset, name, problems, has_file=True)
        if upload is not None and upload.asset_id is not None:
            return CreateAssetPayload(asset_id=upload.asset_id, created=False, user_errors=[])
        if problems or upload is None:
            return _payload(Outcome(problems=[_in_asset(one) for one in problems]))
        workspace_id, storage = info.context.viewer.workspace_id, info.context.storage

        async def store() -> StoredFile | None:
            return await storage.take_in_staged(
                workspace_id, upload.path, upload.size_bytes, upload.sha256, asset.type, upload.file_name
            )

        skip = bool(input.asset.skip_duplicate_check)
        outcome = await _made(info, upload.space_id, asset, store, upload.id, skip_duplicate_check=skip)
        return _payload(Outcome(outcome.value, [_in_asset(one) for one in outcome.problems]))


async def _made(
    info: Info,
    space_id: int,
    asset: NewAsset,
    store: Callable[[], Awaitable[StoredFile | None]],
    upload_id: int | None = None,
    *,
    skip_duplicate_check: bool,
) -> _Made:
    """Stores the bytes, then makes the asset. Bytes that were there, and were swept in between, are stored again."""
    subject = info.context.viewer.subject

    async def work(transaction: Transaction) -> writing.Created:
        known = None if upload_id is None else await uploads.completed_as(transaction, upload_id)
        if known is not None:
            return writing.Created(known, created=False)
        made = await writing.create(transaction, space_id, asset, subject, skip_duplicate_check=skip_duplicate_check)
        if upload_id is not None:
            await uploads.complete(transaction, upload_id, made.asset_id)
        return made

    async def attempt() -> _Made:
        try:
            async with info.context.untimed():  # a large file takes as long as it takes
                asset.file = await reached(store())
        except Refused as refused:
            return Outcome(problems=list(refused.problems))
        return await info.context.change(work)

    return await while_there(attempt)


async def _upload(info: Info, upload_id: int, problems: list[Problem]) -> Any:
    """The upload of an id; adds what is wrong where there is none, or where its time has passed."""
    found = await uploads.find(info.context.reads, upload_id)
    await info.context.release()  # storing takes its time, and needs no snapshot
    if found is None or (found.asset_id is None and found.expires_at <= datetime.now(UTC)):
        problems.append(not_found("No such upload, or its time has passed.", "upload_id"))
        return None
    return found


def _upload_problems(given: CreateUploadInput) -> list[Problem]:
    problems = list(text_problems("file_name", given.file_name, LONGEST_FILE_NAME))
    if not problems and _name_of(given.file_name) is None:
        problems.append(invalid("This is no name of a file.", "file_name"))
    most = max(LARGEST.values())
    if given.size_bytes < 1:
        problems.append(invalid("A file has at least one byte.", "size_bytes"))
    if given.size_bytes > most:
        problems.append(Problem(ProblemCode.TOO_LARGE, f"At most {most:,} bytes.", ("size_bytes",)))
    if given.sha256 is not None and not is_sha256(given.sha256.lower()):
        problems.append(invalid("A SHA-256 has 64 hexadecimal digits.", "sha256"))
    if given.content_type is not None:
        problems.extend(text_problems("content_type", given.content_type, LONGEST_FILE_NAME))
    return problems


def _name_of(given: str | None) -> str | None:
    """The name of a file as it is kept; None where nothing of it is left."""
    return plain_name(given or "").strip()[-LONGEST_FILE_NAME:] or None


def _in_asset(problem: Problem) -> Problem:
    """A problem of completeUpload at its place in the input."""
    if problem.field[:1] in {("upload_id",), ()}:
        return problem
    place = ("upload_id",) if problem.field in {("file",), ("space_id",)} else ("asset", *problem.field)
    return Problem(problem.code, problem.message, place)


def _payload(outcome: _Made) -> CreateAssetPayload:
    made = outcome.value
    return CreateAssetPayload(
        asset_id=None if made is None else made.asset_id,
        created=made is not None and made.created,
        user_errors=user_errors(outcome.problems),
    )
