"""Recording impressions, and later what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import strawberry

from db.engine import Transaction
from db.errors import Problem, Refused, not_found
from db.models.impression_items import ImpressionChange, NewImpression
from db.queries import campaigns
from db.queries.impressions import recording, updating
from db.queries.references import CHANNEL_AND_AUDIENCE, strangers
from graph import ids
from graph.actors import ActorInput
from graph.context import Info
from graph.ingest import IngestPayload, answered, check_size
from graph.inputs import built_by_name


@built_by_name
@strawberry.input(description="An impression to record.")
class ImpressionInput:
    """One item of recordImpressions."""

    key: str = strawberry.field(
        description="Your own key, 1 to 200 characters, unique in the workspace. A repeated one counts once."
    )
    actor: ActorInput | None = strawberry.field(default=None, description="Who saw it.")
    channel_id: strawberry.ID | None = strawberry.field(
        default=None, description="The channel it was shown on. The campaign is put on it, if it is not yet."
    )
    audience_id: strawberry.ID | None = strawberry.field(default=None, description="The audience it was shown to.")
    audience_label: str | None = strawberry.field(default=None, description="The audience as free text.")
    is_unique: bool | None = strawberry.field(
        default=None, description="Whether it is the user's first on the campaign; found out here unless given."
    )
    is_viewable: bool | None = strawberry.field(default=None, description="Null: not measurable.")
    viewable_duration_ms: int | None = strawberry.field(default=None, description="Milliseconds in view.")
    clicked_at: datetime | None = strawberry.field(default=None, description="When it was clicked.")
    converted_at: datetime | None = strawberry.field(default=None, description="When it converted.")
    device_type: str | None = strawberry.field(default=None, description="At most 200 characters.")
    location: str | None = strawberry.field(default=None, description="At most 200 characters.")
    region: str | None = strawberry.field(default=None, description="At most 200 characters.")
    placement: str | None = strawberry.field(default=None, description="At most 200 characters.")
    cpi_rate: Decimal | None = strawberry.field(default=None, description="What it costs, in the campaign's currency.")
    charged_at: datetime | None = strawberry.field(default=None, description="When it was charged.")
    ip_address: str | None = strawberry.field(default=None, description="IPv4 or IPv6.")
    user_agent: str | None = strawberry.field(default=None, description="At most 2000 characters.")
    session_id: str | None = strawberry.field(default=None, description="At most 200 characters.")
    occurred_at: datetime | None = strawberry.field(default=None, description="When it happened; now unless given.")


@strawberry.input(description="Impressions of one campaign.")
class RecordImpressionsInput:
    """What recordImpressions takes."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign that was shown.")
    impressions: list[ImpressionInput] = strawberry.field(description="At most 1000.")


@built_by_name
@strawberry.input(description="What became of an impression that was recorded earlier. Name it by id or by key.")
class ImpressionUpdateInput:
    """One item of updateImpressions."""

    id: strawberry.ID | None = strawberry.field(default=None, description="The impression's id, or give its key.")
    key: str | None = strawberry.field(default=None, description="The impression's key, or give its id.")
    is_viewable: bool | None = strawberry.field(default=None, description="Once viewable, it stays so.")
    viewable_duration_ms: int | None = strawberry.field(
        default=None, description="Milliseconds in view; the longest stays."
    )
    clicked_at: datetime | None = strawberry.field(default=None, description="A click; the earliest stays.")
    converted_at: datetime | None = strawberry.field(default=None, description="A conversion; the earliest stays.")
    charged_at: datetime | None = strawberry.field(
        default=None, description="A charge; the earliest stays, with its rate."
    )
    cpi_rate: Decimal | None = strawberry.field(
        default=None,
        description="The rate of the charge. Without one: the impression's own, else the campaign's price.",
    )


@strawberry.input(description="What became of impressions, whatever campaigns they belong to.")
class UpdateImpressionsInput:
    """What updateImpressions takes."""

    updates: list[ImpressionUpdateInput] = strawberry.field(description="At most 1000.")


@strawberry.type
class ImpressionMutation:
    """The changes of this domain."""

    @strawberry.mutation(description="Records up to 1000 impressions; a repeated key counts once.")
    async def record_impressions(self, info: Info, input: RecordImpressionsInput) -> IngestPayload:  # noqa: A002
        given, problems = input.impressions, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> recording.Outcome:
            check_size(given, "impressions")
            campaign_id = ids.required("Campaign", input.campaign_id, "campaign_id")
            if not await campaigns.for_recording(transaction, [campaign_id]):
                raise Refused([not_found("No such campaign.", "campaign_id")])
            problems.clear()
            items = _valid(given, campaign_id, problems)
            places = list(items)
            for place, wrong in (await strangers(transaction, list(items.values()), CHANNEL_AND_AUDIENCE)).items():
                problems[places[place]] = wrong
            return await recording.record(transaction, [one for at, one in items.items() if at not in problems])

        return answered(await info.context.change(work), problems, [item.key for item in given])

    @strawberry.mutation(
        description="Clicks, conversions, viewability and charges of earlier impressions, named by key or id. An "
        "update that changes nothing is a duplicate; one of an unknown impression is rejected as NOT_FOUND."
    )
    async def update_impressions(self, info: Info, input: UpdateImpressionsInput) -> IngestPayload:  # noqa: A002
        given, problems = input.updates, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> updating.Outcome:
            check_size(given, "updates")
            return await updating.update(transaction, _changes(given, problems))

        outcome = await info.context.change(work)
        if outcome.value is not None:
            problems |= {index: [problem] for index, problem in outcome.value.refused.items()}
        return answered(outcome, problems, [item.key for item in given])


def _valid(
    given: Sequence[ImpressionInput], campaign_id: int, problems: dict[int, list[Problem]]
) -> dict[int, NewImpression]:
    """The items without problems by position, and the problems of the others."""
    now, items = datetime.now(UTC), {}
    for index, item in enumerate(given):
        found: list[Problem] = []
        new = _new(item, campaign_id, now, found)
        found += new.problems(now)
        if found:
            problems[index] = found
        else:
            items[index] = new
    return items


def _new(item: ImpressionInput, campaign_id: int, now: datetime, found: list[Problem]) -> NewImpression:
    values = dict(vars(item))
    for name, kind in (("channel_id", "Channel"), ("audience_id", "Audience")):
        if values[name] is not None:
            values[name] = ids.checked(kind, values[name], found, name)
    actor: ActorInput | None = values.pop("actor")
    if actor is not None:
        values.update(vars(actor))
    if values["occurred_at"] is None:
        values["occurred_at"] = now
    return NewImpression(campaign_id=campaign_id, **values)


def _changes(given: Sequence[ImpressionUpdateInput], problems: dict[int, list[Problem]]) -> dict[int, ImpressionChange]:
    now, changes = datetime.now(UTC), {}
    for index, item in enumerate(given):
        found: list[Problem] = []
        values = vars(item) | {"id": ids.checked("Impression", item.id, found, "id")}
        change = ImpressionChange(**values)
        found += [problem for problem in change.problems(now) if problem.field != ("id",) or not found]
        if found:
            problems[index] = found
        else:
            changes[index] = change
    return changes
