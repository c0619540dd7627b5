"""Mailings and what hangs on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry

from db.keyset import PageRequest
from db.models.email_words import MailingStatus
from db.queries.mailings import links, reading, recipients
from graph.campaigns.types import Campaign, campaigns_of
from graph.connections import After, Before, Connection, First, Last, connections
from graph.context import Info
from graph.email_events.types import EmailEvent, EmailEventFilter, events_of_mailings
from graph.email_templates.types import EmailTemplate, templates_of
from graph.ids import Node, global_id
from graph.levels import Roots, level_field
from graph.mailings.metrics import MailingMetrics, RecipientStatusCount, metrics_of, status_counts_of
from graph.mailings.recipients import Recipient, RecipientFilter, TrackedLink, filter_of
from graph.selection import selection_of

strawberry.enum(MailingStatus, name="MailingStatus", description="Where a mailing stands. COMPLETED is final.")


@strawberry.type(
    description="One e-mail send of a campaign. From its start on it keeps what its template said then, and sends that."
)
class Mailing(Node):
    """A view of a row of mailings."""

    id: strawberry.ID = global_id("Mailing")
    key: str | None = strawberry.field(description="The caller's own key, unique in the workspace.")
    name: str = strawberry.field(description="What people call it. Need not be unique.")
    from_address: str = strawberry.field(description="Whom its mails are from: an address, with a name or without.")
    messages_per_minute: int | None = strawberry.field(
        description="How many mails are sent a minute, at most; null: as fast as it goes."
    )
    status: MailingStatus = strawberry.field(description="Where it stands.")
    status_reason: str | None = strawberry.field(
        description="Why it has FAILED, or why it waits while it is RUNNING; null otherwise."
    )
    scheduled_at: datetime | None = strawberry.field(
        description="When it is to start, or was; null without a schedule."
    )
    started_at: datetime | None = strawberry.field(description="When it was started first; null before.")
    completed_at: datetime | None = strawberry.field(description="When it was COMPLETED; null before.")
    created_by: str | None = strawberry.field(description="Subject of the viewer who created it.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(
        description="When it was last changed. What becomes of its mails does not change it."
    )

    @level_field(description="The campaign it belongs to.")
    async def campaign(roots: Roots, info: Info) -> list[Campaign]:  # noqa: N805
        return await campaigns_of(info, [root.campaign_id for root in roots])

    @level_field(description="The template of its mails, as it is now, deleted or not.")
    async def template(roots: Roots, info: Info) -> list[EmailTemplate]:  # noqa: N805
        return await templates_of(info, [root.template_id for root in roots])

    @level_field(description="What became of its mails, newest first.")
    async def events(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: EmailEventFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[EmailEvent]]:
        return await events_of_mailings(info, _ids(roots), filter, PageRequest.of(first, after, last, before))

    @level_field(description="Whom it goes to, in the order in which they were added.")
    async def recipients(
        roots: Roots,  # noqa: N805
        info: Info,
        filter: RecipientFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[Recipient]]:
        which, request = filter_of(filter), PageRequest.of(first, after, last, before)
        return await connections(
            info,
            recipients.OLDEST,
            request,
            _ids(roots),
            lambda fields, request: (recipients.of_mailings, (fields, which, request)),
            (recipients.count_of_mailings, (which,)),
        )

    @level_field(description="How many recipients have each status: an entry for every status, in their order.")
    async def recipients_by_status(roots: Roots, info: Info) -> list[list[RecipientStatusCount]]:  # noqa: N805
        return await status_counts_of(info, _ids(roots))

    @level_field(description="The links of its mails, as they stand in them; none before it was started.")
    async def links(
        roots: Roots,  # noqa: N805
        info: Info,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> list[Connection[TrackedLink]]:
        return await connections(
            info,
            links.BY_POSITION,
            PageRequest.of(first, after, last, before),
            _ids(roots),
            lambda fields, request: (links.of_mailings, (fields, request)),
            (links.count_of_mailings, ()),
        )

    @level_field(description="Its numbers.")
    async def metrics(roots: Roots, info: Info) -> list[MailingMetrics]:  # noqa: N805
        return await metrics_of(info, _ids(roots))


def _ids(roots: Roots) -> list[int]:
    return [root.id for root in roots]


def mailings_of(info: Info, mailing_ids: Sequence[int | None]) -> Any:
    """The mailings of rows that name one each, with what the current field selects of them."""
    return info.context.loaders.one_each(reading.by_ids, (selection_of(info).names,), mailing_ids)


def mailing_of(info: Info, mailing_id: int | None) -> Any:
    """The mailing of an id, with what the current field selects of it; null where there is none."""
    if mailing_id is None:
        return None
    return info.context.loaders.one(reading.by_ids, (selection_of(info).names,), mailing_id)
