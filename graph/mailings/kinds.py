"""The statuses of recipients as the graph names them: told once, before any type uses them."""

import strawberry

from db.models.email_words import RecipientStatus

__all__ = ["RecipientStatus"]

strawberry.enum(
    RecipientStatus,
    name="RecipientStatus",
    description="How far the mail to a recipient has come: the last of these that holds.",
)
