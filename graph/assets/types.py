"""Assets and where they were used."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.keyset import PageRequest
from db.models.asset_items import FARTHEST
from db.queries.assets import reading
from db.queries.spaces import reading as spaces
from graph.assets.kinds import AssetType, document
from graph.assets.performance import Performance
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.errors import bad_input
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.scalars import BigInt
from graph.selection import selection_of

if TYPE_CHECKING:
    from graph.spaces.types import Space

MOST_SIMILAR = 20
"""Assets that are suggested as similar to one."""


@strawberry.type(description="A reuse of an asset, as it was told.")
class AssetUsage:
    """A view of a row of asset_usages."""

    used_in_type: str = strawberry.field(description="What it was used in: campaign, mailing, page.")
    used_in_id: str = strawberry.field(description="Which one, by the caller's own id.")
    used_in_name: str | None = strawberry.field(description="What that is called.")
    used_at: datetime = strawberry.field(description="When it was told.")
    context: JSON | None = strawberry.field(resolver=document("context"), description="What else was said.")


@strawberry.type(description="A creative in a space: a file, or a text.")
class Asset(Node):
    """A view of a row of assets, joined with its blob."""

    id: strawberry.ID = global_id("Asset")
    name: str = strawberry.field(description="What people call it. Need not be unique.")
    type: AssetType = strawberry.field(description="What it is to a campaign.")
    external_asset_id: str | None = strawberry.field(
        description="The platform's own id of it: its own on the platform among assets that are not deleted."
    )
    title: str | None = strawberry.field(description="A title to show.")
    description: str | None = strawberry.field(description="Free text; of a DESCRIPTION the text itself.")
    ad_copy_text: str | None = strawberry.field(description="The text of an AD_COPY.")
    headline_text: str | None = strawberry.field(description="The text of a HEADLINE.")
    cta_text: str | None = strawberry.field(description="The text of a CALL_TO_ACTION.")
    file_name: str | None = strawberry.field(description="What the file was called when it came; null for a text.")
    content_type: str | None = strawberry.field(description="What the file is, by its content and not by its name.")
    sha256: str | None = strawberry.field(description="Of the whole file, computed here: 64 hexadecimal digits.")
    size_bytes: BigInt | None = strawberry.field(description="How long the file is, in bytes.")
    width: int | None = strawberry.field(description="In pixels; null where it is not known.")
    height: int | None = strawberry.field(description="In pixels; null where it is not known.")
    duration_ms: int | None = strawberry.field(description="In milliseconds; null where it is not known.")
    platform_metadata: JSON | None = strawberry.field(
        resolver=document("platform_metadata"), description="What else the platform says of it."
    )
    platform_variants: JSON | None = strawberry.field(
        resolver=document("platform_variants"), description="Its variants on the platform, as it names them."
    )
    created_by: str | None = strawberry.field(description="Subject of the viewer who created it.")
    reused_count: BigInt = strawberry.field(description="How often a reuse was recorded.")
    last_reused_at: datetime | None = strawberry.field(description="When a reuse was recorded last.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted; null while it is not.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(
        description="When it was last changed. Reuses and figures do not change it."
    )

    space_id: strawberry.Private[int]
    duplicate_of_id: strawberry.Private[int | None]

    @level_field(description="The space it is in.")
    async def space(roots: Roots, info: Info) -> list[Annotated["Space", strawberry.lazy("graph.spaces.types")]]:  # noqa: N805
        fields = (selection_of(info).names,)
        return await info.context.loaders.one_each(spaces.by_ids, fields, [root.space_id for root in roots])

    @level_field(description="Its tags, in order.")
    async def tags(roots: Roots, info: Info) -> list[list[str]]:  # noqa: N805
        return await info.context.loaders.many_each(reading.tags_of, (), _ids(roots))

    @level_field(
        description="A signed link to the file, good for some minutes and for whoever has it; null for a text. Pictures, films, "
        "sounds and PDF can be shown; all else, SVG and HTML too, is a download."
    )
    async def file_url(roots: Roots, info: Info) -> list[str | None]:  # noqa: N805
        return await _links(info, [(root.path, root.file_name) for root in roots])

    @level_field(
        description="A link to the file that stays good; null unless the object store is configured as public, and for a text."
    )
    async def public_url(roots: Roots, info: Info) -> list[str | None]:  # noqa: N805
        public = info.context.links.public
        return [None if root.path is None else public(root.path) for root in roots]

    @level_field(description="A signed link to a small picture of it, WebP; null where there is none.")
    async def thumbnail_url(roots: Roots, info: Info) -> list[str | None]:  # noqa: N805
        return await _links(info, [(root.thumbnail_path, None) for root in roots])

    @strawberry.field(description="Figures that the platform reported of it; null where it reported none.")
    def performance(root: strawberry.Parent[Any]) -> Performance | None:  # noqa: N805 - the row is both
        return None if root.reported_at is None else root

    @level_field(
        description="The asset of this workspace that held the same bytes already when this one was made; null for the first."
    )
    async def duplicate_of(
        roots: Roots,  # noqa: N805
        info: Info,
    ) -> list[Annotated["Asset", strawberry.lazy("graph.assets.types")] | None]:
        return await assets_of(info, [root.duplicate_of_id for root in roots])

    @level_field(description="Where it was used, as it was told, newest first.")
    async def usages(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[AssetUsage]]:
        return await connections(
            info,
            reading.USAGES,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (reading.usages_of, (fields, request)),
            (reading.count_usages_of, ()),
        )

    @level_field(
        description="Images of the workspace that look alike, most alike first, at most 20: a suggestion, by perceptual hash. "
        "Copies of the very same bytes are left out: see duplicateOf. Empty for what is no image."
    )
    async def similar(
        roots: Roots,  # noqa: N805
        info: Info,
        max_distance: Annotated[
            int | None,
            strawberry.argument(description=f"In how many of 64 bits the hashes may differ: 0 to {FARTHEST}."),
        ] = FARTHEST,
    ) -> list[list["SimilarAsset"]]:
        farthest = FARTHEST if max_distance is None else max_distance
        if not 0 <= farthest <= FARTHEST:
            raise bad_input(f"maxDistance must be from 0 to {FARTHEST}; it is {farthest}.")
        return await info.context.loaders.many_each(reading.similar, (farthest, MOST_SIMILAR), _ids(roots))


@strawberry.type(description="An asset whose image looks like another's.")
class SimilarAsset:
    """A view of a row of what looks alike: an asset's id with how far it is."""

    distance: int = strawberry.field(description="In how many of 64 bits the perceptual hashes differ.")

    @level_field(description="The asset.")
    async def asset(roots: Roots, info: Info) -> list[Asset]:  # noqa: N805
        return await assets_of(info, _ids(roots))


async def _links(info: Info, files: Sequence[tuple[str | None, str | None]]) -> list[str | None]:
    """A link to each file that has a path, under its file name."""
    there = [(path, name) for path, name in files if path is not None]
    made = iter(await info.context.links.file_links(info.context.reads, there))
    return [None if path is None else next(made) for path, _ in files]


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


def assets_of(info: Info, asset_ids: Sequence[int | None]) -> Any:
    """The assets of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), asset_ids)


def asset_of(info: Info, asset_id: int | None) -> Any:
    """The asset of an id, with what the current field selects of it; null where there is none."""
    if asset_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), asset_id)
