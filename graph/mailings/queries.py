"""The root fields that find mailings."""

from typing import Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.email_words import MailingStatus
from db.queries.mailings import reading
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.mailings.types import Mailing, mailing_of
from graph.searches import search_of
from graph.selection import selection_of
from graph.windows import TimeWindow, window_of


@strawberry.input(description="Which mailings. All that is given must hold.")
class MailingFilter:
    """A filter as an argument. Null is the same as left out."""

    status: list[MailingStatus] | None = strawberry.field(default=None, description="With one of these statuses.")
    search: str | None = strawberry.field(
        default=None,
        description="Each of these words in name or key; case does not matter. At most 200 characters.",
    )
    created_by: str | None = strawberry.field(default=None, description="Created by the viewer of this subject.")
    campaign_id: strawberry.ID | None = strawberry.field(default=None, description="Of this campaign.")
    scheduled: TimeWindow | None = strawberry.field(
        default=None, description="Scheduled for a time in this window, [from, to)."
    )
    started: TimeWindow | None = strawberry.field(
        default=None, description="Started first at a time in this window, [from, to)."
    )


def filter_of(given: MailingFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    campaign = given.campaign_id
    return reading.Filter(
        statuses=None if given.status is None else tuple(given.status),
        words=tuple((search_of(given.search) or "").split()),
        created_by=given.created_by,
        campaign_id=None if campaign is None else ids.argument("Campaign", campaign, "filter.campaignId"),
        scheduled=window_of(given.scheduled),
        started=window_of(given.started),
    )


@strawberry.type
class MailingQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The mailing of an id; null where there is none.")
    def mailing(self, info: Info, id: strawberry.ID) -> Mailing | None:  # noqa: A002
        return mailing_of(info, ids.argument("Mailing", id))

    @strawberry.field(description="The mailing that has this key; null where there is none.")
    def mailing_by_key(
        self, info: Info, key: Annotated[str, strawberry.argument(description="The caller's own key.")]
    ) -> Mailing | None:
        fields: Any = (selection_of(info).names,)
        return info.context.loaders.one(reading.by_keys, fields, key, by="key")

    @strawberry.field(description="The workspace's mailings, newest first.")
    async def mailings(
        self,
        info: Info,
        filter: MailingFilter | None = None,  # noqa: A002
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Mailing]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, which, request),
            lambda: reading.count(reads, which),
        )
