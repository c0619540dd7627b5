"""Actors: the end users behind impressions and engagements."""

import strawberry

from graph.inputs import built_by_name


@strawberry.type(
    description="The end user behind an impression or an engagement; never a member of staff. userId, profileType "
    "and profileId together are who acts; reach counts userId."
)
class Actor:
    """A view of a row's actor."""

    user_id: str = strawberry.field(description="Who, over all profiles.")
    profile_id: str | None = strawberry.field(description="The profile through which the user acted.")
    profile_type: str | None = strawberry.field(description="What kind of profile that is.")


@built_by_name
@strawberry.input(description="The end user behind an impression or an engagement.")
class ActorInput:
    """An actor as it comes in."""

    user_id: str = strawberry.field(description="Who, over all profiles: 1 to 200 characters.")
    profile_id: str | None = strawberry.field(default=None, description="At most 200 characters.")
    profile_type: str | None = strawberry.field(default=None, description="At most 200 characters.")
