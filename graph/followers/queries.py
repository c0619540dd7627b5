"""The root fields that find followers."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from db.keyset import PageRequest
from db.models.follower_words import MOST_WORDS, searched
from db.models.interaction_kinds import EngagementTier
from db.models.platforms import Platform
from db.queries.followers import cohorts, reading
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.errors import bad_input
from graph.followers.types import Follower, FollowerCohort
from graph.searches import search_of
from graph.selection import selection_of
from graph.windows import FIRST_YEAR, LAST_YEAR

DEFAULT_WEEKS = 12
"""Of how many weeks cohorts are, unless it is said."""


@strawberry.enum(description="The order of a list of followers.")
class FollowerOrder(StrEnum):
    """Ties are broken by last interaction, then id."""

    SCORE = "SCORE"
    NEWEST = "NEWEST"
    LAST_SEEN = "LAST_SEEN"
    USERNAME = "USERNAME"


@strawberry.input(description="Which followers. All that is given must hold.")
class FollowerFilter:
    """A filter as an argument. Null is the same as left out."""

    platform: Platform | None = strawberry.field(default=None, description="On this platform.")
    tier: list[EngagementTier] | None = strawberry.field(default=None, description="In one of these tiers.")
    search: str | None = strawberry.field(
        default=None,
        description="Each of these words begins a word of what the follower is or was called; neither case nor a leading @ "
        f"matters. At most {MOST_WORDS} words and 200 characters.",
    )
    min_score: int | None = strawberry.field(default=None, description="With this score or a higher one.")


def filter_of(given: FollowerFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    words = searched(search_of(given.search) or "")
    if len(words) > MOST_WORDS:
        raise bad_input(f"filter.search: at most {MOST_WORDS} words; there are {len(words)}.")
    return reading.Filter(
        platform=given.platform,
        tiers=None if given.tier is None else tuple(sorted(set(given.tier))),
        words=tuple(words),
        min_score=given.min_score,
    )


@strawberry.type
class FollowerQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The follower of an id; null where there is none.")
    def follower(self, info: Info, id: strawberry.ID) -> Follower | None:  # noqa: A002
        fields: Any = (selection_of(info).names,)
        return info.context.loaders.one(reading.by_ids, fields, ids.argument("Follower", id))

    @strawberry.field(description="The workspace's followers: in the order of scores, a leaderboard.")
    async def followers(
        self,
        info: Info,
        filter: FollowerFilter | None = None,  # noqa: A002
        order_by: FollowerOrder | None = FollowerOrder.SCORE,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Follower]:
        reads, which, request = info.context.reads, filter_of(filter), PageRequest.of(first, after, last, before)
        by = (order_by or FollowerOrder.SCORE).value
        return await connection(
            info,
            reading.ORDERS[by],
            request,
            lambda fields, request: reading.listed(reads, fields, which, by, request),
            lambda: reading.count(reads, which),
        )

    @strawberry.field(
        description="Followers by the week in which they were first seen: an entry for each week and platform that has any, "
        "the newest week first, then by platform."
    )
    async def follower_cohorts(
        self,
        info: Info,
        platform: Annotated[Platform | None, strawberry.argument(description="Only of this platform.")] = None,
        weeks: Annotated[
            int | None,
            strawberry.argument(
                description="Of how many weeks, up to the one of the moment: 1 to 104. Null is the same as left out."
            ),
        ] = DEFAULT_WEEKS,
        as_of: Annotated[
            datetime | None,
            strawberry.argument(
                description="As they were at this moment; now without it. Who was first seen after it does not count."
            ),
        ] = None,
    ) -> list[FollowerCohort]:
        weeks = DEFAULT_WEEKS if weeks is None else weeks
        if not 1 <= weeks <= cohorts.MOST_WEEKS:
            raise bad_input(f"weeks must be from 1 to {cohorts.MOST_WEEKS}; it is {weeks}.")
        if as_of is not None and not FIRST_YEAR <= as_of.year <= LAST_YEAR:
            raise bad_input(f"asOf lies between the years {FIRST_YEAR} and {LAST_YEAR}.")
        found: Any = await cohorts.listed(info.context.reads, platform, weeks, as_of or datetime.now(UTC))
        return found
