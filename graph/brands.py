"""Brands: labels below the workspace."""

from collections.abc import Sequence
from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Refused
from db.models.rules import text_problems
from db.queries import brands
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.ids import Node, global_id
from graph.selection import selection_of


@strawberry.type(description="A label below the workspace. Not a tenant.")
class Brand(Node):
    """A view of a row of brands."""

    id: strawberry.ID = global_id("Brand")
    name: str = strawberry.field(description="Unique in the workspace.")


@strawberry.input(description="A new brand.")
class CreateBrandInput:
    """What createBrand takes."""

    name: str = strawberry.field(description="1 to 200 characters, unique in the workspace.")


@strawberry.type(description="What came of a change to a brand.")
class BrandPayload:
    """The brand, or what is wrong."""

    brand_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="What is wrong. Empty when all is well.")

    @strawberry.field(description="The brand as it is now; null when something was wrong.")
    def brand(self, info: Info) -> Brand | None:
        return brand_of(info, self.brand_id)


def brands_of(info: Info, brand_ids: Sequence[int | None]) -> Any:
    """The brands of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(brands.by_ids, (selection_of(info).names,), brand_ids)


def brand_of(info: Info, brand_id: int | None) -> Any:
    """The brand of a row that names one, with what the current field selects of it."""
    if brand_id is None:
        return None
    return info.context.loaders.one(brands.by_ids, (selection_of(info).names,), brand_id)


@strawberry.type
class BrandMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a brand.")
    async def create_brand(self, info: Info, input: CreateBrandInput) -> BrandPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            problems = list(text_problems("name", input.name, 200))
            if problems:
                raise Refused(problems)
            return await brands.create(transaction, input.name)

        outcome = await info.context.change(work)
        return BrandPayload(brand_id=outcome.value, user_errors=user_errors(outcome.problems))
