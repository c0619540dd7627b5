"""The types of interactions, as the schema has them, and which ones a list shows."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from db.models.interaction_kinds import InteractionType
from db.models.platforms import Platform
from db.queries.interactions import reading
from graph import ids
from graph.windows import TimeWindow, window_of

strawberry.enum(InteractionType, name="InteractionType", description="What a follower did.")

Types = Annotated[
    list[InteractionType] | None, strawberry.argument(description="Only of these types; of all without it.")
]
ContentId = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only about this content item, on whichever post of it.")
]


def filter_of(
    types: Sequence[InteractionType] | None,
    window: TimeWindow | None,
    content_id: str | None = None,
    platform: Platform | None = None,
) -> reading.Filter:
    """The filter that the arguments of a list mean."""
    bounds = window_of(window)
    return reading.Filter(
        types=None if types is None else tuple(sorted(set(types))),
        platform=platform,
        content_id=None if content_id is None else ids.argument("ContentItem", content_id, "contentId"),
        start=bounds.start,
        end=bounds.end,
    )
