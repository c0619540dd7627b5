"""What comes of changes to assets."""

import strawberry

from db.changes import Outcome
from graph.assets.types import Asset, asset_of
from graph.context import Info
from graph.errors import UserError, user_errors

ALL_THAT_IS_WRONG = "All that is wrong. Empty when all is well."


@strawberry.type(description="What came of a change to an asset.")
class AssetPayload:
    """The asset, or what is wrong."""

    asset_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=ALL_THAT_IS_WRONG)

    @strawberry.field(description="The asset as it is now; null when something was wrong.")
    def asset(self, info: Info) -> Asset | None:
        return asset_of(info, self.asset_id)


@strawberry.type(description="What came of making an asset.")
class CreateAssetPayload:
    """The asset, new or there already, or what is wrong."""

    asset_id: strawberry.Private[int | None]
    created: bool = strawberry.field(
        description="False where the space holds the same bytes already: that asset is answered. False where something was wrong."
    )
    user_errors: list[UserError] = strawberry.field(description=ALL_THAT_IS_WRONG)

    @strawberry.field(description="The asset; null when something was wrong.")
    def asset(self, info: Info) -> Asset | None:
        return asset_of(info, self.asset_id)


@strawberry.type(description="What came of deleting an asset.")
class DeleteAssetPayload:
    """The asset that was deleted, or what is wrong."""

    deleted_id: strawberry.ID | None = strawberry.field(
        description="The id of what was deleted; null when something was wrong."
    )
    asset_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=ALL_THAT_IS_WRONG)

    @strawberry.field(description="The asset with its deletedAt; null when it was removed for good.")
    def asset(self, info: Info) -> Asset | None:
        return asset_of(info, self.asset_id)


def changed(outcome: Outcome[int]) -> AssetPayload:
    """The payload for a change that answers the asset's key."""
    return AssetPayload(asset_id=outcome.value, user_errors=user_errors(outcome.problems))
