"""Rules about one value that several tables share: what is wrong with a text, an amount, a time or a JSON document."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import orjson

from db.errors import Problem, invalid
from db.models.base import AMOUNT_BOUND, AMOUNT_SCALE

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_AHEAD = timedelta(days=366)
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of ours a platform's clock may be."""
LARGEST_FIGURE = 2**53 - 1
LARGEST_DOCUMENT = 65_536
"""Bytes of a JSON document that is kept beside something, unless it is said."""
DEEPEST_DOCUMENT = 100
"""Levels of a JSON document. Some more are around it where it is answered, and 254 are the most that can be written."""


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


def json_problems(name: str, value: Any, largest: int = LARGEST_DOCUMENT) -> Iterator[Problem]:
    """What is wrong with a JSON document that is to be kept beside something. ``largest``: bytes."""
    try:
        written = orjson.dumps(value)
    except (TypeError, ValueError):
        yield invalid("This is no JSON, is nested too deeply, or has a number beyond 64 bits.", name)
        return
    yield from depth_problems(name, value, written)
    if len(written) > largest:
        yield invalid(f"At most {largest:,} bytes of JSON; there are {len(written):,}.", name)
    parts = list(_parts(value))
    if any(isinstance(part, str) and "\0" in part for part in parts):
        yield invalid("A text cannot hold the character U+0000.", name)
    # PostgreSQL writes 1e20 as all its digits, which nobody reads back as the same number.
    if any(isinstance(part, int | float) and not abs(part) <= LARGEST_FIGURE for part in parts):
        yield invalid("Numbers lie within plus or minus 2^53-1. Write larger ones as texts.", name)


def depth_problems(name: str, value: Any, written: bytes) -> Iterator[Problem]:
    """What is wrong with the depth of a JSON document. ``written``: the document as JSON, which mostly says enough."""
    if written.count(b"[") + written.count(b"{") <= DEEPEST_DOCUMENT:
        return
    level = [value]
    for _ in range(DEEPEST_DOCUMENT):
        inner = chain.from_iterable(one.values() if isinstance(one, dict) else one for one in level)
        level = [one for one in inner if isinstance(one, dict | list)]
    if level:
        yield invalid(f"At most {DEEPEST_DOCUMENT} levels of JSON within each other.", name)


def _parts(document: Any) -> Iterator[Any]:
    """All that a document consists of, keys included."""
    left = [document]
    while left:
        part = left.pop()
        yield part
        if isinstance(part, dict):
            left += [*part, *part.values()]
        elif isinstance(part, list):
            left += part
