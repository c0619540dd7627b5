"""What comes in of mailings."""

from datetime import datetime
from typing import Any

import strawberry

from db.errors import Problem, invalid
from db.models.email_words import FASTEST, LONGEST_KEY, LONGEST_NAME
from db.models.rules import text_problems
from graph import ids
from jobs.mailings.headers import from_problems

_AS_CREATED = "As in CreateMailingInput. Cannot be cleared."
_REQUIRED = ("name", "template_id", "from_address")


@strawberry.input(description="A new mailing.")
class CreateMailingInput:
    """What createMailing takes."""

    key: str | None = strawberry.field(
        default=None, description=f"Your own key: 1 to {LONGEST_KEY} characters, unique in the workspace."
    )
    campaign_id: strawberry.ID = strawberry.field(description="The campaign that it belongs to. Never changes.")
    name: str = strawberry.field(description=f"1 to {LONGEST_NAME} characters.")
    template_id: strawberry.ID = strawberry.field(description="The template of its mails.")
    from_address: str = strawberry.field(
        description="Whom its mails are from: an address, or a name and one: Groundswell <news@example.com>."
    )
    messages_per_minute: int | None = strawberry.field(
        default=None, description=f"At most so many mails a minute, 1 to {FASTEST:,}; as fast as it goes without it."
    )


@strawberry.input(description="Changes to a mailing. A field left out stays as it is; null clears it.")
class UpdateMailingInput:
    """What updateMailing takes."""

    id: strawberry.ID = strawberry.field(description="Which mailing.")
    key: str | None = strawberry.field(default=strawberry.UNSET, description="As in CreateMailingInput.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description=_AS_CREATED)
    template_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_AS_CREATED)
    from_address: str | None = strawberry.field(default=strawberry.UNSET, description=_AS_CREATED)
    messages_per_minute: int | None = strawberry.field(
        default=strawberry.UNSET, description="As in CreateMailingInput."
    )


@strawberry.input(description="A mailing that is to be deleted.")
class DeleteMailingInput:
    """What deleteMailing takes."""

    id: strawberry.ID = strawberry.field(description="Which mailing.")


@strawberry.input(description="A mailing with which something is to be done.")
class MailingActionInput:
    """What unscheduleMailing, startMailing, pauseMailing and resumeMailing take."""

    id: strawberry.ID = strawberry.field(description="Which mailing.")


@strawberry.input(description="When a mailing is to start.")
class ScheduleMailingInput:
    """What scheduleMailing takes."""

    id: strawberry.ID = strawberry.field(description="Which mailing.")
    scheduled_at: datetime = strawberry.field(description="A time that lies ahead, by a year at most.")


@strawberry.input(description="Whom a mailing is to go to as well.")
class AddRecipientsInput:
    """What addRecipients takes."""

    mailing_id: strawberry.ID = strawberry.field(description="Which mailing.")
    lead_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Leads. Together with the addresses at most 1000."
    )
    emails: list[str] | None = strawberry.field(
        default=None, description="Addresses. One that is no lead's makes a lead that has nothing else."
    )


def values_of(input_: CreateMailingInput | UpdateMailingInput, problems: list[Problem]) -> dict[str, Any]:
    """The columns that an input gives; what is wrong with them by themselves is added to ``problems``."""
    values = {name: value for name, value in vars(input_).items() if value is not strawberry.UNSET}
    values.pop("id", None)
    for name in _REQUIRED:
        if name in values and values[name] is None:
            problems.append(invalid("This cannot be cleared.", name))
            del values[name]
    for name, longest in (("key", LONGEST_KEY), ("name", LONGEST_NAME)):
        if values.get(name) is not None:
            problems.extend(text_problems(name, values[name], longest))
    for name, kind in (("campaign_id", "Campaign"), ("template_id", "EmailTemplate")):
        if name in values:
            values[name] = ids.checked(kind, values[name], problems, name)
    if "from_address" in values:
        problems.extend(from_problems(values["from_address"]))
    speed = values.get("messages_per_minute")
    if speed is not None and not 1 <= speed <= FASTEST:
        problems.append(invalid(f"From 1 to {FASTEST:,} mails a minute.", "messages_per_minute"))
    return values
