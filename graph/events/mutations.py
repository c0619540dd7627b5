"""Recording events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import strawberry
from strawberry.scalars import JSON

from db.engine import Transaction
from db.errors import Problem
from db.models.event_items import NewEvent
from db.queries.events import dead_letters, recording
from db.queries.events.dead_letters import Letter
from db.queries.references import strangers
from graph import ids
from graph.context import Info
from graph.events.kinds import EventType
from graph.ingest import IngestPayload, answered, check_size
from graph.inputs import built_by_name
from graph.money import MoneyInput


@built_by_name
@strawberry.input(description="An event to record.")
class EventInput:
    """One item of recordEvents."""

    key: str = strawberry.field(
        description="Your own key, 1 to 200 characters, unique in the workspace. A repeated one counts once."
    )
    type: EventType = strawberry.field(description="What happened.")
    campaign_id: strawberry.ID = strawberry.field(description="The campaign it is about.")
    channel_id: strawberry.ID | None = strawberry.field(
        default=None, description="The channel it happened on. The campaign is put on it, if it is not yet."
    )
    audience_id: strawberry.ID | None = strawberry.field(default=None, description="The audience it happened in.")
    user_id: str | None = strawberry.field(
        default=None, description="Whom the platform says it was: 1 to 200 characters."
    )
    occurred_at: datetime = strawberry.field(
        description="When it happened: from the year 2000 on, at most five minutes ahead. May arrive late."
    )
    value: MoneyInput | None = strawberry.field(
        default=None, description="What it was worth, in any currency. Of conversions it is the revenue."
    )
    data: JSON | None = strawberry.field(
        default=None, description="What else is to be kept: any JSON, at most 16,384 bytes."
    )


@strawberry.input(description="Events, whatever campaigns they are about.")
class RecordEventsInput:
    """What recordEvents takes."""

    events: list[EventInput] = strawberry.field(description="At most 1000.")


@strawberry.type
class EventMutation:
    """The changes of this domain."""

    @strawberry.mutation(
        description="Records up to 1000 events; a repeated key counts once. An event that cannot be taken is rejected by "
        "itself, and kept as a dead letter."
    )
    async def record_events(self, info: Info, input: RecordEventsInput) -> IngestPayload:  # noqa: A002
        given, problems = input.events, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> recording.Outcome:
            check_size(given, "events")
            problems.clear()
            items = _valid(given, problems)
            places = list(items)
            for place, wrong in (await strangers(transaction, list(items.values()))).items():
                problems[places[place]] = wrong
            done = await recording.record(transaction, [one for at, one in items.items() if at not in problems])
            letters = [Letter(given[at].key, _as_it_came(given[at]), wrong) for at, wrong in sorted(problems.items())]
            await dead_letters.keep(transaction, letters)
            return done

        return answered(await info.context.change(work), problems, [item.key for item in given])


def _valid(given: Sequence[EventInput], problems: dict[int, list[Problem]]) -> dict[int, NewEvent]:
    """The items without problems by position, and the problems of the others."""
    now, items = datetime.now(UTC), {}
    for index, item in enumerate(given):
        found: list[Problem] = []
        new = _new(item, found)
        found += new.problems(now)
        if found:
            problems[index] = found
        else:
            items[index] = new
    return items


def _new(item: EventInput, found: list[Problem]) -> NewEvent:
    value = item.value
    return NewEvent(
        item.key,
        item.type,
        ids.checked("Campaign", item.campaign_id, found, "campaign_id") or 0,
        item.occurred_at,
        ids.checked("Channel", item.channel_id, found, "channel_id"),
        ids.checked("Audience", item.audience_id, found, "audience_id"),
        item.user_id,
        None if value is None else value.amount,
        None if value is None else value.currency,
        item.data,
    )


def _as_it_came(item: EventInput) -> str:
    """An item as JSON, with the names that senders use."""
    values: dict[str, Any] = {
        "key": item.key,
        "type": item.type.value,
        "campaignId": item.campaign_id,
        "channelId": item.channel_id,
        "audienceId": item.audience_id,
        "userId": item.user_id,
        "occurredAt": item.occurred_at,
        "value": None if item.value is None else {"amount": str(item.value.amount), "currency": item.value.currency},
    }
    told = {name: value for name, value in values.items() if value is not None}
    try:
        return orjson.dumps(told | ({} if item.data is None else {"data": item.data})).decode()
    except TypeError:  # half of a surrogate pair, or data that is nested too deeply: without it, then
        return repr(told)
