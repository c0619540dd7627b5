"""Words of spaces and assets that inputs and types share."""

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry
from strawberry.scalars import JSON

from db.models.asset_kinds import AssetType, ImportSource
from db.models.follower_words import MOST_WORDS, searched
from db.models.space_items import MOST_TAGS
from db.queries.assets import reading
from graph.errors import bad_input
from graph.searches import search_of

__all__ = ["AssetType", "ImportSource"]

strawberry.enum(AssetType, name="AssetType", description="What an asset is to a campaign.")
strawberry.enum(ImportSource, name="ImportSource", description="How what is in a space came into it.")

SEARCH = (
    "Each of these words begins a word of name or description; neither case nor accents written apart matter. At most "
    f"{MOST_WORDS} words and 200 characters."
)
DOCUMENT = "Any JSON, at most 65,536 bytes, its numbers within plus or minus 2^53-1."
TAGS = f"Has all of these tags, exactly as they are. At most {MOST_TAGS}."


@strawberry.input(description="Which assets. All that is given must hold.")
class AssetFilter:
    """A filter as an argument. Null is the same as left out."""

    types: list[AssetType] | None = strawberry.field(default=None, description="Of one of these types.")
    tags: list[str] | None = strawberry.field(default=None, description=TAGS)
    search: str | None = strawberry.field(default=None, description=SEARCH)
    sha256: str | None = strawberry.field(
        default=None, description="Holds the bytes of this SHA-256: 64 hexadecimal digits."
    )
    created_by: str | None = strawberry.field(default=None, description="Created by the viewer of this subject.")
    include_deleted: bool | None = strawberry.field(
        default=None, description="Also those that are deleted and can be restored."
    )


def filter_of(given: AssetFilter | None) -> reading.Filter:
    """The filter that an argument means."""
    if given is None:
        return reading.Filter()
    return reading.Filter(
        types=None if given.types is None else tuple(sorted(set(given.types))),
        tags=tags_of(given.tags),
        words=words_of(given.search),
        sha256=None if given.sha256 is None else given.sha256.lower(),
        created_by=given.created_by,
        include_deleted=bool(given.include_deleted),
    )


def tags_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """The tags of a filter, each once. Raises the error that the caller sees for too many."""
    tags = tuple(sorted(set(given or ())))
    if len(tags) > MOST_TAGS:
        raise bad_input(f"filter.tags: at most {MOST_TAGS} tags; there are {len(tags)}.")
    return tags


def words_of(given: str | None) -> tuple[str, ...]:
    """The words of a search. Raises the error that the caller sees for too many."""
    words = tuple(searched(search_of(given) or ""))
    if len(words) > MOST_WORDS:
        raise bad_input(f"filter.search: at most {MOST_WORDS} words; there are {len(words)}.")
    return words


def document(column: str) -> Any:
    """The resolver of a field that is a JSON document of the row: the driver has read it."""

    def resolve(root: strawberry.Parent[Any]) -> JSON | None:
        return getattr(root, column)

    return resolve


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of an input's fields: those that were left out are not among them."""
    return {name: value for name, value in values.items() if value is not strawberry.UNSET}
