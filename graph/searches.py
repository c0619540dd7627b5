"""Searches as arguments."""

from graph.errors import bad_input

LONGEST_SEARCH = 200


def search_of(given: str | None, name: str = "filter.search") -> str | None:
    """The text of a search, if there is one. Raises the error that the caller sees for one that is too long."""
    if given is not None and len(given) > LONGEST_SEARCH:
        raise bad_input(f"{name}: at most {LONGEST_SEARCH} characters; there are {len(given)}.")
    return given
