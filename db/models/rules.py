"""Rules about one value that several tables share: what is wrong with a text, an amount or a time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from db.errors import Problem, invalid
from db.models.base import AMOUNT_BOUND, AMOUNT_SCALE

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_AHEAD = timedelta(days=366)
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of ours a platform's clock may be."""


def text_problems(name: str, value: str, longest: int, *, may_be_empty: bool = False) -> Iterator[Problem]:
    """What is wrong with a text: empty, too long, or holding the one character PostgreSQL cannot keep."""
    if not may_be_empty and not value.strip():
        yield invalid("This must not be empty.", name)
    if len(value) > longest:
        yield invalid(f"At most {longest} characters; there are {len(value)}.", name)
    if "\0" in value:
        yield invalid("A text cannot hold the character U+0000.", name)


def amount_problems(name: str, amount: Decimal) -> Iterator[Problem]:
    """What is wrong with an amount of money or a rate."""
    if not amount.is_finite() or amount < 0:
        yield invalid("This must be zero or more.", name)
    elif amount >= AMOUNT_BOUND:
        yield invalid("This must be below 10^15.", name)
    elif -int(amount.as_tuple().exponent) > AMOUNT_SCALE:
        yield invalid(f"At most {AMOUNT_SCALE} decimal places.", name)


def time_problems(name: str, moment: datetime, now: datetime) -> Iterator[Problem]:
    """What is wrong with the time of a fact."""
    if not EARLIEST <= moment <= now + LONGEST_AHEAD:
        yield invalid("Times reach from the year 2000 to a year ahead.", name)


def past_problems(name: str, moment: datetime, now: datetime) -> Iterator[Problem]:
    """What is wrong with the time of something that a platform says has happened."""
    if moment < EARLIEST:
        yield invalid("Times begin with the year 2000.", name)
    elif moment > now + CLOCKS_DIFFER:
        yield invalid("This has not happened yet: the time lies ahead.", name)
