"""A space as it comes in, and what can be wrong with it; figures that a platform reported; the terms that things are found by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from db.errors import Problem, invalid
from db.models.event_items import CURRENCY
from db.models.follower_words import LONGEST_WORD, words_of
from db.models.rules import LARGEST_FIGURE, amount_problems, text_problems

LONGEST_NAME = 200
LONGEST_EXTERNAL_ID = 200
LONGEST_DESCRIPTION = 10_000
LONGEST_OBJECTIVE = 2_000
LONGEST_CATEGORY = 100
LONGEST_TAG = 100
LONGEST_TERM = max(LONGEST_TAG, LONGEST_WORD)
MOST_TAGS = 50
"""Of one space or asset."""
MOST_WORDS = 500
"""By which one space or asset is found: those of its name first."""
COUNTED = ("impressions", "clicks", "conversions")
PAID = ("spend", "revenue")
TAG, WORD = "TAG", "WORD"

_TEXTS = {"description": LONGEST_DESCRIPTION, "objective": LONGEST_OBJECTIVE, "category": LONGEST_CATEGORY}


def space_problems(values: Mapping[str, Any], tags: Sequence[str] | None) -> Iterator[Problem]:
    """All that is wrong with what is given of a space, by column: its name, texts, budget (amount and currency) and tags."""
    if "name" in values:
        yield from text_problems("name", values["name"] or "", LONGEST_NAME)
    if values.get("external_campaign_id") is not None:
        yield from text_problems("external_campaign_id", values["external_campaign_id"], LONGEST_EXTERNAL_ID)
    for name, longest in _TEXTS.items():
        if values.get(name) is not None:
            yield from text_problems(name, values[name], longest, may_be_empty=True)
    if values.get("budget_amount") is not None:
        yield from _money_problems("budget", values["budget_amount"], values["budget_currency"])
    yield from tag_problems(tags or ())


def tag_problems(tags: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with tags. One that stands there twice is there once."""
    if len(set(tags)) > MOST_TAGS:
        yield invalid(f"At most {MOST_TAGS} tags; there are {len(set(tags))}.", "tags")
    for tag in tags:
        yield from text_problems("tags", tag, LONGEST_TAG)


def words_found_by(*texts: str | None) -> list[str]:
    """The folded words that these texts are found by, in the order of their characters."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(sorted(words_of(text))))
    return sorted(list(found)[:MOST_WORDS])


@dataclass(frozen=True)
class Figures:
    """Figures that a platform reported: those that are given replace, null clears. Spend and revenue are of one currency."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """By column of COUNTED and PAID."""
    currency: str | None = None
    """Of what is given of PAID; None where none is."""

    def problems(self) -> Iterator[Problem]:
        """All that is wrong with them by themselves."""
        for name in COUNTED:
            value = self.values.get(name)
            if value is not None and not 0 <= value <= LARGEST_FIGURE:
                yield invalid("This must be zero or more, and at most 2^53-1.", name)
        for name in PAID:
            amount = self.values.get(name)
            if amount is not None:
                yield from _money_problems(name, amount, self.currency or "")


def _money_problems(name: str, amount: Decimal, currency: str) -> Iterable[Problem]:
    yield from amount_problems(name, amount)
    if not CURRENCY.fullmatch(currency):
        yield invalid("A currency is three capital letters, ISO 4217.", name)
