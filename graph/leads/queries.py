"""The root fields that find leads."""

from typing import Annotated

import strawberry

from db.keyset import PageRequest
from db.models.follower_words import MOST_WORDS, searched
from db.queries.leads import reading
from graph import ids
from graph.connections import After, Before, Connection, First, Last, connection
from graph.context import Info
from graph.errors import bad_input
from graph.leads.types import Lead, lead_of
from graph.searches import search_of

Search = Annotated[
    str | None,
    strawberry.argument(
        description="Each of these words begins a word of the lead's name, address or key, or the whole address; the case of "
        f"letters does not matter. At most {MOST_WORDS} words and 200 characters."
    ),
]


@strawberry.type
class LeadQuery:
    """The root fields of this domain."""

    @strawberry.field(description="The lead of an id; null where there is none.")
    def lead(self, info: Info, id: strawberry.ID) -> Lead | None:  # noqa: A002
        return lead_of(info, ids.argument("Lead", id))

    @strawberry.field(description="The workspace's leads, newest first.")
    async def leads(
        self,
        info: Info,
        search: Search = None,
        first: First = 20,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Lead]:
        reads, words, request = info.context.reads, _words_of(search), PageRequest.of(first, after, last, before)
        return await connection(
            info,
            reading.NEWEST,
            request,
            lambda fields, request: reading.listed(reads, fields, words, request),
            lambda: reading.count(reads, words),
        )


def _words_of(given: str | None) -> list[str]:
    words = searched(search_of(given, "search") or "")
    if len(words) > MOST_WORDS:
        raise bad_input(f"search: at most {MOST_WORDS} words; there are {len(words)}.")
    return words
