"""The demo workspace: generated, the same on every machine, and made once."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.exc import IntegrityError

from db.engine import Database
from db.models.campaigns import CampaignStatus
from db.models.channels import Audience, Channel
from db.models.impression_items import NewImpression
from db.queries import brands, campaigns, channels, imports, workspaces
from db.queries.content import writing
from db.queries.engagement import recording as engaging
from db.queries.events import recording as reporting
from db.queries.impressions import reading, recording
from db.queries.interactions import placing
from db.queries.interactions import recording as interacting
from jobs import demo_content, demo_events, demo_mailings, demo_spaces
from jobs.demo_engagement import engagements

WORKSPACE = "demo"
IMPRESSIONS = 6000
_FINGERPRINT = "demo-6"  # no file's: those are hashes. Counted up whenever the demo gets more.
_BATCH = 2000
_SEED = 20260105

_BRANDS = ("Alpenglow Coffee", "Kite & Harbour", "Nordlicht Cycles")
_PRODUCTS = (
    "Cold Brew",
    "Harvest Roast",
    "City Bike",
    "Rain Jacket",
    "Travel Mug",
    "Sea Kayak",
    "Trail Map",
    "Gift Card",
)
_OCCASIONS = ("Spring Launch", "Summer Sale", "Loyalty Drive")
_FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
_DAYS = 28
_DEVICES = ("mobile", "mobile", "mobile", "desktop", "desktop", "tablet", None)
_PLACEMENTS = ("feed", "story", "banner", "sidebar")
_REGIONS = (("DE", "Berlin"), ("DE", "Hamburg"), ("AT", "Vienna"), ("CH", "Zurich"), ("PL", "Kraków"), (None, None))
_AUDIENCES = ("new customers", "returning", None)
_UNSEEN = frozenset({CampaignStatus.DRAFT, CampaignStatus.PLANNED, CampaignStatus.SCHEDULED})
"""Campaigns of these have not begun and have no impressions."""


async def load(database: Database) -> bool:
    """Makes the demo workspace; answers whether anything was missing.

    Every step leaves alone what is there, so it may be interrupted, and two may run at once.
    """
    workspace_id = await _workspace(database)
    if not await _is_missing(database, workspace_id):
        return False
    keys, ids = await _campaigns(database, workspace_id)
    items = list(_impressions(random.Random(_SEED), keys, ids))  # noqa: S311 - a demo, no secret
    for start in range(0, len(items), _BATCH):
        async with database.write(workspace_id) as transaction:
            await recording.record(transaction, items[start : start + _BATCH])
    engaged = await _engagements(database, workspace_id, items)
    reported = await _events(database, workspace_id, [ids[row["key"]] for row in keys])
    interacted = await _interactions(database, workspace_id)
    [launch] = [row for row in keys if row["key"] == demo_spaces.CAMPAIGN]
    launched = {"campaign_id": ids[launch["key"]], "brand_id": launch["brand_id"]}
    await demo_spaces.load(database, workspace_id, launched, _FIRST_DAY)
    await demo_mailings.load(database, workspace_id, ids[demo_mailings.CAMPAIGN], _FIRST_DAY)
    async with database.write(workspace_id) as transaction:
        await imports.locked(transaction, _FINGERPRINT)
        rows = len(items) + engaged + reported + interacted + demo_spaces.ROWS + demo_mailings.LEADS
        await imports.save(transaction, _FINGERPRINT, {"rows_read": rows, "accepted": rows})
        await imports.finish(transaction, _FINGERPRINT)
    return True


async def _is_missing(database: Database, workspace_id: int) -> bool:
    async with database.write(workspace_id) as transaction:
        run = await imports.begin(transaction, _FINGERPRINT)
        return run.finished_at is None


async def _engagements(database: Database, workspace_id: int, items: Sequence[NewImpression]) -> int:
    async with database.write(workspace_id) as transaction:
        ids = await reading.ids_of_keys(transaction, [item.key for item in items])
    found = list(engagements(items, ids))
    for start in range(0, len(found), _BATCH):
        async with database.write(workspace_id) as transaction:
            await engaging.record(transaction, found[start : start + _BATCH])
    return len(found)


async def _events(database: Database, workspace_id: int, campaign_ids: Sequence[int]) -> int:
    async with database.write(workspace_id) as transaction:
        for name, (kind, platform) in demo_events.CHANNELS.items():
            await channels.create_missing(transaction, Channel, [name], kind=kind.value, platform=platform)
        for name, description in demo_events.AUDIENCES.items():
            await channels.create_missing(transaction, Audience, [name], description=description)
        on = await channels.ids_of_names(transaction, Channel, demo_events.CHANNELS)
        to = await channels.ids_of_names(transaction, Audience, demo_events.AUDIENCES)
    found = list(demo_events.events(campaign_ids, on, to, _FIRST_DAY))
    for start in range(0, len(found), _BATCH):
        async with database.write(workspace_id) as transaction:
            await reporting.record(transaction, found[start : start + _BATCH])
    return len(found)


async def _interactions(database: Database, workspace_id: int) -> int:
    items = list(demo_content.content(_FIRST_DAY))
    async with database.write(workspace_id) as transaction:
        known = await writing.ids_of_slugs(transaction, [item.slug for item in items])
        for item in items:
            if item.slug not in known:
                await writing.write(transaction, item)
    found = list(demo_content.interactions(items, _FIRST_DAY))
    for start in range(0, len(found), _BATCH):
        async with database.write(workspace_id) as transaction:
            batch = found[start : start + _BATCH]
            await placing.place(transaction, batch)
            await interacting.record(transaction, batch)
    return len(found)


async def _workspace(database: Database) -> int:
    found = await workspaces.id_of(database, WORKSPACE)
    if found is not None:
        return found
    try:
        return await workspaces.create(database, WORKSPACE, "Demo", "Europe/Berlin", "EUR")
    except IntegrityError:
        # Another process was faster.
        found = await workspaces.id_of(database, WORKSPACE)
        if found is None:
            raise
        return found


async def _campaigns(database: Database, workspace_id: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Makes brands and campaigns; answers the campaigns that ran, and all ids by key."""
    async with database.write(workspace_id) as transaction:
        rows = list(_plans(await brands.create_missing(transaction, _BRANDS)))
        await campaigns.create_missing(transaction, rows)
        ids = await campaigns.ids_of_keys(transaction, [row["key"] for row in rows])
    return [row for row in rows if row["status"] not in _UNSEEN], ids


