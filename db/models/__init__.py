"""Nouns: tables, constraints, enums. One file per domain word; importing this package registers all of them."""

from db.models import (
    brands,
    campaigns,
    channels,
    clients,
    engagement,
    engagers,
    events,
    exports,
    imports,
    impressions,
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
    "engagement",
    "engagers",
    "events",
    "exports",
    "imports",
    "impressions",
    "live",
    "metrics",
    "workspaces",
]
