"""Mailings with their recipients and tracked links, and all that is counted of them."""

from datetime import datetime

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import SLOTS, Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.email_words import (
    FASTEST,
    FIRSTS,
    LONGEST_ADDRESS,
    LONGEST_FROM,
    LONGEST_KEY,
    LONGEST_LINK,
    LONGEST_NAME,
    LONGEST_REASON,
    MailingStatus,
    RecipientStatus,
)
from db.models.reported_items import LIVE

MAILING = ["mailings.workspace_id", "mailings.id"]
RECIPIENT = ["recipients.workspace_id", "recipients.id"]
CONTENT = ("subject", "html", "text")
"""What a mailing keeps of its template from its start on."""
STATUS = (
    "CASE WHEN unsubscribed_at IS NOT NULL THEN 'UNSUBSCRIBED' WHEN bounced_at IS NOT NULL THEN 'BOUNCED' "
    "WHEN failed_at IS NOT NULL THEN 'FAILED' WHEN sent_at IS NOT NULL THEN 'SENT' WHEN uncertain_at IS NOT NULL THEN 'UNCERTAIN' "
    "WHEN queued_at IS NOT NULL THEN 'QUEUED' ELSE 'PENDING' END"
)
IS_UNOPENED = "sent_at IS NOT NULL AND opened_at IS NULL AND clicked_at IS NULL AND bounced_at IS NULL"
"""Sent, and neither opened, clicked nor bounced."""
STATUS_COUNTS = {status: f"status_{status.lower()}" for status in RecipientStatus}
"""The column of a mailing's totals that counts recipients of each status."""
FLAGS = {
    "sent": "sent_at IS NOT NULL",
    "opened": "opened_at IS NOT NULL",
    "clicked": "clicked_at IS NOT NULL",
    "replied": "replied_at IS NOT NULL",
    "bounced": "bounced_at IS NOT NULL",
    "failed": "failed_at IS NOT NULL",
    "suppressed": "is_suppressed",
    "unsubscribed": "unsubscribed_at IS NOT NULL",
    "complained": "complained_at IS NOT NULL",
    "forwarded": "forwarded_at IS NOT NULL",
    "unopened": IS_UNOPENED,
}
"""Further columns of a mailing's totals: which recipients each counts."""
EVENT_COUNTS = {"opens_total": "OPEN", "clicks_total": "CLICK"}
"""The last columns: which events of people each counts, by type."""
COUNTERS = (*STATUS_COUNTS.values(), *FLAGS, *EVENT_COUNTS)


class Mailing(Base):
    """One e-mail send of a campaign.

    From its start on it keeps what its template said then, and what it sends does not change any more.
    """

    __tablename__ = "mailings"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        ForeignKeyConstraint(["workspace_id", "template_id"], ["email_templates.workspace_id", "email_templates.id"]),
        CheckConstraint(f"btrim(key) <> '' AND length(key) <= {LONGEST_KEY}", name="key"),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        CheckConstraint(
            f"btrim(from_address) <> '' AND length(from_address) <= {LONGEST_FROM} AND from_address !~ '[[:cntrl:]]'",
            name="from_address",
        ),
        CheckConstraint(one_of("status", MailingStatus), name="status"),
        CheckConstraint("status <> 'SCHEDULED' OR scheduled_at IS NOT NULL", name="scheduled"),
        CheckConstraint(
            "status IN ('DRAFT', 'SCHEDULED', 'FAILED') OR num_nonnulls(started_at, subject, html) = 3", name="started"
        ),
        CheckConstraint("(status = 'COMPLETED') = (completed_at IS NOT NULL)", name="completed"),
        CheckConstraint(f"messages_per_minute BETWEEN 1 AND {FASTEST}", name="messages_per_minute"),
        CheckConstraint(f"length(status_reason) <= {LONGEST_REASON}", name="status_reason"),
        CheckConstraint("deleted_at IS NULL OR status = 'DRAFT'", name="deleted"),
        Index("mailings_key_idx", "workspace_id", "key", unique=True, postgresql_where=text(LIVE)),
        Index("mailings_live_idx", "workspace_id", "id", postgresql_where=text(LIVE)),
        Index("mailings_campaign_idx", "workspace_id", "campaign_id", "id", postgresql_where=text(LIVE)),
        Index("mailings_template_idx", "workspace_id", "template_id", "id"),
        Index("mailings_created_by_idx", "workspace_id", "created_by", "id", postgresql_where=text(LIVE)),
        Index("mailings_status_idx", "workspace_id", "status", "id", postgresql_where=text(LIVE)),
        Index("mailings_scheduled_idx", "workspace_id", "scheduled_at", "id", postgresql_where=text(LIVE)),
        Index("mailings_started_idx", "workspace_id", "started_at", "id", postgresql_where=text(LIVE)),
        # What workers look for, in all workspaces at once: both hold little.
        Index("mailings_due_idx", "workspace_id", "scheduled_at", postgresql_where=text("status = 'SCHEDULED'")),
        Index("mailings_running_idx", "workspace_id", "id", postgresql_where=text("status = 'RUNNING'")),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    key: Mapped[str | None]
    campaign_id: Mapped[Reference]
    name: Mapped[str]
    template_id: Mapped[Reference]
    from_address: Mapped[str]
    messages_per_minute: Mapped[int | None] = mapped_column(Integer)
    """None: as fast as it goes."""
    status: Mapped[str]
    status_reason: Mapped[str | None]
    """Why it has FAILED, or waits."""
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    """When it began to send first."""
    completed_at: Mapped[datetime | None]
    subject: Mapped[str | None]
    html: Mapped[str | None]
    text: Mapped[str | None]
    send_after: Mapped[datetime | None]
    """Nothing is claimed before: the rate limit, or a mail server that is away."""
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]
    deleted_at: Mapped[datetime | None]


