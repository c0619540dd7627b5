"""Scores and tiers: what each interaction is worth, and bands that leave nothing between them."""

from decimal import Decimal

import pytest

from db.models.interaction_kinds import EngagementTier, InteractionType, score_of, scores_of, tier_of

BANDS = [
    (0, EngagementTier.INACTIVE),
    (9, EngagementTier.INACTIVE),
    (9.5, EngagementTier.INACTIVE),
    (10, EngagementTier.LURKER),
    (99, EngagementTier.LURKER),
    (99.5, EngagementTier.LURKER),
    (100, EngagementTier.ACTIVE),
    (499, EngagementTier.ACTIVE),
    (499.5, EngagementTier.ACTIVE),
    (500, EngagementTier.SUPER_FAN),
]


@pytest.mark.parametrize(("score", "tier"), BANDS)
def test_each_score_has_its_tier_and_lies_in_the_range_of_it_alone(score: float, tier: EngagementTier) -> None:
    assert tier_of(score) == tier
    assert tier_of(Decimal(str(score))) == tier
    ranges = {one: scores_of(one) for one in EngagementTier}
    assert [one for one, (low, high) in ranges.items() if low <= score and (high is None or score < high)] == [tier]


def test_a_comment_a_like_and_a_share_make_16_and_a_lurker() -> None:
    score = score_of({InteractionType.COMMENT: 1, InteractionType.LIKE: 1, InteractionType.SHARE: 1})
    assert (score, tier_of(score)) == (16, EngagementTier.LURKER)
