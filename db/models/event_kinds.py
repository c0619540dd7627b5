"""What kinds of events there are."""

from enum import StrEnum

NO_CHANNEL = 0
"""The channel of a roll-up's row whose events name none."""
NO_CURRENCY = ""
"""The currency of a roll-up's row whose events brought no revenue."""


class EventType(StrEnum):
    """What a platform reports."""

    IMPRESSION = "IMPRESSION"
    CLICK = "CLICK"
    CONVERSION = "CONVERSION"
