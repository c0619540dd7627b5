"""The platforms as the graph names them: told once, before any type uses them."""

import strawberry

from db.models.platforms import Platform

__all__ = ["Platform"]

strawberry.enum(Platform, name="Platform", description="Whose platform it is.")
