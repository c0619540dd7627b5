"""The words of engagement that tables and incoming items share."""

from enum import StrEnum


class EngagementType(StrEnum):
    """What somebody did. LIKE, SAVE and BOOKMARK are reactions."""

    LIKE = "LIKE"
    SHARE = "SHARE"
    COMMENT = "COMMENT"
    SAVE = "SAVE"
    BOOKMARK = "BOOKMARK"


class ReactionType(StrEnum):
    """What an actor does at most once on a campaign."""

    LIKE = "LIKE"
    SAVE = "SAVE"
    BOOKMARK = "BOOKMARK"


LONGEST_BODY = 10_000
"""Characters of a comment."""
