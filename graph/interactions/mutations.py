"""Recording interactions."""

from collections.abc import Sequence
from datetime import UTC, datetime

import strawberry

from db.engine import Transaction
from db.errors import Problem
from db.models.interaction_items import NewInteraction
from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.interactions import placing, recording
from graph.context import Info
from graph.ingest import IngestPayload, answered, check_size
from graph.inputs import built_by_name
from graph.scalars import BigInt


@built_by_name
@strawberry.input(
    description="Who did it. Somebody new becomes a follower; of somebody known, what the latest interaction says is kept."
)
class FollowerInput:
    """The follower of one item of recordInteractions."""

    external_id: str = strawberry.field(description="The platform's own id of the profile: 1 to 200 characters.")
    username: str = strawberry.field(description="What it is called there: 1 to 200 characters.")
    display_name: str | None = strawberry.field(
        default=None, description="What it calls itself: at most 200 characters. Null leaves what is known."
    )
    profile_url: str | None = strawberry.field(
        default=None, description="Where it is to be seen: at most 2000 characters. Null leaves what is known."
    )
    audience_size: BigInt | None = strawberry.field(
        default=None, description="Size of its own audience: zero or more. Null leaves what is known."
    )


@built_by_name
@strawberry.input(description="An interaction to record.")
class InteractionInput:
    """One item of recordInteractions."""

    key: str = strawberry.field(
        description="Your own key, 1 to 200 characters, unique in the workspace. A repeated one counts once."
    )
    platform: Platform = strawberry.field(description="Where it happened: the follower's and the post's platform.")
    follower: FollowerInput = strawberry.field(description="Who did it.")
    type: InteractionType = strawberry.field(description="What was done.")
    external_post_id: str | None = strawberry.field(
        default=None, description="The platform's own id of the post it is about, which upsertContent made known."
    )
    value: str | None = strawberry.field(
        default=None,
        description="What was said or clicked: the text of a comment, the address of a link. At most 10,000 characters.",
    )
    occurred_at: datetime = strawberry.field(
        description="When it happened: from the year 2000 on, at most five minutes ahead. May arrive late."
    )


@strawberry.input(description="Interactions, whoever's they are and whatever they are about.")
class RecordInteractionsInput:
    """What recordInteractions takes."""

    interactions: list[InteractionInput] = strawberry.field(description="At most 1000.")


@strawberry.type
class InteractionMutation:
    """The change of this domain."""

    @strawberry.mutation(
        description="Records up to 1000 interactions; a repeated key counts once. They make the followers that are new, and "
        "change scores and the numbers of content at once. One that cannot be taken is rejected by itself."
    )
    async def record_interactions(self, info: Info, input: RecordInteractionsInput) -> IngestPayload:  # noqa: A002
        given, problems = input.interactions, dict[int, list[Problem]]()

        async def work(transaction: Transaction) -> recording.Outcome:
            check_size(given, "interactions")
            problems.clear()
            items = _valid(given, problems)
            places = list(items)
            for place, wrong in (await placing.place(transaction, list(items.values()))).items():
                problems[places[place]] = [wrong]
            return await recording.record(transaction, [one for at, one in items.items() if at not in problems])

        return answered(await info.context.change(work), problems, [item.key for item in given])


def _valid(given: Sequence[InteractionInput], problems: dict[int, list[Problem]]) -> dict[int, NewInteraction]:
    """The items without problems by position, and the problems of the others."""
    now, items = datetime.now(UTC), {}
    for index, item in enumerate(given):
        new = _new(item)
        found = new.problems(now)
        if found:
            problems[index] = [Problem(one.code, one.message, _path(one.field)) for one in found]
        else:
            items[index] = new
    return items


def _new(item: InteractionInput) -> NewInteraction:
    follower = item.follower
    return NewInteraction(
        key=item.key,
        platform=item.platform,
        type=item.type,
        occurred_at=item.occurred_at,
        external_id=follower.external_id,
        username=follower.username,
        display_name=follower.display_name,
        profile_url=follower.profile_url,
        audience_size=follower.audience_size,
        external_post_id=item.external_post_id,
        value=item.value,
    )


_OF_FOLLOWER = frozenset({"external_id", "username", "display_name", "profile_url", "audience_size"})


def _path(field: tuple[str, ...]) -> tuple[str, ...]:
    """Where in the input a field of an interaction stands."""
    return ("follower", *field) if field[0] in _OF_FOLLOWER else field
