"""People who engaged with a campaign."""

from datetime import datetime
from typing import Any

import strawberry

from graph.actors import Actor
from graph.scalars import BigInt


@strawberry.type(description="An actor and what it did on one campaign.")
class Engager:
    """A view of a row of db.queries.engagement.engagers."""

    engagements: BigInt = strawberry.field(description="How many engagements of it stand on the campaign.")
    last_active_at: datetime = strawberry.field(
        description="When the last of them occurred; where there are none, its last impression."
    )

    @strawberry.field(description="Who.")
    def actor(root: strawberry.Parent[Any]) -> Actor:  # noqa: N805 - the row is the actor's source too
        return root
