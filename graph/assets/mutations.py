"""Changing, deleting and restoring assets, and telling of their reuse."""

from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Problem, refuse
from db.models.asset_items import LONGEST_USED_IN, text_problems_of
from db.models.assets import Asset as AssetRow
from db.models.rules import json_problems, text_problems
from db.models.space_items import tag_problems
from db.queries.assets import figures as reporting
from db.queries.assets import writing
from graph import ids
from graph.assets.inputs import RecordAssetReuseInput, UpdateAssetInput
from graph.assets.kinds import given
from graph.assets.payloads import AssetPayload, DeleteAssetPayload, changed
from graph.assets.performance import UpdatePerformanceInput, figures_of
from graph.context import Info
from graph.errors import user_errors
from graph.spaces.inputs import DeleteInput, RestoreInput


@strawberry.type
class AssetMutation:
    """The changes of assets that are there."""

    @strawberry.mutation(description="Changes what is said of an asset.")
    async def update_asset(self, info: Info, input: UpdateAssetInput) -> AssetPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            asset_id = ids.checked("Asset", input.id, problems, "id")
            values = given(vars(input))
            del values["id"]
            tags = values.pop("tags", None)
            tags = [] if tags is None and input.tags is None else tags
            problems.extend(text_problems_of(values))
            problems.extend(tag_problems(tags or ()))
            refuse(problems)
            await writing.update(transaction, asset_id or 0, values, tags)
            return asset_id or 0

        return changed(await info.context.change(work))

    @strawberry.mutation(
        description="Deletes an asset, so that it can be restored, or for good. One that was reused is a CONFLICT unless forced. "
        "Deleting it again changes nothing."
    )
    async def delete_asset(self, info: Info, input: DeleteInput) -> DeleteAssetPayload:  # noqa: A002
        hard, force = bool(input.hard), bool(input.force)

        async def work(transaction: Transaction) -> int:
            asset_id = ids.required("Asset", input.id, "id")
            await writing.delete(transaction, asset_id, hard=hard, force=force)
            return asset_id

        outcome = await info.context.change(work)
        return DeleteAssetPayload(
            deleted_id=None if outcome.value is None else input.id,
            asset_id=None if hard else outcome.value,
            user_errors=user_errors(outcome.problems),
        )

    @strawberry.mutation(description="Restores an asset that was deleted, but not for good.")
    async def restore_asset(self, info: Info, input: RestoreInput) -> AssetPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            asset_id = ids.required("Asset", input.id, "id")
            await writing.restore(transaction, asset_id)
            return asset_id

        return changed(await info.context.change(work))

    @strawberry.mutation(description="Writes down that an asset was used once more.")
    async def record_asset_reuse(self, info: Info, input: RecordAssetReuseInput) -> AssetPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            asset_id = ids.checked("Asset", input.asset_id, problems, "asset_id")
            problems.extend(text_problems("used_in_type", input.used_in_type, LONGEST_USED_IN))
            problems.extend(text_problems("used_in_id", input.used_in_id, LONGEST_USED_IN))
            if input.used_in_name is not None:
                problems.extend(text_problems("used_in_name", input.used_in_name, LONGEST_USED_IN, may_be_empty=True))
            if input.context is not None:
                problems.extend(json_problems("context", input.context))
            refuse(problems)
            usage: dict[str, Any] = {name: value for name, value in vars(input).items() if name != "asset_id"}
            await writing.reuse(transaction, asset_id or 0, usage)
            return asset_id or 0

        return changed(await info.context.change(work))

    @strawberry.mutation(description="Writes down what a platform reports of an asset.")
    async def update_asset_performance(self, info: Info, input: UpdatePerformanceInput) -> AssetPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems: list[Problem] = []
            asset_id = ids.checked("Asset", input.id, problems, "id")
            figures = figures_of(input, problems)
            refuse(problems)
            await reporting.report(transaction, AssetRow, asset_id or 0, figures)
            return asset_id or 0

        return changed(await info.context.change(work))
