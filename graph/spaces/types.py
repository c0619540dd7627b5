"""Spaces and what is in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.keyset import PageRequest
from db.queries.assets import reading as assets
from db.queries.spaces import reading
from graph.assets.kinds import AssetFilter, AssetType, ImportSource, document, filter_of
from graph.assets.performance import Performance
from graph.assets.types import Asset
from graph.brands import Brand, brands_of
from graph.campaigns.types import Campaign, campaigns_of
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.money import Money
from graph.platforms import Platform
from graph.scalars import BigInt
from graph.selection import selection_of


@strawberry.type(description="How many assets of a type a space has.")
class AssetTypeCount:
    """A view of a row of space_asset_counts."""

    type: AssetType = strawberry.field(description="The type.")
    count: BigInt = strawberry.field(description="How many are not deleted; types without any are left out.")


@strawberry.type(description="What a space holds: of assets that are not deleted.")
class SpaceStats:
    """A view of a space's counts."""

    asset_count: BigInt = strawberry.field(description="How many assets.")
    total_asset_size_bytes: BigInt = strawberry.field(
        description="The sizes of their files together, equal bytes as often as they are held."
    )
    stored_bytes: BigInt = strawberry.field(description="The sizes of their files, equal bytes once.")
    by_type: list[AssetTypeCount] = strawberry.field(description="How many by type, in the order of the types' names.")
    reused_assets: BigInt = strawberry.field(description="How many were reused at least once.")


@strawberry.type(description="A folder of creatives for one platform.")
class Space(Node):
    """A view of a row of spaces."""

    id: strawberry.ID = global_id("Space")
    name: str = strawberry.field(
        description="What people call it: its own in the workspace among spaces that are not deleted."
    )
    platform: Platform = strawberry.field(description="For which platform its creatives are. Never changes.")
    external_campaign_id: str | None = strawberry.field(description="The platform's own id of the campaign it is for.")
    description: str | None = strawberry.field(description="Free text.")
    objective: str | None = strawberry.field(description="What it is for, as free text.")
    target_audience: JSON | None = strawberry.field(
        resolver=document("target_audience"), description="Whom it is for, as the caller describes it."
    )
    import_source: ImportSource = strawberry.field(description="How what is in it came into it last.")
    import_metadata: JSON | None = strawberry.field(
        resolver=document("import_metadata"), description="What else is to be known of the import."
    )
    imported_at: datetime | None = strawberry.field(
        description="When something was imported into it last; null where nothing was."
    )
    category: str | None = strawberry.field(description="A label of the caller's.")
    is_template: bool = strawberry.field(description="Whether spaces can be made from it.")
    template_metadata: JSON | None = strawberry.field(
        resolver=document("template_metadata"), description="What is to be known of the template."
    )
    is_active: bool = strawberry.field(description="Whether it is in use.")
    is_archived: bool = strawberry.field(description="Whether it was put away.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted; null while it is not.")
    created_by: str | None = strawberry.field(description="Subject of the viewer who created it.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed. Its assets do not change it.")

    @level_field(description="The campaign it belongs to, if any.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign | None]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @level_field(description="The brand it is for, if any.")
    async def brand(roots: Roots, info: Info) -> list[Brand | None]:  # noqa: N805
        return await brands_of(info, [root.brand_id for root in roots])

    @strawberry.field(description="What may be spent, as configured.")
    def budget(root: strawberry.Parent[Any]) -> Money | None:  # noqa: N805 - a row
        if root.budget_amount is None:
            return None
        return Money(amount=root.budget_amount, currency=root.budget_currency)

    @level_field(description="Its tags, in order.")
    async def tags(roots: Roots, info: Info) -> list[list[str]]:  # noqa: N805
        return await info.context.loaders.many_each(reading.tags_of, (), _ids(roots))

    @level_field(description="Its assets, newest first.")
    async def assets(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: AssetFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Asset]]:
        which, request = filter_of(filter), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            assets.NEWEST,
            request,
            _ids(roots),
            lambda fields, request: (assets.of_spaces, (fields, which, request)),
            (assets.count_of_spaces, (which,)),
        )

    @level_field(description="What it holds.")
    async def stats(roots: Roots, info: Info) -> list[SpaceStats]:  # noqa: N805
        return await info.context.loaders.many_each(reading.stats_of, (), _ids(roots))

    @strawberry.field(description="Figures that the platform reported of it; null where it reported none.")
    def performance(root: strawberry.Parent[Any]) -> Performance | None:  # noqa: N805 - the row is both
        return None if root.reported_at is None else root


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


def spaces_of(info: Info, space_ids: Sequence[int | None]) -> Any:
    """The spaces of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), space_ids)


def space_of(info: Info, space_id: int | None) -> Any:
    """The space of an id, with what the current field selects of it; null where there is none."""
    if space_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), space_id)
