"""Making and changing campaigns."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from db.engine import Transaction
from db.errors import Problem, Refused, conflict, invalid, not_found
from db.models.campaigns import MOVES, CampaignStatus, problems
from db.queries import brands, campaigns, workspaces
from db.queries.mailings import moving
from graph import ids
from graph.campaigns.types import Campaign, campaign_of
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.money import MoneyInput
from graph.scalars import BigInt

_REQUIRED = ("name", "status", "currency")
_MONEY = {"budget": "budget_amount", "cost_per_impression": "cost_per_impression"}


@strawberry.input(description="A new campaign.")
class CreateCampaignInput:
    """What createCampaign takes."""

    key: str | None = strawberry.field(
        default=None, description="Your own key: 1 to 200 characters, unique in the workspace."
    )
    name: str = strawberry.field(description="1 to 200 characters.")
    description: str | None = strawberry.field(default=None, description="At most 10,000 characters.")
    objective: str | None = strawberry.field(default=None, description="At most 2,000 characters.")
    status: CampaignStatus | None = strawberry.field(default=None, description="DRAFT unless given.")
    brand_id: strawberry.ID | None = strawberry.field(default=None, description="The brand it is for.")
    starts_on: date | None = strawberry.field(default=None, description="First day.")
    ends_on: date | None = strawberry.field(default=None, description="Last day; not before the first.")
    currency: str | None = strawberry.field(
        default=None,
        description="Of budget, prices and spend. The budget's, the price's or else the workspace's unless given.",
    )
    budget: MoneyInput | None = strawberry.field(default=None, description="What may be spent.")
    cost_per_impression: MoneyInput | None = strawberry.field(default=None, description="The price of an impression.")
    total_impressions_planned: BigInt | None = strawberry.field(
        default=None, description="How many impressions were bought."
    )


@strawberry.input(description="Changes to a campaign. A field left out stays as it is; null clears it.")
class UpdateCampaignInput:
    """What updateCampaign takes."""

    id: strawberry.ID = strawberry.field(description="Which campaign.")
    key: str | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="Cannot be cleared.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    objective: str | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    status: CampaignStatus | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only along the allowed moves, else CONFLICT. Cannot be cleared. What is RUNNING of its mailings is paused where it "
        "is no longer ACTIVE.",
    )
    brand_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="As in CreateCampaignInput."
    )
    starts_on: date | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    ends_on: date | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    currency: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only until money was spent, else CONFLICT; budget and price must be in it. Cannot be cleared.",
    )
    budget: MoneyInput | None = strawberry.field(default=strawberry.UNSET, description="As in CreateCampaignInput.")
    cost_per_impression: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="As in CreateCampaignInput. What was charged already keeps its rate."
    )
    total_impressions_planned: BigInt | None = strawberry.field(
        default=strawberry.UNSET, description="As in CreateCampaignInput."
    )


@strawberry.type(description="What came of a change to a campaign.")
class CampaignPayload:
    """The campaign, or what is wrong."""

    campaign_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")

    @strawberry.field(description="The campaign as it is now; null when something was wrong.")
    def campaign(self, info: Info) -> Campaign | None:
        return campaign_of(info, self.campaign_id)


@strawberry.type
class CampaignMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Makes a campaign.")
    async def create_campaign(self, info: Info, input: CreateCampaignInput) -> CampaignPayload:  # noqa: A002
        subject = info.context.viewer.subject
        outcome = await info.context.change(lambda transaction: _create(transaction, _given(input), subject))
        return CampaignPayload(campaign_id=outcome.value, user_errors=user_errors(outcome.problems))

    @strawberry.mutation(description="Changes a campaign.")
    async def update_campaign(self, info: Info, input: UpdateCampaignInput) -> CampaignPayload:  # noqa: A002
        outcome = await info.context.change(lambda transaction: _update(transaction, _given(input)))
        return CampaignPayload(campaign_id=outcome.value, user_errors=user_errors(outcome.problems))


def _given(given: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(given).items() if value is not strawberry.UNSET}


async def _create(transaction: Transaction, given: dict[str, Any], subject: str) -> int:
    values = {name: value for name, value in given.items() if value is not None}
    values.setdefault("status", CampaignStatus.DRAFT)
    if "currency" not in values:
        values["currency"] = _currency_of_money(values) or await workspaces.currency(transaction)
    found: list[Problem] = []
    values = await _resolved(transaction, values, found)
    found += _at_fields(problems(values)) + _foreign_money(given, values["currency"])
    if found:
        raise Refused(found)
    return await campaigns.create(transaction, {**values, "created_by": subject})


async def _update(transaction: Transaction, given: dict[str, Any]) -> int:
    campaign_id = ids.required("Campaign", given.pop("id"), "id")
    row = await campaigns.locked(transaction, campaign_id, against_recording="currency" in given)
    if row is None:
        raise Refused([not_found("No such campaign.", "id")])
    before = row._asdict()
    found = [invalid("This cannot be cleared.", name) for name in _REQUIRED if name in given and given[name] is None]
    given = {name: value for name, value in given.items() if value is not None or name not in _REQUIRED}
    values = await _resolved(transaction, given, found)
    after = {**before, **values}
    # What stands from before is right by itself, so whatever is wrong now comes from what is new.
    found += _at_fields(problems(after))
    found += _foreign_money(given, after["currency"])
    found += await _refused_moves(transaction, before, after, given)
    if found:
        raise Refused(found)
    changed = {name: value for name, value in values.items() if value != before[name]}
    if changed:
        if changed.get("status", CampaignStatus.ACTIVE) != CampaignStatus.ACTIVE:
            await moving.pause_of_campaign(transaction, campaign_id, changed["status"])
        await campaigns.change(transaction, campaign_id, changed)
    return campaign_id


async def _resolved(transaction: Transaction, given: Mapping[str, Any], found: list[Problem]) -> dict[str, Any]:
    """The values as the table's columns have them. What names something that is not there is added to ``found``."""
    values = dict(given)
    if "brand_id" in values:
        values["brand_id"] = ids.checked("Brand", values["brand_id"], found, "brand_id")
        if values["brand_id"] is not None and not await brands.exists(transaction, values["brand_id"]):
            found.append(not_found("No such brand.", "brand_id"))
    for field, column in _MONEY.items():
        if field in values:
            money: MoneyInput | None = values.pop(field)
            values[column] = None if money is None else Decimal(money.amount)
    return values


