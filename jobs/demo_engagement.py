"""What people do about the demo's campaigns: reactions, shares, and conversations some levels deep."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from db.models.engagement_items import NewEngagement
from db.models.engagement_kinds import EngagementType
from db.models.impression_items import NewImpression

_SEED = 20260302
_CHANCES = (
    (EngagementType.LIKE, 0.06),
    (EngagementType.SAVE, 0.015),
    (EngagementType.BOOKMARK, 0.01),
    (EngagementType.SHARE, 0.012),
)
_COMMENT = 0.04
_CLICKED = 5
"""So many times as likely does somebody react who clicked."""
_REPLY = 0.65
"""How many of the comments are replies to one of the latest of their campaign."""
_OPENINGS = (
    "Where can I get it?",
    "Is this still on next week?",
    "Mine came yesterday, and it is lovely.",
    "The blue one is sold out everywhere.",
    "Does it ship to Switzerland?",
    "Third time I see this today :)",
    "Best thing I bought this year.",
    "How long does the battery last?",
)
_ANSWERS = (
    "Same here!",
    "At the harbour, next to the ferry.",
    "They said until the end of the month.",
    "Not for me, sadly.",
    "Thank you, that helps.",
    "Try the size below.",
    "I asked them: yes.",
    "Really? I had no trouble at all.",
)


def engagements(impressions: Sequence[NewImpression], ids: Mapping[str, int]) -> Iterator[NewEngagement]:
    """What the users of impressions did, the same every time. ``ids`` are the impressions' by key."""
    rng = random.Random(_SEED)  # noqa: S311 - a demo, no secret
    latest: dict[int, list[NewEngagement]] = {}
    number = 0
    for one in sorted(impressions, key=lambda item: item.occurred_at):
        if one.user_id is None:
            continue
        for kind, chance in _CHANCES:
            if rng.random() < (chance if one.clicked_at is None else chance * _CLICKED):
                number += 1
                # A reaction is known by who made it.
                key = f"demo-e{number:04}" if kind == EngagementType.SHARE else None
                yield _engagement(rng, kind, one, ids, key)
        if rng.random() < _COMMENT:
            number += 1
            comment = _engagement(rng, EngagementType.COMMENT, one, ids, f"demo-e{number:04}")
            before = latest.setdefault(one.campaign_id, [])
            if before and rng.random() < _REPLY:
                comment.parent_key = rng.choice(before[-4:]).key
                comment.body = rng.choice(_ANSWERS)
            before.append(comment)
            yield comment


def _engagement(
    rng: random.Random, kind: EngagementType, impression: NewImpression, ids: Mapping[str, int], key: str | None
) -> NewEngagement:
    return NewEngagement(
        kind,
        impression.campaign_id,
        impression.user_id or "",
        impression.occurred_at + timedelta(seconds=rng.randrange(5, 600)),
        profile_type=impression.profile_type,
        key=key,
        body=rng.choice(_OPENINGS) if kind == EngagementType.COMMENT else None,
        impression_id=ids[impression.key],
        source=rng.choice(("direct", "shared", None)),
        device_type=impression.device_type,
        location=impression.location,
    )
