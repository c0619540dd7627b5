"""E-mail: leads, templates, mailings with their recipients and links, what became of the mails, and what is counted of them.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import tenancy

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A migration that cannot get its lock fails and is tried again; it never queues up all traffic behind it.
LOCK_TIMEOUT = "5s"

TABLES = (
    "email_templates",
    "lead_attributes",
    "leads",
    "lead_words",
    "mailings",
    "mailing_totals",
    "recipients",
    "tracked_links",
    "email_events",
    "link_recipients",
    "link_totals",
    "suppressions",
)
"""The new tables, those that others refer to first. Restricted API clients see nothing of them: they hold who was written to."""


SLOTS = 16
STATUSES = ("PENDING", "QUEUED", "UNCERTAIN", "SENT", "FAILED", "BOUNCED", "UNSUBSCRIBED")
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
    "unopened": "sent_at IS NOT NULL AND opened_at IS NULL AND clicked_at IS NULL AND bounced_at IS NULL",
}
COUNTED = (*(f"status_{status.lower()}" for status in STATUSES), *FLAGS)
OF_EVENTS = "type IN ('OPEN', 'CLICK')"


def _counts(sign: str) -> str:
    statuses = [f"{sign}(status = '{status}')::int" for status in STATUSES]
    return ", ".join([*statuses, *(f"{sign}({condition})::int" for condition in FLAGS.values())])


def _add(source: str) -> str:
    columns = ", ".join(COUNTED)
    sums = ", ".join(f"sum({name}) AS {name}" for name in COUNTED)
    added = ", ".join(f"{name} = totals.{name} + excluded.{name}" for name in COUNTED)
    changed = " OR ".join(f"sum({name}) <> 0" for name in COUNTED)
    return (
        f"INSERT INTO mailing_totals AS totals (workspace_id, mailing_id, slot, {columns}) "  # noqa: S608 - names only
        f"SELECT workspace_id, mailing_id, pg_backend_pid() % {SLOTS}, {sums} FROM ({source}) AS rows (workspace_id, mailing_id, {columns}) "
        f"GROUP BY workspace_id, mailing_id HAVING {changed} ORDER BY workspace_id, mailing_id "
        f"ON CONFLICT (workspace_id, mailing_id, slot) DO UPDATE SET {added};"
    )


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"


NEW = f"SELECT workspace_id, mailing_id, {_counts('')} FROM new_rows"  # noqa: S608 - names only
OLD = f"SELECT workspace_id, mailing_id, {_counts('-')} FROM old_rows"  # noqa: S608 - names only
# What is counted follows the rows, whoever writes them and how: each connection adds to a slot of its own.
COUNT_RECIPIENTS = (
    _function("recipients_count_inserted", _add(NEW)),
    _function("recipients_count_updated", _add(f"{NEW} UNION ALL {OLD}")),
    _function("recipients_count_deleted", _add(OLD)),
    "CREATE TRIGGER recipients_inserted AFTER INSERT ON recipients REFERENCING NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_inserted()",
    "CREATE TRIGGER recipients_updated AFTER UPDATE ON recipients REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_updated()",
    "CREATE TRIGGER recipients_deleted AFTER DELETE ON recipients REFERENCING OLD TABLE AS old_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION recipients_count_deleted()",
)
COUNT_EVENTS = (
    f"""
    CREATE FUNCTION email_events_count() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO mailing_totals AS totals (workspace_id, mailing_id, slot, opens_total, clicks_total)
      SELECT workspace_id, mailing_id, pg_backend_pid() % {SLOTS}, count(*) FILTER (WHERE type = 'OPEN'),
        count(*) FILTER (WHERE type = 'CLICK')
      FROM new_rows WHERE NOT is_machine AND {OF_EVENTS} GROUP BY workspace_id, mailing_id ORDER BY workspace_id, mailing_id
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
FUNCTIONS = ("recipients_count_inserted", "recipients_count_updated", "recipients_count_deleted", "email_events_count")


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "email_templates",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("btrim(html) <> '' AND length(html) <= 524288", name=op.f("email_templates_html_check")),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("email_templates_name_check")),
        sa.CheckConstraint(
            "btrim(subject) <> '' AND length(subject) <= 500", name=op.f("email_templates_subject_check")
        ),
        sa.CheckConstraint("btrim(text) <> '' AND length(text) <= 131072", name=op.f("email_templates_text_check")),
        sa.CheckConstraint("subject !~ '[[:cntrl:]]'", name=op.f("email_templates_subject_is_a_line_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("email_templates_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("email_templates_pkey")),
    )
    op.create_index(
        "email_templates_live_idx",
        "email_templates",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "lead_attributes",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("name ~ '^[A-Za-z_][A-Za-z0-9_]{0,63}$'", name=op.f("lead_attributes_name_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("lead_attributes_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "name", name=op.f("lead_attributes_pkey")),
    )
    op.create_table(
        "leads",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("btrim(key) <> '' AND length(key) <= 200", name=op.f("leads_key_check")),
        sa.CheckConstraint(
            "btrim(name) <> '' AND length(name) <= 200 AND name !~ '[[:cntrl:]]'", name=op.f("leads_name_check")
        ),
        sa.CheckConstraint("jsonb_typeof(attributes) = 'object'", name=op.f("leads_attributes_check")),
        sa.CheckConstraint(
            "length(email) BETWEEN 3 AND 254 AND email !~ '[[:cntrl:][:space:]]'", name=op.f("leads_email_check")
        ),
        sa.CheckConstraint("address = lower(email)", name=op.f("leads_address_check")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("leads_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("leads_pkey")),
        sa.UniqueConstraint("workspace_id", "address", name=op.f("leads_workspace_id_address_key")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("leads_workspace_id_key_key")),
    )
    op.create_table(
        "lead_words",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("length(word) BETWEEN 1 AND 100", name=op.f("lead_words_word_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["leads.workspace_id", "leads.id"],
            name=op.f("lead_words_workspace_id_lead_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "lead_id", "word", name=op.f("lead_words_pkey")),
    )
    op.create_index("lead_words_word_idx", "lead_words", ["workspace_id", "word", "lead_id"], unique=False)
    op.create_table(
        "mailings",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("messages_per_minute", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("send_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'COMPLETED') = (completed_at IS NOT NULL)", name=op.f("mailings_completed_check")
        ),
        sa.CheckConstraint(
            "btrim(from_address) <> '' AND length(from_address) <= 320 AND from_address !~ '[[:cntrl:]]'",
            name=op.f("mailings_from_address_check"),
        ),
        sa.CheckConstraint("btrim(key) <> '' AND length(key) <= 200", name=op.f("mailings_key_check")),
        sa.CheckConstraint("btrim(name) <> '' AND length(name) <= 200", name=op.f("mailings_name_check")),
        sa.CheckConstraint("deleted_at IS NULL OR status = 'DRAFT'", name=op.f("mailings_deleted_check")),
        sa.CheckConstraint("status <> 'SCHEDULED' OR scheduled_at IS NOT NULL", name=op.f("mailings_scheduled_check")),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'SCHEDULED', 'FAILED') OR num_nonnulls(started_at, subject, html) = 3",
            name=op.f("mailings_started_check"),
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED')",
            name=op.f("mailings_status_check"),
        ),
        sa.CheckConstraint("length(status_reason) <= 1000", name=op.f("mailings_status_reason_check")),
        sa.CheckConstraint("messages_per_minute BETWEEN 1 AND 60000", name=op.f("mailings_messages_per_minute_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "campaign_id"],
            ["campaigns.workspace_id", "campaigns.id"],
            name=op.f("mailings_workspace_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "template_id"],
            ["email_templates.workspace_id", "email_templates.id"],
            name=op.f("mailings_workspace_id_template_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("mailings_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("mailings_pkey")),
    )
    op.create_index(
        "mailings_campaign_idx",
        "mailings",
        ["workspace_id", "campaign_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_created_by_idx",
        "mailings",
        ["workspace_id", "created_by", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_due_idx",
        "mailings",
        ["workspace_id", "scheduled_at"],
        unique=False,
        postgresql_where=sa.text("status = 'SCHEDULED'"),
    )
    op.create_index(
        "mailings_key_idx",
        "mailings",
        ["workspace_id", "key"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_live_idx",
        "mailings",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_running_idx",
        "mailings",
        ["workspace_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'RUNNING'"),
    )
    op.create_index(
        "mailings_scheduled_idx",
        "mailings",
        ["workspace_id", "scheduled_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_started_idx",
        "mailings",
        ["workspace_id", "started_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "mailings_status_idx",
        "mailings",
        ["workspace_id", "status", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("mailings_template_idx", "mailings", ["workspace_id", "template_id", "id"], unique=False)
    op.create_table(
        "mailing_totals",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("status_pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_queued", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_uncertain", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_sent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_bounced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status_unsubscribed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opened", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("replied", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bounced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("suppressed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unsubscribed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("complained", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("forwarded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unopened", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opens_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("mailing_totals_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "mailing_id"],
            ["mailings.workspace_id", "mailings.id"],
            name=op.f("mailing_totals_workspace_id_mailing_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "mailing_id", "slot", name=op.f("mailing_totals_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "recipients",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed(
                "CASE WHEN unsubscribed_at IS NOT NULL THEN 'UNSUBSCRIBED' WHEN bounced_at IS NOT NULL THEN 'BOUNCED' WHEN failed_at IS NOT NULL THEN 'FAILED' WHEN sent_at IS NOT NULL THEN 'SENT' WHEN uncertain_at IS NOT NULL THEN 'UNCERTAIN' WHEN queued_at IS NOT NULL THEN 'QUEUED' ELSE 'PENDING' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("try_after", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.BigInteger(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("intent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uncertain_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bounced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forwarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_suppressed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "NOT is_suppressed OR (failed_at IS NOT NULL AND sent_at IS NULL)", name=op.f("recipients_suppressed_check")
        ),
        sa.CheckConstraint("address = lower(email_address)", name=op.f("recipients_address_check")),
        sa.CheckConstraint("attempts >= 0", name=op.f("recipients_attempts_check")),
        sa.CheckConstraint(
            "clicked_at IS NULL OR opened_at <= clicked_at", name=op.f("recipients_a_click_is_an_open_check")
        ),
        sa.CheckConstraint("length(email_address) BETWEEN 3 AND 254", name=op.f("recipients_email_address_check")),
        sa.CheckConstraint("length(error_message) <= 1000", name=op.f("recipients_error_message_check")),
        sa.CheckConstraint("num_nonnulls(claimed_by, claimed_until) <> 1", name=op.f("recipients_claimed_check")),
        sa.CheckConstraint(
            "sent_at IS NOT NULL OR num_nonnulls(opened_at, clicked_at, bounced_at, replied_at, forwarded_at, unsubscribed_at, complained_at) = 0",
            name=op.f("recipients_sent_before_check"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "lead_id"],
            ["leads.workspace_id", "leads.id"],
            name=op.f("recipients_workspace_id_lead_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "mailing_id"],
            ["mailings.workspace_id", "mailings.id"],
            name=op.f("recipients_workspace_id_mailing_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("recipients_pkey")),
        sa.UniqueConstraint(
            "workspace_id", "lead_id", "mailing_id", name=op.f("recipients_workspace_id_lead_id_mailing_id_key")
        ),
        sa.UniqueConstraint("workspace_id", "mailing_id", "id", name=op.f("recipients_workspace_id_mailing_id_id_key")),
    )
    op.create_index("recipients_address_idx", "recipients", ["workspace_id", "address", "id"], unique=False)
    op.create_index(
        "recipients_claimed_idx",
        "recipients",
        ["workspace_id", "claimed_until"],
        unique=False,
        postgresql_where=sa.text("claimed_until IS NOT NULL"),
    )
    op.create_index("recipients_status_idx", "recipients", ["workspace_id", "mailing_id", "status", "id"], unique=False)
    op.create_index(
        "recipients_unopened_idx",
        "recipients",
        ["workspace_id", "mailing_id", "id"],
        unique=False,
        postgresql_where=sa.text(
            "sent_at IS NOT NULL AND opened_at IS NULL AND clicked_at IS NULL AND bounced_at IS NULL"
        ),
    )
    op.create_index(
        "recipients_waiting_idx",
        "recipients",
        ["workspace_id", "mailing_id", "try_after", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_table(
        "tracked_links",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.CheckConstraint("length(url) BETWEEN 1 AND 2000", name=op.f("tracked_links_url_check")),
        sa.CheckConstraint("position >= 0", name=op.f("tracked_links_position_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "mailing_id"],
            ["mailings.workspace_id", "mailings.id"],
            name=op.f("tracked_links_workspace_id_mailing_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("tracked_links_pkey")),
        sa.UniqueConstraint(
            "workspace_id", "mailing_id", "id", name=op.f("tracked_links_workspace_id_mailing_id_id_key")
        ),
        sa.UniqueConstraint(
            "workspace_id", "mailing_id", "position", name=op.f("tracked_links_workspace_id_mailing_id_position_key")
        ),
    )
    op.create_table(
        "email_events",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("data", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("is_machine", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "NOT is_machine OR type IN ('OPEN', 'CLICK')", name=op.f("email_events_machines_open_and_click_check")
        ),
        sa.CheckConstraint("btrim(key) <> '' AND length(key) <= 200", name=op.f("email_events_key_check")),
        sa.CheckConstraint("link_id IS NULL OR type = 'CLICK'", name=op.f("email_events_only_clicks_have_links_check")),
        sa.CheckConstraint(
            "type IN ('OPEN', 'CLICK', 'BOUNCE', 'REPLY', 'FORWARD', 'UNSUBSCRIBE', 'COMPLAIN')",
            name=op.f("email_events_type_check"),
        ),
        sa.CheckConstraint("length(user_agent) <= 1000", name=op.f("email_events_user_agent_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "mailing_id", "link_id"],
            ["tracked_links.workspace_id", "tracked_links.mailing_id", "tracked_links.id"],
            name=op.f("email_events_workspace_id_mailing_id_link_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "mailing_id", "recipient_id"],
            ["recipients.workspace_id", "recipients.mailing_id", "recipients.id"],
            name=op.f("email_events_workspace_id_mailing_id_recipient_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("email_events_pkey")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("email_events_workspace_id_key_key")),
    )
    op.create_index(
        "email_events_address_idx",
        "email_events",
        ["workspace_id", "mailing_id", "ip_address", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        "email_events_mailing_idx", "email_events", ["workspace_id", "mailing_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "email_events_did_idx",
        "email_events",
        ["workspace_id", "recipient_id", "type", "is_machine", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        "email_events_recipient_idx",
        "email_events",
        ["workspace_id", "recipient_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        "email_events_type_idx",
        "email_events",
        ["workspace_id", "mailing_id", "type", "is_machine", "occurred_at", "id"],
        unique=False,
    )
    op.create_table(
        "link_recipients",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "link_id"],
            ["tracked_links.workspace_id", "tracked_links.id"],
            name=op.f("link_recipients_workspace_id_link_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "recipient_id"],
            ["recipients.workspace_id", "recipients.id"],
            name=op.f("link_recipients_workspace_id_recipient_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "link_id", "recipient_id", name=op.f("link_recipients_pkey")),
    )
    op.create_index("link_recipients_recipient_idx", "link_recipients", ["workspace_id", "recipient_id"], unique=False)
    op.create_table(
        "link_totals",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unique_clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("least(clicks, unique_clicks) >= 0", name=op.f("link_totals_counts_check")),
        sa.CheckConstraint("slot BETWEEN 0 AND 15", name=op.f("link_totals_slot_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "link_id"],
            ["tracked_links.workspace_id", "tracked_links.id"],
            name=op.f("link_totals_workspace_id_link_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "link_id", "slot", name=op.f("link_totals_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "suppressions",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "reason IN ('UNSUBSCRIBED', 'COMPLAINED', 'BOUNCED')", name=op.f("suppressions_reason_check")
        ),
        sa.CheckConstraint("address = lower(address)", name=op.f("suppressions_address_check")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "recipient_id"],
            ["recipients.workspace_id", "recipients.id"],
            name=op.f("suppressions_workspace_id_recipient_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("suppressions_workspace_id_fkey")),
        sa.PrimaryKeyConstraint("workspace_id", "address", name=op.f("suppressions_pkey")),
    )
    op.create_index("suppressions_recipient_idx", "suppressions", ["workspace_id", "recipient_id"], unique=False)
    for statement in (*COUNT_RECIPIENTS, *COUNT_EVENTS):
        op.execute(statement)
    for table in TABLES:
        for statement in (*tenancy.protect(table), *tenancy.open_to_partners(table, "SELECT", "false")):
            op.execute(statement)


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table in reversed(TABLES):
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}()")
