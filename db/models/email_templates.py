"""Templates of e-mails: subject, HTML and text with variables."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped

from db.models.base import Base, Key, Recorded, WorkspaceKey
from db.models.email_words import LARGEST_HTML, LARGEST_TEXT, LONGEST_NAME, LONGEST_SUBJECT
from db.models.reported_items import LIVE

CONTENT = {"subject": LONGEST_SUBJECT, "html": LARGEST_HTML, "text": LARGEST_TEXT}
"""What a mail is made of, by column, with how many characters it may have."""


class EmailTemplate(Base):
    """A template. What it may hold is checked when it is made: see ``jobs.mailings.templates``."""

    __tablename__ = "email_templates"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id"], ["workspaces.id"]),
        CheckConstraint(f"btrim(name) <> '' AND length(name) <= {LONGEST_NAME}", name="name"),
        *(
            CheckConstraint(f"btrim({name}) <> '' AND length({name}) <= {longest}", name=name)
            for name, longest in CONTENT.items()
        ),
        CheckConstraint("subject !~ '[[:cntrl:]]'", name="subject_is_a_line"),
        Index("email_templates_live_idx", "workspace_id", "id", postgresql_where=text(LIVE)),
    )

    workspace_id: Mapped[WorkspaceKey]
    id: Mapped[Key]
    name: Mapped[str]
    subject: Mapped[str]
    html: Mapped[str]
    text: Mapped[str | None]
    """None: made from the HTML when a mail is."""
    created_by: Mapped[str]
    created_at: Mapped[Recorded]
    updated_at: Mapped[Recorded]
    deleted_at: Mapped[datetime | None]