class Recipient(Base):
    """A lead in one mailing. The times are the truth, each that of the first such event; the status follows from them."""

    __tablename__ = "recipients"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "mailing_id"], MAILING),
        ForeignKeyConstraint(["workspace_id", "lead_id"], ["leads.workspace_id", "leads.id"]),
        UniqueConstraint("workspace_id", "lead_id", "mailing_id"),
        UniqueConstraint("workspace_id", "mailing_id", "id"),  # what events refer to
        CheckConstraint(f"length(email_address) BETWEEN 3 AND {LONGEST_ADDRESS}", name="email_address"),
        CheckConstraint("address = lower(email_address)", name="address"),
        CheckConstraint(f"sent_at IS NOT NULL OR num_nonnulls({', '.join(FIRSTS.values())}) = 0", name="sent_before"),
        CheckConstraint("clicked_at IS NULL OR opened_at <= clicked_at", name="a_click_is_an_open"),
        CheckConstraint("num_nonnulls(claimed_by, claimed_until) <> 1", name="claimed"),
        CheckConstraint("NOT is_suppressed OR (failed_at IS NOT NULL AND sent_at IS NULL)", name="suppressed"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint(f"length(error_message) <= {LONGEST_REASON}", name="error_message"),
        # In the order in which they are sent to: what waits for its next attempt, and what has not been tried.
        Index(
            "recipients_waiting_idx",
            "workspace_id",
            "mailing_id",
            "try_after",
            "id",
            postgresql_where=text("status = 'PENDING'"),
        ),
        # What workers are at, and what those that are gone have left: never much.
        Index(
            "recipients_claimed_idx",
            "workspace_id",
            "claimed_until",
            postgresql_where=text("claimed_until IS NOT NULL"),
        ),
        Index("recipients_status_idx", "workspace_id", "mailing_id", "status", "id"),
        Index("recipients_unopened_idx", "workspace_id", "mailing_id", "id", postgresql_where=text(IS_UNOPENED)),
        Index("recipients_address_idx", "workspace_id", "address", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    mailing_id: Mapped[Reference]
    lead_id: Mapped[Reference]
    email_address: Mapped[str]
    """The lead's when it was added."""
    address: Mapped[str]
    """The same in lower case, as suppressions know it."""
    status: Mapped[str] = mapped_column(Computed(STATUS, persisted=True))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often a server was asked to take the mail and said: not now."""
    try_after: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    queued_at: Mapped[datetime | None]
    """When a worker claimed it; None again when it gave it back."""
    claimed_by: Mapped[int | None]
    """Which worker, a number that it drew."""
    claimed_until: Mapped[datetime | None]
    intent_at: Mapped[datetime | None]
    """When a worker was about to send it: from then on it may have been sent."""
    uncertain_at: Mapped[datetime | None]
    """When it was found that nobody knows whether it was."""
    sent_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    """The first open or click of a person."""
    clicked_at: Mapped[datetime | None]
    replied_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    forwarded_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    complained_at: Mapped[datetime | None]
    is_suppressed: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """Whether it has failed since nothing is sent to the address any more."""
    error_message: Mapped[str | None]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]


class TrackedLink(Base):
    """A link of a mailing, as its template has it, variables and all."""

    __tablename__ = "tracked_links"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "mailing_id"], MAILING),
        UniqueConstraint("workspace_id", "mailing_id", "position"),
        UniqueConstraint("workspace_id", "mailing_id", "id"),
        CheckConstraint(f"length(url) BETWEEN 1 AND {LONGEST_LINK}", name="url"),
        CheckConstraint("position >= 0", name="position"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    mailing_id: Mapped[Reference]
    position: Mapped[int] = mapped_column(Integer)
    """Its place among the different links of the mail."""
    url: Mapped[str]


class LinkTotal(Base):
    """Clicks of people on a link, and the recipients who clicked it, spread over slots."""

    __tablename__ = "link_totals"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "link_id"], ["tracked_links.workspace_id", "tracked_links.id"]),
        CheckConstraint(f"slot BETWEEN 0 AND {SLOTS - 1}", name="slot"),
        CheckConstraint("least(clicks, unique_clicks) >= 0", name="counts"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    workspace_id: Mapped[WorkspaceKey]
    link_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    clicks: Mapped[int] = mapped_column(server_default="0")
    unique_clicks: Mapped[int] = mapped_column(server_default="0")


class LinkRecipient(Base):
    """That a person who is a recipient has clicked a link."""

    __tablename__ = "link_recipients"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "link_id"], ["tracked_links.workspace_id", "tracked_links.id"]),
        ForeignKeyConstraint(["workspace_id", "recipient_id"], RECIPIENT),
        Index("link_recipients_recipient_idx", "workspace_id", "recipient_id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    link_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recipient_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class MailingTotal(Base):
    """What is counted of a mailing, spread over slots: only their sum says something. Kept by triggers."""

    __tablename__ = "mailing_totals"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "mailing_id"], MAILING),
        CheckConstraint(f"slot BETWEEN 0 AND {SLOTS - 1}", name="slot"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    workspace_id: Mapped[WorkspaceKey]
    mailing_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    status_pending: Mapped[int] = mapped_column(server_default="0")
    status_queued: Mapped[int] = mapped_column(server_default="0")
    status_uncertain: Mapped[int] = mapped_column(server_default="0")
    status_sent: Mapped[int] = mapped_column(server_default="0")
    status_failed: Mapped[int] = mapped_column(server_default="0")
    status_bounced: Mapped[int] = mapped_column(server_default="0")
    status_unsubscribed: Mapped[int] = mapped_column(server_default="0")
    sent: Mapped[int] = mapped_column(server_default="0")
    opened: Mapped[int] = mapped_column(server_default="0")
    clicked: Mapped[int] = mapped_column(server_default="0")
    replied: Mapped[int] = mapped_column(server_default="0")
    bounced: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    suppressed: Mapped[int] = mapped_column(server_default="0")
    unsubscribed: Mapped[int] = mapped_column(server_default="0")
    complained: Mapped[int] = mapped_column(server_default="0")
    forwarded: Mapped[int] = mapped_column(server_default="0")
    unopened: Mapped[int] = mapped_column(server_default="0")
    opens_total: Mapped[int] = mapped_column(server_default="0")
    clicks_total: Mapped[int] = mapped_column(server_default="0")


_OF_RECIPIENTS = (*STATUS_COUNTS.values(), *FLAGS)


def _counts(sign: str) -> str:
    statuses = [f"{sign}(status = '{status}')::int" for status in STATUS_COUNTS]
    return ", ".join([*statuses, *(f"{sign}({condition})::int" for condition in FLAGS.values())])


def _add(source: str, names: tuple[str, ...]) -> str:
    """SQL that adds the rows of a select (workspace_id, mailing_id, names) to this connection's slot, mailings in order."""
    columns = ", ".join(names)
    sums = ", ".join(f"sum({name}) AS {name}" for name in names)
    added = ", ".join(f"{name} = totals.{name} + excluded.{name}" for name in names)
    changed = " OR ".join(f"sum({name}) <> 0" for name in names)
    return (
        f"INSERT INTO mailing_totals AS totals (workspace_id, mailing_id, slot, {columns}) "  # noqa: S608 - names only
        f"SELECT workspace_id, mailing_id, pg_backend_pid() % {SLOTS}, {sums} FROM ({source}) AS rows (workspace_id, mailing_id, {columns}) "
        f"GROUP BY workspace_id, mailing_id HAVING {changed} ORDER BY workspace_id, mailing_id "
        f"ON CONFLICT (workspace_id, mailing_id, slot) DO UPDATE SET {added};"
    )


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"


_NEW = f"SELECT workspace_id, mailing_id, {_counts('')} FROM new_rows"  # noqa: S608 - names only
_OLD = f"SELECT workspace_id, mailing_id, {_counts('-')} FROM old_rows"  # noqa: S608 - names only
COUNT_RECIPIENTS = (
    _function("recipients_count_inserted", _add(_NEW, _OF_RECIPIENTS)),
    _function("recipients_count_updated", _add(f"{_NEW} UNION ALL {_OLD}", _OF_RECIPIENTS)),
    _function("recipients_count_deleted", _add(_OLD, _OF_RECIPIENTS)),
    "CREATE TRIGGER recipients_inserted AFTER INSERT ON recipients REFERENCING NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_inserted()",
    "CREATE TRIGGER recipients_updated AFTER UPDATE ON recipients REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_updated()",
    "CREATE TRIGGER recipients_deleted AFTER DELETE ON recipients REFERENCING OLD TABLE AS old_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_deleted()",
)
"""Statements that keep a mailing's recipients counted, whoever changes them and how."""

for statement in COUNT_RECIPIENTS:
    event.listen(Recipient.__table__, "after_create", DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
