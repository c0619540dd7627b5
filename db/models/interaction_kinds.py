"""What followers do, what each of it is worth, and what a score makes of them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum


class InteractionType(StrEnum):
    """What a follower did."""

    COMMENT = "COMMENT"
    LIKE = "LIKE"
    SHARE = "SHARE"
    SAVE = "SAVE"
    PROFILE_VISIT = "PROFILE_VISIT"
    LINK_CLICK = "LINK_CLICK"


class EngagementTier(StrEnum):
    """How engaged a follower is."""

    SUPER_FAN = "SUPER_FAN"
    ACTIVE = "ACTIVE"
    LURKER = "LURKER"
    INACTIVE = "INACTIVE"


COUNTERS: Mapping[InteractionType, str] = {
    InteractionType.COMMENT: "comments",
    InteractionType.LIKE: "likes",
    InteractionType.SHARE: "shares",
    InteractionType.SAVE: "saves",
    InteractionType.PROFILE_VISIT: "profile_visits",
    InteractionType.LINK_CLICK: "link_clicks",
}
"""The column that counts each type, wherever it is counted."""
WEIGHTS: Mapping[InteractionType, int] = {
    InteractionType.COMMENT: 5,
    InteractionType.LIKE: 1,
    InteractionType.SHARE: 10,
    InteractionType.SAVE: 8,
    InteractionType.PROFILE_VISIT: 3,
    InteractionType.LINK_CLICK: 15,
}
"""What one of each type adds to a score."""
LOWEST: Mapping[EngagementTier, int] = {
    EngagementTier.SUPER_FAN: 500,
    EngagementTier.ACTIVE: 100,
    EngagementTier.LURKER: 10,
    EngagementTier.INACTIVE: 0,
}
"""The lowest score of each tier, the highest tier first."""

SCORE = " + ".join(f"{weight} * {COUNTERS[kind]}" for kind, weight in WEIGHTS.items())
"""SQL: the score of a row that has the counters."""
INTERACTIONS = " + ".join(COUNTERS.values())
"""SQL: how many interactions a row counts."""
POINTS = "CASE type " + " ".join(f"WHEN '{kind}' THEN {weight}" for kind, weight in WEIGHTS.items()) + " END"
"""SQL: what one interaction adds to a score."""
COUNTS = ", ".join(f"count(*) FILTER (WHERE type = '{kind}') AS {name}" for kind, name in COUNTERS.items())
"""SQL: the counters over some interactions."""

SCORE_SLOTS = 4
"""A count of followers by score is spread over this many rows, for most followers have one of a few scores."""
DIGIT_BITS = 4
SCORE_LEVELS = 8
"""Followers are counted by score, by a sixteenth of it, by a sixteenth of that, and so on: as many levels as a score of 31
bits has digits of DIGIT_BITS."""


def score_of(counts: Mapping[InteractionType, int]) -> int:
    """The score that so many interactions make."""
    return sum(WEIGHTS[kind] * count for kind, count in counts.items())


def tier_of(score: int | float | Decimal) -> EngagementTier:
    """The tier of a score: half-open bands, so that there is nothing between two of them."""
    return next((tier for tier, lowest in LOWEST.items() if score >= lowest), EngagementTier.INACTIVE)


def scores_of(tier: EngagementTier) -> tuple[int, int | None]:
    """From which score on a follower is of a tier, and below which one it still is; None: without an end."""
    order = list(LOWEST)
    place = order.index(tier)
    return LOWEST[tier], None if place == 0 else LOWEST[order[place - 1]]
