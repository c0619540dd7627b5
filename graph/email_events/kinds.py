"""The types of e-mail events as the graph names them: told once, before any type uses them."""

import strawberry

from db.models.email_words import EmailEventType

__all__ = ["EmailEventType"]

strawberry.enum(EmailEventType, name="EmailEventType", description="What became of a mail.")
