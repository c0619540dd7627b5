"""What comes in of assets."""

from typing import Any

import strawberry
from strawberry.file_uploads import Upload
from strawberry.scalars import JSON

from db.errors import Problem
from db.models.asset_items import NewAsset
from db.models.rules import json_problems
from db.models.space_items import MOST_TAGS
from graph.assets.kinds import DOCUMENT, AssetType
from graph.scalars import BigInt

_NAME = "1 to 200 characters. That of the file, or the beginning of the text, unless given."
_TAGS = f"Its tags, at most {MOST_TAGS} of 1 to 100 characters."
_TEXT = "At most 10,000 characters."
_KEPT = "Left out, it stays as it is; null clears it."
_EXTERNAL = (
    "The platform's own id of it, by which its reports name it: 1 to 200 characters, its own on the platform among "
    "assets that are not deleted."
)
_SKIP = "Makes another asset even if the space holds one with the same bytes already."


@strawberry.input(
    description="A new asset: with a file for IMAGE, VIDEO, DOCUMENT and PERFORMANCE_DATA, with its text for AD_COPY, HEADLINE, "
    "DESCRIPTION and CALL_TO_ACTION, with either for OTHER."
)
class CreateAssetInput:
    """What createAsset takes."""

    space_id: strawberry.ID = strawberry.field(description="The space it is for.")
    type: AssetType = strawberry.field(description="What it is to a campaign.")
    file: Upload | None = strawberry.field(
        default=None, description="The file, by the GraphQL multipart request specification."
    )
    name: str | None = strawberry.field(default=None, description=_NAME)
    title: str | None = strawberry.field(default=None, description="At most 300 characters.")
    description: str | None = strawberry.field(default=None, description=_TEXT)
    ad_copy_text: str | None = strawberry.field(default=None, description=_TEXT)
    headline_text: str | None = strawberry.field(default=None, description=_TEXT)
    cta_text: str | None = strawberry.field(default=None, description=_TEXT)
    external_asset_id: str | None = strawberry.field(default=None, description=_EXTERNAL)
    tags: list[str] | None = strawberry.field(default=None, description=_TAGS)
    platform_metadata: JSON | None = strawberry.field(default=None, description=DOCUMENT)
    skip_duplicate_check: bool | None = strawberry.field(default=False, description=_SKIP)


@strawberry.input(description="A file that is to be sent, by a staged upload.")
class CreateUploadInput:
    """What createUpload takes."""

    space_id: strawberry.ID = strawberry.field(description="The space that its asset is for.")
    file_name: str = strawberry.field(description="What the file is called: 1 to 255 characters.")
    size_bytes: BigInt = strawberry.field(description="How long it is, in bytes: neither more nor less is taken.")
    content_type: str | None = strawberry.field(
        default=None, description="What you take it for. What it is, is read off it."
    )
    sha256: str | None = strawberry.field(
        default=None, description="Its SHA-256, 64 hexadecimal digits: what comes is checked against it."
    )


@strawberry.input(description="The asset that an upload is to become.")
class CompleteAssetInput:
    """What completeUpload makes."""

    type: AssetType = strawberry.field(description="A type that is a file.")
    name: str | None = strawberry.field(default=None, description=_NAME)
    title: str | None = strawberry.field(default=None, description="At most 300 characters.")
    description: str | None = strawberry.field(default=None, description=_TEXT)
    external_asset_id: str | None = strawberry.field(default=None, description=_EXTERNAL)
    tags: list[str] | None = strawberry.field(default=None, description=_TAGS)
    platform_metadata: JSON | None = strawberry.field(default=None, description=DOCUMENT)
    skip_duplicate_check: bool | None = strawberry.field(default=False, description=_SKIP)


@strawberry.input(description="An upload whose bytes were sent.")
class CompleteUploadInput:
    """What completeUpload takes."""

    upload_id: strawberry.ID = strawberry.field(description="The upload.")
    asset: CompleteAssetInput = strawberry.field(description="The asset that it is to become.")


@strawberry.input(description="Changes to an asset. Its file and type never change.")
class UpdateAssetInput:
    """What updateAsset takes."""

    id: strawberry.ID = strawberry.field(description="Which asset.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Cannot be cleared.")
    title: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    description: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    ad_copy_text: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    headline_text: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    cta_text: str | None = strawberry.field(default=strawberry.UNSET, description=_KEPT)
    tags: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="All of its tags, instead of those that it has."
    )


@strawberry.input(description="A reuse of an asset. Each is told once: telling it again counts again.")
class RecordAssetReuseInput:
    """What recordAssetReuse takes."""

    asset_id: strawberry.ID = strawberry.field(description="Which asset.")
    used_in_type: str = strawberry.field(description="What it was used in, such as campaign: 1 to 200 characters.")
    used_in_id: str = strawberry.field(description="Which one, by your own id: 1 to 200 characters.")
    used_in_name: str | None = strawberry.field(
        default=None, description="What that is called: at most 200 characters."
    )
    context: JSON | None = strawberry.field(default=None, description=DOCUMENT)


_SAME = ("name", "title", "description", "external_asset_id", "platform_metadata")
_TEXTS = ("ad_copy_text", "headline_text", "cta_text")


def asset_of(
    given: CreateAssetInput | CompleteAssetInput, file_name: str | None, problems: list[Problem], *, has_file: bool
) -> NewAsset:
    """The asset that an input means; what is wrong with it by itself is added to ``problems``."""
    texts = _TEXTS if isinstance(given, CreateAssetInput) else ()
    values: dict[str, Any] = {name: getattr(given, name) for name in (*_SAME, *texts)}
    asset = NewAsset(given.type, tags=given.tags or [], file_name=file_name, **values)
    problems.extend(asset.problems(has_file=has_file))
    if asset.platform_metadata is not None:
        problems.extend(json_problems("platform_metadata", asset.platform_metadata))
    return asset
