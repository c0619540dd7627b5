"""What became of mails: opens, clicks, bounces and so on, each once; and how they are counted."""

from datetime import datetime

from sqlalchemy import DDL, Boolean, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import SLOTS, Base, Key, Recorded, Reference, WorkspaceKey, one_of
from db.models.email_words import LONGEST_AGENT, LONGEST_KEY, EmailEventType
from db.models.reported_items import Document

_MACHINES = "type IN ('OPEN', 'CLICK')"


class EmailEvent(Base):
    """Something that became of a mail to a recipient. Rows are written once and stay."""

    __tablename__ = "email_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "mailing_id", "recipient_id"],
            ["recipients.workspace_id", "recipients.mailing_id", "recipients.id"],
        ),
        ForeignKeyConstraint(
            ["workspace_id", "mailing_id", "link_id"],
            ["tracked_links.workspace_id", "tracked_links.mailing_id", "tracked_links.id"],
        ),
        UniqueConstraint("workspace_id", "key"),
        CheckConstraint(f"btrim(key) <> '' AND length(key) <= {LONGEST_KEY}", name="key"),
        CheckConstraint(one_of("type", EmailEventType), name="type"),
        CheckConstraint("link_id IS NULL OR type = 'CLICK'", name="only_clicks_have_links"),
        CheckConstraint(f"NOT is_machine OR {_MACHINES}", name="machines_open_and_click"),
        CheckConstraint(f"length(user_agent) <= {LONGEST_AGENT}", name="user_agent"),
        Index("email_events_recipient_idx", "workspace_id", "recipient_id", "occurred_at", "id"),
        Index("email_events_mailing_idx", "workspace_id", "mailing_id", "occurred_at", "id"),
        # Pages of some types, of people or of machines, are put together from those of each.
        Index("email_events_did_idx", "workspace_id", "recipient_id", "type", "is_machine", "occurred_at", "id"),
        Index("email_events_type_idx", "workspace_id", "mailing_id", "type", "is_machine", "occurred_at", "id"),
        Index("email_events_address_idx", "workspace_id", "mailing_id", "ip_address", "occurred_at", "id"),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    key: Mapped[str]
    """The sender's own, unique in the workspace: what comes twice is kept once."""
    mailing_id: Mapped[Reference]
    recipient_id: Mapped[Reference]
    type: Mapped[str]
    link_id: Mapped[Reference | None]
    data: Mapped[Document | None]
    user_agent: Mapped[str | None]
    ip_address: Mapped[str | None] = mapped_column(INET)
    is_machine: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """Whether no person did it. Then it counts nowhere."""
    occurred_at: Mapped[datetime]
    created_at: Mapped[Recorded]


COUNT_EVENTS = (
    f"""
    CREATE FUNCTION email_events_count() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO mailing_totals AS totals (workspace_id, mailing_id, slot, opens_total, clicks_total)
      SELECT workspace_id, mailing_id, pg_backend_pid() % {SLOTS}, count(*) FILTER (WHERE type = 'OPEN'),
        count(*) FILTER (WHERE type = 'CLICK')
      FROM new_rows WHERE NOT is_machine AND {_MACHINES} GROUP BY workspace_id, mailing_id ORDER BY workspace_id, mailing_id
      ON CONFLICT (workspace_id, mailing_id, slot) DO UPDATE SET opens_total = totals.opens_total + excluded.opens_total,
        clicks_total = totals.clicks_total + excluded.clicks_total;
      WITH clicked AS (
        SELECT workspace_id, link_id, recipient_id FROM new_rows WHERE NOT is_machine AND link_id IS NOT NULL
      ), first AS (
        INSERT INTO link_recipients (workspace_id, link_id, recipient_id)
        SELECT DISTINCT workspace_id, link_id, recipient_id FROM clicked ORDER BY workspace_id, link_id, recipient_id
        ON CONFLICT DO NOTHING RETURNING workspace_id, link_id
      )
      INSERT INTO link_totals AS totals (workspace_id, link_id, slot, clicks, unique_clicks)
      SELECT workspace_id, link_id, pg_backend_pid() % {SLOTS}, sum(clicks), sum(unique_clicks)
      FROM (SELECT workspace_id, link_id, 1, 0 FROM clicked UNION ALL SELECT workspace_id, link_id, 0, 1 FROM first)
        AS counted (workspace_id, link_id, clicks, unique_clicks)
      GROUP BY workspace_id, link_id ORDER BY workspace_id, link_id
      ON CONFLICT (workspace_id, link_id, slot) DO UPDATE SET clicks = totals.clicks + excluded.clicks,
        unique_clicks = totals.unique_clicks + excluded.unique_clicks;
      RETURN NULL;
    END $$
    """,  # noqa: S608 - constants only
    "CREATE TRIGGER email_events_counted AFTER INSERT ON email_events REFERENCING NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION email_events_count()",
)
"""Statements that keep opens, clicks and links counted, whoever records them."""

for statement in COUNT_EVENTS:
    event.listen(EmailEvent.__table__, "after_create", DDL(statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
