"""The kinds of events, as the schema has them."""

import strawberry

from db.models.event_kinds import EventType

strawberry.enum(EventType, name="EventType", description="What an ad platform reports.")

__all__ = ["EventType"]
