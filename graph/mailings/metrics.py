"""The numbers of mailings. Each is read only if it is selected."""

from collections.abc import Sequence
from typing import Any

import strawberry

from db.queries.mailings import numbers
from graph.context import Info
from graph.mailings.kinds import RecipientStatus
from graph.rates import Numbers, rate
from graph.scalars import BigInt
from graph.selection import selection_of

_SENT = "emails_sent"
strawberry.enum(
    RecipientStatus,
    name="RecipientStatus",
    description="How far the mail to a recipient has come: the last of these that holds.",
)


@strawberry.type(
    description="What became of the mails to all recipients of a mailing, or of all mailings of a campaign. Numbers count "
    "recipients, each once, except opensTotal and clicksTotal; what machines opened and clicked (mail scanners, prefetching "
    "proxies) counts nowhere. Rates are percent of e-mails sent, except where the name says otherwise: 0-100 with two decimals, "
    "half up; null where the denominator is 0."
)
class MailingMetrics:
    """A view of a row of db.queries.mailings.numbers."""

    total_recipients: BigInt = strawberry.field(description="All recipients, whatever their status.")
    emails_sent: BigInt = strawberry.field(
        description="Mails that a mail server took, those that bounced later included."
    )
    emails_delivered: BigInt = strawberry.field(description="Sent, and not bounced.")
    emails_opened: BigInt = strawberry.field(
        description="Recipients who opened the mail or clicked a link in it: a click counts as an open."
    )
    emails_clicked: BigInt = strawberry.field(description="Recipients who clicked a link.")
    emails_replied: BigInt = strawberry.field(description="Recipients who replied.")
    emails_bounced: BigInt = strawberry.field(description="Mails that came back, for good or for now.")
    emails_failed: BigInt = strawberry.field(
        description="Mails that could not be sent, those that were not because their address is suppressed included."
    )
    emails_suppressed: BigInt = strawberry.field(
        description="Mails that were not sent because somebody unsubscribed or complained, or the address does not exist."
    )
    emails_unopened: BigInt = strawberry.field(description="Sent, and neither opened, clicked nor bounced.")
    emails_uncertain: BigInt = strawberry.field(
        description="Mails of which nobody knows whether they were sent: the status UNCERTAIN."
    )
    unsubscribed: BigInt = strawberry.field(description="Recipients who unsubscribed with this mail.")
    complained: BigInt = strawberry.field(description="Recipients who called the mail spam.")
    forwarded: BigInt = strawberry.field(description="Recipients who forwarded the mail.")
    opens_total: BigInt = strawberry.field(
        description="Events of the type OPEN by people, several of a recipient included. Clicks are not among them."
    )
    clicks_total: BigInt = strawberry.field(
        description="Events of the type CLICK by people, several of a recipient included."
    )

    open_rate = rate(["emails_opened"], _SENT, description="Opened over sent, percent.")
    click_rate = rate(["emails_clicked"], _SENT, description="Clicked over sent, percent.")
    reply_rate = rate(["emails_replied"], _SENT, description="Replied over sent, percent.")
    bounce_rate = rate(["emails_bounced"], _SENT, description="Bounced over sent, percent.")
    unsubscribe_rate = rate(["unsubscribed"], _SENT, description="Unsubscribed over sent, percent.")
    complaint_rate = rate(["complained"], _SENT, description="Complained over sent, percent.")
    click_to_open_rate = rate(
        ["emails_clicked"], "emails_opened", description="Clicked over opened, percent. Null where nobody opened."
    )


@strawberry.type(description="How many recipients of a mailing have a status.")
class RecipientStatusCount:
    """A db.queries.mailings.numbers.StatusCount."""

    status: RecipientStatus = strawberry.field(description="The status.")
    count: BigInt = strawberry.field(description="How many recipients have it now; 0 for none.")


_METRICS = Numbers(MailingMetrics, {})


def metrics_of(info: Info, mailing_ids: Sequence[int]) -> Any:
    """For each mailing its numbers, as the current field selects them."""
    return info.context.loaders.one_each(numbers.of_mailings, (_METRICS.of(selection_of(info)),), mailing_ids)


def campaign_metrics_of(info: Info, campaign_ids: Sequence[int]) -> Any:
    """For each campaign the numbers of all its mailings together, as the current field selects them."""
    return info.context.loaders.one_each(numbers.of_campaigns, (_METRICS.of(selection_of(info)),), campaign_ids)


def status_counts_of(info: Info, mailing_ids: Sequence[int]) -> Any:
    """For each mailing how many of its recipients have each status: all seven, in their order."""
    return info.context.loaders.many_each(numbers.statuses_of, (), mailing_ids)
