"""Nouns: tables, constraints, enums. One file per domain word; importing this package registers all of them."""

from db.models import (
    brands,
    campaigns,
    channels,
    clients,
    content,
    engagement,
    engagers,
    events,
    exports,
    followers,
    imports,
    impressions,
    interactions,
    live,
    metrics,
    workspaces,
)
from db.models.base import Base

__all__ = [
    "Base",
    "brands",
    "campaigns",
    "channels",
    "clients",
    "content",
    "engagement",
    "engagers",
    "events",
    "exports",
    "followers",
    "imports",
    "impressions",
    "interactions",
    "live",
    "metrics",
    "workspaces",
]
