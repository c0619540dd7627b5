"""What kinds of events there are."""

from enum import StrEnum

NO_CHANNEL = 0
"""The channel of a roll-up's row whose events name none."""
NO_CURRENCY = ""
"""The currency of a roll-up's row whose events brought no revenue."""

EVENT_SLOTS = 4
"""A roll-up's counter is spread over this many rows. Fewer than for impressions: there is one for each channel and currency
already, all of which a window reads, and a batch holds them for no longer than the end of its one statement."""


class EventType(StrEnum):
    """What a platform reports."""

    IMPRESSION = "IMPRESSION"
    CLICK = "CLICK"
    CONVERSION = "CONVERSION"
