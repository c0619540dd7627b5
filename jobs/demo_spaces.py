"""The demo's creatives: texts of one campaign in a space that became a template, and the space that was made from it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from db.changes import change
from db.engine import Database, Transaction
from db.errors import Refused
from db.models.asset_items import NewAsset
from db.models.asset_kinds import AssetType, ImportSource
from db.models.assets import Asset
from db.models.platforms import Platform
from db.models.space_items import Figures
from db.models.spaces import Space
from db.queries import imports
from db.queries.assets import figures as reporting
from db.queries.assets import writing as assets
from db.queries.spaces import writing as spaces

CAMPAIGN = "demo-03"
"""The key of the campaign whose creatives they are: City Bike Spring Launch."""
TEMPLATE, COPY = "City Bike Spring Launch on Meta", "City Bike Spring Launch on TikTok"
_FINGERPRINT = "demo-spaces"  # Never counted up: what somebody renames or deletes does not come back.
_BY = "demo"
_TAGS = ("cycling", "launch", "spring")
_ASSETS = (
    NewAsset(AssetType.HEADLINE, headline_text="The first warm morning is a bike morning", tags=("cycling", "spring")),
    NewAsset(AssetType.HEADLINE, headline_text="Faster than the bus, quieter than your thoughts", tags=("cycling",)),
    NewAsset(
        AssetType.AD_COPY,
        name="Commute, long",
        ad_copy_text="Mudguards, lights and a rack are on it already. All that you add is the way to work.",
        tags=("commute", "cycling"),
    ),
    NewAsset(
        AssetType.AD_COPY,
        name="Test ride, short",
        ad_copy_text="Ride it for a week. Keep it, or bring it back with muddy tyres.",
        tags=("cycling", "test ride"),
    ),
    NewAsset(
        AssetType.DESCRIPTION,
        name="City bike, in one line",
        description="Eight gears, a belt instead of a chain, 13 kilograms, four colours.",
        tags=("cycling",),
    ),
    NewAsset(AssetType.CALL_TO_ACTION, cta_text="Book a test ride", tags=("test ride",)),
)
ROWS = 2 * (1 + len(_ASSETS))
"""Spaces and assets."""
_REUSED = 0
"""The place of the asset that was used elsewhere, too."""
_USAGES: tuple[tuple[int, dict[str, Any]], ...] = (
    (16, {"used_in_type": "content", "used_in_id": "city-bike-first-ride", "used_in_name": "City bike, first ride"}),
    (
        26,
        {
            "used_in_type": "campaign",
            "used_in_id": "demo-11",
            "used_in_name": "City Bike Summer Sale",
            "context": {"placement": "story"},
        },
    ),
)
"""Days after the first one, and where."""


def _figures(impressions: int, clicks: int, conversions: int, spend: str, revenue: str) -> Figures:
    counts = {"impressions": impressions, "clicks": clicks, "conversions": conversions}
    return Figures({**counts, "spend": Decimal(spend), "revenue": Decimal(revenue)}, "EUR")


_OF_SPACE = _figures(48_200, 1_542, 61, "612.40", "2318.90")
# They ran against each other, and are all of the space's.
_OF_ASSETS = (
    _figures(26_900, 995, 38, "340.15", "1444.50"),
    _figures(21_300, 547, 23, "272.25", "874.40"),
)


async def load(database: Database, workspace_id: int, campaign: Mapping[str, int | None], first_day: datetime) -> None:
    """Makes the spaces, all or nothing, and once. ``campaign``: campaign_id and brand_id.

    Where a space of such a name is there already, somebody made it, and it is left alone.
    """
    outcome = await change(database, workspace_id, partial(_make, campaign=campaign, first_day=first_day))
    if any(problem.field != ("name",) for problem in outcome.problems):
        raise Refused(outcome.problems)


async def _make(transaction: Transaction, campaign: Mapping[str, int | None], first_day: datetime) -> None:
    # Locked until the transaction ends: whoever comes meanwhile waits, and finds it finished.
    run = await imports.begin(transaction, _FINGERPRINT)
    if run.finished_at is not None:
        return
    template_id = await spaces.create(transaction, {**_template(), **campaign}, _TAGS, _BY)
    ids = [(await assets.create(transaction, template_id, new, _BY)).asset_id for new in _ASSETS]
    await reporting.report(transaction, Space, template_id, _OF_SPACE)
    for asset_id, figures in zip(ids, _OF_ASSETS, strict=False):
        await reporting.report(transaction, Asset, asset_id, figures)
    for days, usage in _USAGES:
        used_at = first_day + timedelta(days=days, hours=10)
        await assets.reuse(transaction, ids[_REUSED], {**usage, "used_at": used_at})
    await spaces.mark_as_template(transaction, template_id, {"template_metadata": {"for": "launches in spring"}})
    await spaces.create_from_template(transaction, template_id, COPY, Platform.TIKTOK, _BY)
    await imports.save(transaction, _FINGERPRINT, {"rows_read": ROWS, "accepted": ROWS})
    await imports.finish(transaction, _FINGERPRINT)


def _template() -> dict[str, Any]:
    return {
        "name": TEMPLATE,
        "platform": Platform.META.value,
        "description": "Texts for the first weeks of spring, made up for the demo.",
        "objective": "Test rides booked in the shop in Hamburg.",
        "target_audience": {"interests": ["cycling", "commuting"], "radius_km": 25},
        "budget_amount": Decimal(1200),
        "budget_currency": "EUR",
        "category": "launch",
        "import_source": ImportSource.MANUAL_UPLOAD.value,
    }
