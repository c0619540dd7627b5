"""The enums of engagement, and what their arguments mean."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import strawberry

from db.models.engagement_kinds import EngagementType, ReactionType
from db.queries.engagement import reading
from db.queries.engagement.engagers import AudienceAction

strawberry.enum(EngagementType, name="EngagementType", description="What somebody did about a campaign.")
strawberry.enum(
    ReactionType, name="ReactionType", description="What an actor does at most once on a campaign, until taken back."
)
strawberry.enum(AudienceAction, name="AudienceAction", description="What a person may have done on a campaign.")

TYPE_NAMES = {
    kind: {EngagementType.COMMENT: "Comment", EngagementType.SHARE: "Share"}.get(kind, "Reaction")
    for kind in EngagementType
}
"""Which type of the graph shows an engagement of each type."""


@strawberry.enum(description="The order of a list of comments.")
class CommentOrder(StrEnum):
    """Ties are broken by age."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    MOST_REPLIES = "MOST_REPLIES"


Types = Annotated[
    list[EngagementType] | None, strawberry.argument(description="Only of these types; of all without it.")
]


def kinds_of(types: Sequence[EngagementType] | None) -> reading.Kinds:
    """The types that an argument means, each once and in one order."""
    return reading.ALL if types is None else tuple(kind for kind in reading.ALL if kind in types)
