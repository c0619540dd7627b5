"""The e-mail event, and which of them a list shows."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON

from db.keyset import PageRequest
from db.queries.email_events import reading
from db.queries.mailings import links, recipients
from graph.connections import connections
from graph.context import Info
from graph.email_events.kinds import EmailEventType
from graph.errors import bad_input
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.selection import selection_of
from graph.windows import TimeWindow, window_of

if TYPE_CHECKING:
    from graph.mailings.recipients import Recipient, TrackedLink


@strawberry.input(description="Which e-mail events. All that is given must hold.")
class EmailEventFilter:
    """A filter as an argument. Null is the same as left out."""

    types: list[EmailEventType] | None = strawberry.field(default=None, description="Of one of these types.")
    ip_address: str | None = strawberry.field(
        default=None, description="From exactly this address, IPv4 or IPv6, however it is written."
    )
    is_machine: bool | None = strawberry.field(
        default=None, description="Of machines only; false: of people only. Only OPEN and CLICK are ever machines'."
    )
    window: TimeWindow | None = strawberry.field(default=None, description="Occurred in this window.")


def filter_of(given: EmailEventFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    window = window_of(given.window)
    return reading.Filter(
        types=None if given.types is None else tuple(sorted(set(given.types))),
        is_machine=given.is_machine,
        ip_address=None if given.ip_address is None else _address(given.ip_address),
        start=window.start,
        end=window.end,
    )


def _address(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise bad_input("filter.ipAddress: this is not an IP address.") from None
    if getattr(found, "scope_id", None) is not None:
        raise bad_input("filter.ipAddress: an address with a zone is never kept.")
    return str(found)


@strawberry.type(description="Something that became of a mail. Never changed once it is recorded.")
class EmailEvent(Node):
    """A view of a row of email_events."""

    id: strawberry.ID = global_id("EmailEvent")
    type: EmailEventType = strawberry.field(description="What became of it.")
    user_agent: str | None = strawberry.field(
        description="What the program that did it calls itself; null where that is not known."
    )
    ip_address: str | None = strawberry.field(
        description="Where it came from, IPv4 or IPv6; null where that is not known."
    )
    is_machine: bool = strawberry.field(
        description="Whether it is taken for a machine's: a mail scanner or a prefetching proxy. Then it counts nowhere. Of an OPEN or "
        "CLICK only."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    created_at: datetime = strawberry.field(description="When it was recorded.")

    recipient_id: strawberry.Private[int]
    link_id: strawberry.Private[int | None]

    @strawberry.field(description="What else is known of it, as it was reported: a JSON object, or null.")
    def data(root: strawberry.Parent[Any]) -> JSON | None:  # noqa: N805 - a row, whose document the driver has read
        return root.data

    @level_field(description="To whom the mail went.")
    async def recipient(
        roots: Roots,  # noqa: N805
        info: Info,
    ) -> list[Annotated["Recipient", strawberry.lazy("graph.mailings.recipients")]]:
        fields = selection_of(info).names
        return await info.context.loaders.one_each(recipients.by_ids, (fields,), [root.recipient_id for root in roots])

    @level_field(description="Which link of the mail was clicked; null where that is not known, and of other types.")
    async def link(
        roots: Roots,  # noqa: N805
        info: Info,
    ) -> list[Annotated["TrackedLink", strawberry.lazy("graph.mailings.recipients")] | None]:
        fields = selection_of(info).names
        return await info.context.loaders.one_each(links.by_ids, (fields,), [root.link_id for root in roots])


async def events_of_mailings(
    info: Info, mailing_ids: Sequence[int], given: EmailEventFilter | None, request: PageRequest
) -> Any:
    """For each mailing a page of what became of its mails, newest first. Raises the error that the caller sees."""
    which = filter_of(given)
    return await connections(
        info,
        reading.NEWEST,
        request,
        mailing_ids,
        lambda fields, request: (reading.of_mailings, (fields, which, request)),
        (reading.count_of_mailings, (which,)),
    )


async def events_of_recipients(
    info: Info, recipient_ids: Sequence[int], given: EmailEventFilter | None, request: PageRequest
) -> Any:
    """For each recipient a page of what became of the mail, newest first. Raises the error that the caller sees."""
    which = filter_of(given)
    return await connections(
        info,
        reading.NEWEST,
        request,
        recipient_ids,
        lambda fields, request: (reading.of_recipients, (fields, which, request)),
        (reading.count_of_recipients, (which,)),
    )
