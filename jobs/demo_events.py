"""What the ad platforms report of the demo's campaigns: on four channels, to three audiences."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from db.models.channels import ChannelKind
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.models.platforms import Platform

EVENTS = 4000
CHANNELS: Mapping[str, tuple[ChannelKind, Platform | None]] = {
    "Google Search": (ChannelKind.ADS, Platform.GOOGLE_ADS),
    "Instagram Stories": (ChannelKind.SOCIAL, Platform.INSTAGRAM),
    "LinkedIn Feed": (ChannelKind.SOCIAL, Platform.LINKEDIN),
    "Newsletter": (ChannelKind.EMAIL, None),
}
AUDIENCES: Mapping[str, str | None] = {
    "New customers": "Have not bought yet.",
    "Returning customers": "Have bought before.",
    "Commuters": None,
}
_SEED = 20260309
_WEIGHTS = (5, 4, 2, 1)
_CLICKS = (0.09, 0.04, 0.03, 0.2)
"""How many of a channel's events are clicks."""
_CONVERTED = 0.2
"""How many conversions for each click."""
_DAYS = 28


def events(
    campaigns: Sequence[int], channels: Mapping[str, int], audiences: Mapping[str, int], first_day: datetime
) -> Iterator[NewEvent]:
    """The events of some campaigns, the same on every machine. Channels and audiences by name."""
    rng = random.Random(_SEED)  # noqa: S311 - a demo, no secret
    places = list(zip(CHANNELS, _CLICKS, strict=True))
    for number in range(1, EVENTS + 1):
        name, clicked = rng.choices(places, _WEIGHTS)[0]
        campaign_id = rng.choice(campaigns)
        kind = _kind(rng, clicked)
        audience = rng.choice([*AUDIENCES, None])
        is_sale = kind is EventType.CONVERSION and rng.random() < 0.9
        yield NewEvent(
            f"demo-event-{number:05}",
            kind,
            campaign_id,
            first_day + timedelta(days=rng.randrange(_DAYS), seconds=rng.randrange(86_400)),
            channel_id=channels[name],
            audience_id=None if audience is None else audiences[audience],
            user_id=f"visitor-{rng.randrange(1200):04}" if rng.random() < 0.8 else None,
            value_amount=Decimal(rng.randrange(900, 18_000)) / 100 if is_sale else None,
            value_currency=("CHF" if rng.random() < 0.15 else "EUR") if is_sale else None,
            data={"creative": rng.randrange(1, 9)} if rng.random() < 0.3 else None,
        )


def _kind(rng: random.Random, clicked: float) -> EventType:
    at = rng.random()
    if at < clicked * _CONVERTED:
        return EventType.CONVERSION
    return EventType.CLICK if at < clicked * (1 + _CONVERTED) else EventType.IMPRESSION
