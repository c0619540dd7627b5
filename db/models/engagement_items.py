"""One engagement as it comes in, and what can be wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.errors import Problem, invalid
from db.models.engagement_kinds import LONGEST_BODY, EngagementType, ReactionType
from db.models.rules import text_problems, time_problems

_TEXTS = (
    ("key", 200),
    ("user_id", 200),
    ("profile_id", 200),
    ("profile_type", 200),
    ("source", 200),
    ("device_type", 200),
    ("location", 200),
)
_MAY_BE_EMPTY = frozenset({"source", "device_type", "location"})


@dataclass(slots=True)
class NewEngagement:
    """An engagement to record. A reply names its parent by id, or by key where both may be in one batch."""

    type: EngagementType
    campaign_id: int
    user_id: str
    occurred_at: datetime
    profile_id: str | None = None
    profile_type: str | None = None
    key: str | None = None
    body: str | None = None
    parent_id: int | None = None
    parent_key: str | None = None
    impression_id: int | None = None
    source: str | None = None
    device_type: str | None = None
    location: str | None = None

    @property
    def actor(self) -> tuple[str, str | None, str | None]:
        """Who: user, kind of profile, profile."""
        return self.user_id, self.profile_type, self.profile_id

    def identity(self) -> Any:
        """What two engagements share that are one and the same. None: there may be any number of them."""
        if self.key is not None:
            return self.key
        if self.type in (EngagementType.SHARE, EngagementType.COMMENT):
            return None
        return self.type, self.campaign_id, self.actor

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it by itself."""
        found: list[Problem] = []
        for name, longest in _TEXTS:
            value = getattr(self, name)
            if value is not None:
                found += text_problems(name, value, longest, may_be_empty=name in _MAY_BE_EMPTY)
        if self.key is not None and self.type.value in ReactionType.__members__:
            found.append(invalid("A reaction is known by its actor and has no key.", "key"))
        if self.type == EngagementType.COMMENT:
            found += body_problems(self.body or "")
        found += time_problems("occurred_at", self.occurred_at, now)
        return found


def body_problems(body: str) -> Iterator[Problem]:
    """What is wrong with the text of a comment."""
    yield from text_problems("body", body, LONGEST_BODY)
    if body.strip() and not body.strip(_UNSEEN):
        yield invalid("This must not be empty.", "body")


_UNSEEN = " \t\r\n\v\f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""What a text may consist of without showing anything: spaces, joiners, direction marks."""
