"""Recounting scores on demand."""

import strawberry

from db.queries.followers import recounting
from graph.context import Info
from graph.errors import UserError, user_errors
from graph.scalars import BigInt
from jobs.recounts import recount


@strawberry.type(description="What a recount of scores found.")
class RecalculateScoresPayload:
    """How many followers were recounted, or what is wrong."""

    followers: BigInt = strawberry.field(description="Followers that were recounted: all that there were.")
    changed: BigInt = strawberry.field(
        description="Those of them whose counts or times were others than their interactions make, and were corrected."
    )
    user_errors: list[UserError] = strawberry.field(description="All that is wrong. Empty when all is well.")


@strawberry.type
class FollowerRecountMutation:
    """The change of this domain that is many."""

    @strawberry.mutation(
        description="Recounts all scores from the interactions now, as happens by itself every night at midnight, and "
        "corrects what differs. Not one transaction but one for every 2000 followers, so that interactions are recorded "
        "meanwhile: what was corrected stays so, even if the recount itself is broken off. Two at once do no harm."
    )
    async def recalculate_scores(self, info: Info) -> RecalculateScoresPayload:
        begun = await info.context.change(recounting.begin)
        if begun.value is None:
            return RecalculateScoresPayload(
                followers=BigInt(0), changed=BigInt(0), user_errors=user_errors(begun.problems)
            )
        standing = await recount(info.context.change, info.context.viewer.workspace_id, begun.value)
        followers, changed = (0, 0) if standing is None else (standing.followers, standing.differed)
        return RecalculateScoresPayload(followers=BigInt(followers), changed=BigInt(changed), user_errors=[])
