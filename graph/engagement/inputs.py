"""What the changes of engagement take."""

from datetime import datetime

import strawberry

from db.models.engagement_kinds import ReactionType
from graph.actors import ActorInput

_ACTOR = (
    "Who acts. May be left out where the credential names one, and must then not be another, but for the scope write."
)
_IMPRESSION = "The impression that led to it, of the same campaign."
_SOURCE = "Where it came from, e.g. direct or shared: at most 200 characters."
_TEXT = "At most 200 characters."
_OCCURRED = "When it happened; now unless given."


@strawberry.input(description="A like, save or bookmark.")
class ReactInput:
    """What react takes."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    type: ReactionType = strawberry.field(description="What is done.")
    actor: ActorInput | None = strawberry.field(default=None, description=_ACTOR)
    impression_id: strawberry.ID | None = strawberry.field(default=None, description=_IMPRESSION)
    source: str | None = strawberry.field(default=None, description=_SOURCE)
    device_type: str | None = strawberry.field(default=None, description=_TEXT)
    location: str | None = strawberry.field(default=None, description=_TEXT)
    occurred_at: datetime | None = strawberry.field(default=None, description=_OCCURRED)


@strawberry.input(description="Which reaction to take back.")
class UnreactInput:
    """What unreact takes."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    type: ReactionType = strawberry.field(description="What is taken back.")
    actor: ActorInput | None = strawberry.field(default=None, description=_ACTOR)


@strawberry.input(description="A share.")
class ShareInput:
    """What share takes."""

    key: str | None = strawberry.field(
        default=None, description="Your own key: 1 to 200 characters, unique among the workspace's engagements."
    )
    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    actor: ActorInput | None = strawberry.field(default=None, description=_ACTOR)
    impression_id: strawberry.ID | None = strawberry.field(default=None, description=_IMPRESSION)
    source: str | None = strawberry.field(default=None, description=_SOURCE)
    device_type: str | None = strawberry.field(default=None, description=_TEXT)
    location: str | None = strawberry.field(default=None, description=_TEXT)
    occurred_at: datetime | None = strawberry.field(default=None, description=_OCCURRED)


@strawberry.input(description="A comment, or a reply to one.")
class AddCommentInput:
    """What addComment takes."""

    key: str | None = strawberry.field(
        default=None, description="Your own key: 1 to 200 characters, unique among the workspace's engagements."
    )
    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    parent_id: strawberry.ID | None = strawberry.field(
        default=None, description="The comment it replies to, on the same campaign; CONFLICT if that is deleted."
    )
    actor: ActorInput | None = strawberry.field(default=None, description=_ACTOR)
    body: str = strawberry.field(description="1 to 10,000 characters.")
    impression_id: strawberry.ID | None = strawberry.field(default=None, description=_IMPRESSION)
    source: str | None = strawberry.field(default=None, description=_SOURCE)
    device_type: str | None = strawberry.field(default=None, description=_TEXT)
    location: str | None = strawberry.field(default=None, description=_TEXT)
    occurred_at: datetime | None = strawberry.field(default=None, description=_OCCURRED)


@strawberry.input(description="Another text for a comment.")
class EditCommentInput:
    """What editComment takes."""

    id: strawberry.ID = strawberry.field(description="Which comment.")
    body: str = strawberry.field(description="1 to 10,000 characters.")


@strawberry.input(description="Which comment to delete.")
class DeleteCommentInput:
    """What deleteComment takes."""

    id: strawberry.ID = strawberry.field(description="Which comment.")
