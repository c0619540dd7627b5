"""Recording what mail providers report."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.engine import Transaction
from db.errors import Problem
from db.models.email_event_items import NewEmailEvent
from db.queries.email_events import recording
from graph import ids
from graph.context import Info
from graph.email_events.kinds import EmailEventType
from graph.ingest import IngestPayload, answered, check_size
from graph.inputs import built_by_name
from jobs.mailings.machines import is_machine_agent


@built_by_name
@strawberry.input(description="Something that became of a mail, to record.")
class EmailEventInput:
    """One item of recordEmailEvents."""

    key: str = strawberry.field(
        description="Your own key, 1 to 200 characters, unique in the workspace. A repeated one counts once."
    )
    recipient_id: strawberry.ID = strawberry.field(description="To whom the mail went. It must have been sent.")
    type: EmailEventType = strawberry.field(description="What became of it.")
    occurred_at: datetime | None = strawberry.field(
        default=None,
        description="When it happened: from the year 2000 on, at most five minutes ahead; now unless given. May arrive late.",
    )
    data: JSON | None = strawberry.field(
        default=None,
        description="What else is to be kept: a JSON object, at most 16,384 bytes. Of a CLICK, linkUrl names the link, exactly as the "
        "mailing has it. A BOUNCE is for good, and its address suppressed, where bounceType is permanent or hard, or, unless it "
        "is transient, temporary or soft, where errorCode is from 500 to 599 or status or enhancedStatus begins with 5; errorMessage or diagnosticCode becomes "
        "the recipient's errorMessage. Names may have underscores instead.",
    )
    user_agent: str | None = strawberry.field(
        default=None,
        description="What the program calls itself: at most 1000 characters. One of a machine's marks an OPEN or a CLICK as not a person's.",
    )
    ip_address: str | None = strawberry.field(default=None, description="IPv4 or IPv6.")


@strawberry.input(description="What became of mails, whatever mailings they are of.")
class RecordEmailEventsInput:
    """What recordEmailEvents takes."""

    events: list[EmailEventInput] = strawberry.field(description="At most 1000.")


@strawberry.type
class EmailEventMutation:
    """The change of this domain."""

    @strawberry.mutation(
        description="What a mail provider reports: bounces, complaints, replies, forwards; up to 1000 events. A repeated key counts once. "
        "Who unsubscribes or complains, and whose address bounces for good, is not sent to any more. An event that cannot be taken "
        "is rejected by itself: NOT_FOUND for an unknown recipient, CONFLICT for one to whom nothing was sent yet."
    )
    async def record_email_events(self, info: Info, input: RecordEmailEventsInput) -> IngestPayload:  # noqa: A002
        given, problems = input.events, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> recording.Recorded:
            check_size(given, "events")
            problems.clear()
            items = _valid(given, problems)
            places = list(items)
            done = await recording.record(transaction, list(items.values()))
            problems.update({places[place]: wrong for place, wrong in done.rejected.items()})
            return done

        return answered(await info.context.change(work), problems, [item.key for item in given])


def _valid(given: Sequence[EmailEventInput], problems: dict[int, list[Problem]]) -> dict[int, NewEmailEvent]:
    """The items without problems by position, and the problems of the others."""
    now, items = datetime.now(UTC), {}
    for index, item in enumerate(given):
        found: list[Problem] = []
        new = _new(item, now, found)
        found += new.problems(now)
        if found:
            problems[index] = found
        else:
            items[index] = new
    return items


def _new(item: EmailEventInput, now: datetime, found: list[Problem]) -> NewEmailEvent:
    data: Any = item.data
    return NewEmailEvent(
        key=item.key,
        recipient_id=ids.checked("Recipient", item.recipient_id, found, "recipient_id") or 0,
        type=item.type,
        occurred_at=now if item.occurred_at is None else item.occurred_at,
        data=data,
        user_agent=item.user_agent,
        ip_address=item.ip_address,
        is_machine=item.user_agent is not None and is_machine_agent(item.type, item.user_agent),
    )
