"""Recipients and the links of mailings."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.follower_words import MOST_WORDS, searched
from db.queries.mailings import numbers
from db.queries.mailings import reading as mailings
from db.queries.mailings import recipients as reading
from graph.connections import After, Before, Connection, First, Last
from graph.context import Info
from graph.email_events.types import EmailEvent, EmailEventFilter, events_of_recipients
from graph.errors import bad_input
from graph.ids import Node, global_id
from graph.leads.types import Lead, leads_of
from graph.levels import Roots, level_field
from graph.mailings.kinds import RecipientStatus
from graph.scalars import BigInt
from graph.searches import search_of
from graph.selection import selection_of

if TYPE_CHECKING:
    from graph.mailings.types import Mailing


@strawberry.input(description="Which recipients of a mailing. All that is given must hold.")
class RecipientFilter:
    """A filter as an argument. Null is the same as left out."""

    status: list[RecipientStatus] | None = strawberry.field(default=None, description="With one of these statuses.")
    unopened: bool | None = strawberry.field(
        default=None, description="Those sent to who neither opened nor clicked, and did not bounce; false: all others."
    )
    search: str | None = strawberry.field(
        default=None,
        description="Each of these words begins a word of the lead's name, address or key; case does not matter. At most "
        f"{MOST_WORDS} words and 200 characters.",
    )


def filter_of(given: RecipientFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    words = searched(search_of(given.search) or "")
    if len(words) > MOST_WORDS:
        raise bad_input(f"filter.search: at most {MOST_WORDS} words; there are {len(words)}.")
    return reading.Filter(
        statuses=None if given.status is None else tuple(given.status), unopened=given.unopened, words=tuple(words)
    )


@strawberry.type(description="A lead in one mailing. The times are those of the first such event each.")
class Recipient(Node):
    """A view of a row of recipients."""

    id: strawberry.ID = global_id("Recipient")
    email_address: str = strawberry.field(description="Where the mail goes: the lead's address when it was added.")
    status: RecipientStatus = strawberry.field(description="How far the mail has come.")
    attempts: int = strawberry.field(description="How often a mail server was asked to take it and said: not now.")
    sent_at: datetime | None = strawberry.field(description="When a mail server took the mail.")
    opened_at: datetime | None = strawberry.field(description="The first open or click of a person.")
    clicked_at: datetime | None = strawberry.field(description="The first click of a person.")
    replied_at: datetime | None = strawberry.field(description="The first reply.")
    bounced_at: datetime | None = strawberry.field(description="When the mail came back.")
    failed_at: datetime | None = strawberry.field(description="When it was found that it cannot be sent.")
    forwarded_at: datetime | None = strawberry.field(description="When it was forwarded first.")
    unsubscribed_at: datetime | None = strawberry.field(description="When the recipient unsubscribed with it.")
    complained_at: datetime | None = strawberry.field(description="When the recipient called it spam.")
    uncertain_at: datetime | None = strawberry.field(
        description="When it was found that nobody knows whether it was sent. It is never sent again by itself."
    )
    is_suppressed: bool = strawberry.field(
        description="Whether it has failed since nothing is sent to the address any more."
    )
    error_message: str | None = strawberry.field(description="Why it was not sent, or not yet.")
    created_at: datetime = strawberry.field(description="When it was added.")
    updated_at: datetime = strawberry.field(description="When something became of it last.")

    @level_field(description="The mailing it belongs to.")
    async def mailing(
        roots: Roots,  # noqa: N805
        info: Info,
    ) -> list[Annotated["Mailing", strawberry.lazy("graph.mailings.types")]]:
        fields = selection_of(info).names
        return await info.context.loaders.one_each(mailings.by_ids, (fields,), [root.mailing_id for root in roots])

    @level_field(description="Who it is.")
    async def lead(roots: Roots, info: Info) -> list[Lead]:  # noqa: N805
        return await leads_of(info, [root.lead_id for root in roots])

    @level_field(description="What became of the mail, newest first.")
    async def events(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: EmailEventFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[EmailEvent]]:
        return await events_of_recipients(info, _ids(roots), filter, PageRequest.of(first, after, last, before))


@strawberry.type(
    description="A link of a mailing, as its template has it. Clicks are of people: what machines do counts nowhere."
)
class TrackedLink(Node):
    """A view of a row of tracked_links."""

    id: strawberry.ID = global_id("TrackedLink")
    url: str = strawberry.field(description="Where it leads, placeholders and all.")

    @level_field(description="How often it was clicked.")
    async def clicks(roots: Roots, info: Info) -> list[BigInt]:  # noqa: N805
        return [BigInt(row.clicks) for row in await _numbers(info, roots)]

    @level_field(description="How many recipients clicked it.")
    async def unique_clicks(roots: Roots, info: Info) -> list[BigInt]:  # noqa: N805
        return [BigInt(row.unique_clicks) for row in await _numbers(info, roots)]


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


async def _numbers(info: Info, roots: Roots) -> Sequence[Any]:
    return await info.context.loaders.one_each(numbers.link_numbers, (), _ids(roots), by="link_id")