def _plans(brand_ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    """24 campaigns: of every status, some without a brand, dates, a budget, a price or a plan."""
    statuses = [CampaignStatus.ACTIVE] * 3 + list(CampaignStatus)
    names = [f"{product} {occasion}" for occasion in _OCCASIONS for product in _PRODUCTS]
    for number, name in enumerate(names):
        starts_on = date(2026, 3, 2) + timedelta(days=number % 10)
        yield {
            "key": f"demo-{number + 1:02}",
            "name": name,
            "description": f"{name}, made up for the demo." if number % 3 else None,
            "objective": ("awareness", "traffic", "sales", None)[number % 4],
            "status": statuses[number % len(statuses)],
            "brand_id": None if number % 8 == 7 else brand_ids[_BRANDS[number % len(_BRANDS)]],
            "starts_on": None if number % 9 == 8 else starts_on,
            "ends_on": None if number % 9 > 6 else starts_on + timedelta(days=21 + number),
            "currency": "EUR",
            "budget_amount": None if number % 6 == 5 else Decimal(500 + 250 * number),
            "cost_per_impression": None if number % 5 == 4 else Decimal("0.0125") + Decimal("0.0005") * number,
            "total_impressions_planned": None if number % 7 == 6 else 200 + 25 * number,
            "created_by": "demo",
        }


def _impressions(rng: random.Random, ran: list[dict[str, Any]], ids: dict[str, int]) -> Iterator[NewImpression]:
    # Some campaigns are seen more than others, and the last one has run without anybody seeing it.
    weights = [0 if row is ran[-1] else 1 + place % 5 for place, row in enumerate(ran)]
    for number in range(1, IMPRESSIONS + 1):
        campaign = rng.choices(ran, weights)[0]
        yield _impression(rng, f"demo-{number:05}", ids[campaign["key"]])


def _impression(rng: random.Random, key: str, campaign_id: int) -> NewImpression:
    occurred_at = _moment(rng)
    user = rng.randrange(900) if rng.random() < 0.9 else None
    region, location = rng.choice(_REGIONS)
    viewable = rng.choices((True, False, None), (62, 28, 10))[0]
    clicked_at = _later(rng, occurred_at, 0.05 if viewable else 0.005, seconds=40)
    return NewImpression(
        key,
        campaign_id,
        occurred_at,
        user_id=None if user is None else f"user-{user:04}",
        profile_type=None if user is None else ("person", "business")[user % 10 == 0],
        is_viewable=viewable,
        viewable_duration_ms=rng.randrange(1000, 30_000) if viewable else None,
        clicked_at=clicked_at,
        converted_at=_later(rng, clicked_at, 0.12, seconds=7200) if clicked_at else None,
        charged_at=_later(rng, occurred_at, 0.9, seconds=3600) if viewable else None,
        device_type=rng.choice(_DEVICES),
        placement=rng.choice(_PLACEMENTS),
        region=region,
        location=location,
        audience_label=rng.choice(_AUDIENCES),
        session_id=f"session-{key[-5:]}" if rng.random() < 0.5 else None,
    )


def _moment(rng: random.Random) -> datetime:
    """Within the four weeks, more of it in the evening."""
    seconds = int(rng.triangular(0, 86_399, 68_400))
    return _FIRST_DAY + timedelta(days=rng.randrange(_DAYS), seconds=seconds, milliseconds=rng.randrange(1000))


def _later(rng: random.Random, moment: datetime, chance: float, *, seconds: int) -> datetime | None:
    return moment + timedelta(seconds=rng.randrange(1, seconds)) if rng.random() < chance else None
