"""What comes of deleting something of which nothing is shown afterwards."""

import strawberry

from graph.errors import UserError


@strawberry.type(description="What came of deleting something.")
class DeletePayload:
    """The id of what was deleted, or what is wrong."""

    deleted_id: strawberry.ID | None = strawberry.field(
        description="The id of what was deleted; null when something was wrong."
    )
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")
