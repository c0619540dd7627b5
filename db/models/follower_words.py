"""The words by which followers are found: those of their names, folded so that writing them differently is no difference."""

import re
import unicodedata

_BETWEEN_WORDS = re.compile(r"[\W_]+")
LONGEST_WORD = 100
MOST_WORDS = 8
"""Words that a search may have."""


def words_of(*names: str | None) -> set[str]:
    """The words of some names, and each name as a whole: ``Creator_Amy`` is creator_amy, creator and amy."""
    found: set[str] = set()
    for name in names:
        if name is not None:
            for part in folded(name).split():
                found.add(part)
                found.update(_BETWEEN_WORDS.split(part))
    return {word[:LONGEST_WORD] for word in found} - {""}


def searched(text: str) -> list[str]:
    """The words of a search, each of which begins a word of what is found. ``@amy`` looks for amy."""
    words = (part.lstrip("@")[:LONGEST_WORD] for part in folded(text).split())
    return sorted({word for word in words if word})


def folded(text: str) -> str:
    """A text without the differences of case, width and composition."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