def _currency_of_money(given: Mapping[str, Any]) -> str | None:
    return next((given[field].currency for field in _MONEY if given.get(field) is not None), None)


def _at_fields(found: list[Problem]) -> list[Problem]:
    """The problems of columns at the fields of the input in which those are given."""
    fields = {column: (field, "amount") for field, column in _MONEY.items()}
    return [replace(problem, field=fields.get(problem.field[0], problem.field)) for problem in found]


def _foreign_money(given: Mapping[str, Any], currency: str) -> list[Problem]:
    return [
        invalid(f"The campaign's currency is {currency}; amounts of currencies are never mixed.", field, "currency")
        for field in _MONEY
        if given.get(field) is not None and given[field].currency != currency
    ]


async def _refused_moves(
    transaction: Transaction, before: Mapping[str, Any], after: Mapping[str, Any], given: Mapping[str, Any]
) -> list[Problem]:
    found = []
    if after["status"] != before["status"] and after["status"] not in MOVES[CampaignStatus(before["status"])]:
        found.append(conflict(f"A campaign cannot move from {before['status']} to {after['status']}.", "status"))
    if after["currency"] != before["currency"]:
        kept = [field for field, column in _MONEY.items() if field not in given and before[column] is not None]
        found += [
            invalid(f"It is in {before['currency']}: give it again in {after['currency']}, or clear it.", field)
            for field in kept
        ]
        if await campaigns.has_spent(transaction, before["id"]):
            found.append(conflict("Money was spent; the currency is fixed.", "currency"))
    return found
