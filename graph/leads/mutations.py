"""Making and changing leads, and letting people be mailed again."""

from collections.abc import Sequence
from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.engine import Transaction
from db.errors import Problem
from db.models.lead_items import LARGEST_ATTRIBUTES, LONGEST_ATTRIBUTE, MOST_ATTRIBUTES, NewLead
from db.models.lead_items import lead_of as new_lead
from db.queries.leads import writing
from graph import ids
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.ingest import RejectedItem, check_size, rejected
from graph.inputs import built_by_name
from graph.leads.types import Lead, lead_of, leads_of

_ALL_THAT_IS_WRONG = "All that is wrong. Empty when all is well."
ATTRIBUTES = (
    f"A JSON object of at most {MOST_ATTRIBUTES} attributes and {LARGEST_ATTRIBUTES:,} bytes, whose names have 1 to "
    f"{LONGEST_ATTRIBUTE} characters. Templates can ask for those whose names are like variables: letters, digits and "
    "underscores, no digit first, at most 64 of them."
)


@built_by_name
@strawberry.input(
    description="A lead: found by its key where one is given, and else by its address, and made where there is none. A field left "
    "out stays as it is; null clears name and attributes."
)
class LeadInput:
    """One item of upsertLeads."""

    key: str | None = strawberry.field(
        default=None,
        description="Your own key, 1 to 200 characters. The lead that has it moves to the address, unless another one has that "
        "(CONFLICT); without such a lead, the one of the address gets the key, unless it has another (CONFLICT).",
    )
    email: str = strawberry.field(description="The address: at most 254 characters, the part before the @ in ASCII.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters on one line, none of them a control character."
    )
    attributes: JSON | None = strawberry.field(
        default=strawberry.UNSET, description=f"{ATTRIBUTES} It replaces what is there as a whole."
    )


@strawberry.input(description="Leads to make or to change.")
class UpsertLeadsInput:
    """What upsertLeads takes."""

    leads: list[LeadInput] = strawberry.field(
        description="At most 1000. Of two that name the same lead the later one wins; both answer it."
    )


@strawberry.type(description="What came of upsertLeads.")
class UpsertLeadsPayload:
    """Every item made a lead, was written over one, or is rejected."""

    lead_ids: strawberry.Private[Sequence[int | None]]
    created: int = strawberry.field(description="Items that made a lead.")
    updated: int = strawberry.field(description="Items that found a lead, whether or not they changed anything of it.")
    rejected: list[RejectedItem] = strawberry.field(description="Items that were not taken, and why.")
    user_errors: list[UserError] = strawberry.field(
        description="What is wrong with the batch as a whole: then nothing of it was taken."
    )

    @strawberry.field(
        description="The leads as they are now, in the order of the input; null where an item was rejected. Empty when the batch "
        "was not taken."
    )
    async def leads(self, info: Info) -> list[Lead | None]:
        found: list[Lead | None] = await leads_of(info, self.lead_ids)
        return found


@strawberry.input(description="Who is to be mailed again.")
class LiftSuppressionInput:
    """What liftSuppression takes."""

    lead_id: strawberry.ID = strawberry.field(description="The lead.")


@strawberry.type(description="What came of a change to a lead.")
class LeadPayload:
    """The lead, or what is wrong."""

    lead_id: strawberry.Private[int | None]
    user_errors: list[UserError] = strawberry.field(description=_ALL_THAT_IS_WRONG)

    @strawberry.field(description="The lead as it is now; null when something was wrong.")
    def lead(self, info: Info) -> Lead | None:
        return lead_of(info, self.lead_id)


@strawberry.type
class LeadMutation:
    """The changes of this domain."""

    @strawberry.mutation(
        description="Makes or changes up to 1000 leads. One that cannot be taken is rejected by itself. Who unsubscribed or "
        "complained is not mailed at a new address either."
    )
    async def upsert_leads(self, info: Info, input: UpsertLeadsInput) -> UpsertLeadsPayload:  # noqa: A002
        given, problems = input.leads, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> writing.Outcome:
            check_size(given, "leads")
            problems.clear()
            outcome = await writing.upsert(transaction, _valid(given, problems))
            problems.update({position: [problem] for position, problem in outcome.rejected.items()})
            return outcome

        outcome = await info.context.change(work)
        found = outcome.value or writing.Outcome()
        return UpsertLeadsPayload(
            lead_ids=[] if outcome.value is None else [found.ids.get(position) for position in range(len(given))],
            created=found.created,
            updated=found.updated,
            rejected=rejected(problems, [item.key for item in given]),
            user_errors=user_errors(outcome.problems),
        )

    @strawberry.mutation(
        description="Lets a lead be mailed again, as the person asked for: its address is not suppressed any more, and it is not "
        "unsubscribed. CONFLICT where nothing keeps it from being mailed."
    )
    async def lift_suppression(self, info: Info, input: LiftSuppressionInput) -> LeadPayload:  # noqa: A002
        async def work(transaction: Transaction) -> int:
            lead_id = ids.required("Lead", input.lead_id, "lead_id")
            await writing.lift(transaction, lead_id, "lead_id")
            return lead_id

        outcome = await info.context.change(work)
        return LeadPayload(lead_id=outcome.value, user_errors=user_errors(outcome.problems))


def _valid(given: Sequence[LeadInput], problems: dict[int, list[Problem]]) -> dict[int, NewLead]:
    """The items without problems by position, and the problems of the others."""
    items: dict[int, NewLead] = {}
    for position, item in enumerate(given):
        wrong: list[Problem] = []
        lead = new_lead(item.key, item.email, _given(name=item.name, attributes=item.attributes), wrong)
        if lead is None:
            problems[position] = wrong
        else:
            items[position] = lead
    return items


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not strawberry.UNSET}
