"""One event as it comes in, and what can be wrong with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from db.errors import Problem, invalid
from db.models.event_kinds import EventType
from db.models.rules import amount_problems, depth_problems, past_problems, text_problems

LARGEST_DATA = 16_384
"""Bytes of the data's JSON."""
CURRENCY = re.compile("[A-Z]{3}", re.ASCII)
_ESCAPED_NULL = b"\\u0000"


@dataclass(slots=True)
class NewEvent:
    """An event to record. ``data`` is what JSON can hold."""

    key: str
    type: EventType
    campaign_id: int
    occurred_at: datetime
    channel_id: int | None = None
    audience_id: int | None = None
    user_id: str | None = None
    value_amount: Decimal | None = None
    value_currency: str | None = None
    data: Any = None

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it by itself; empty for nearly every one, and then cheap."""
        found: list[Problem] = []
        if not 0 < len(self.key) <= 200 or "\0" in self.key or not self.key.strip():
            found.extend(text_problems("key", self.key, 200))
        user = self.user_id
        if user is not None and (not 0 < len(user) <= 200 or "\0" in user or not user.strip()):
            found.extend(text_problems("user_id", user, 200))
        found.extend(past_problems("occurred_at", self.occurred_at, now))
        if self.value_amount is not None or self.value_currency is not None:
            found.extend(self._value_problems())
        if self.data is not None:
            found.extend(_data_problems(self.data))
        return found

    def _value_problems(self) -> Iterator[Problem]:
        if self.value_amount is None or self.value_currency is None:
            yield invalid("A value has an amount and a currency.", "value")
            return
        yield from amount_problems("value", self.value_amount)
        if not CURRENCY.fullmatch(self.value_currency):
            yield invalid("A currency is three capital letters, ISO 4217.", "value")


def _data_problems(data: Any) -> Iterator[Problem]:
    try:
        written = orjson.dumps(data)
    except TypeError:  # deeper than can be written, or a whole number of more than 64 bits
        yield invalid("This is nested too deeply, or holds a number that is too large.", "data")
        return
    yield from depth_problems("data", data, written)
    if len(written) > LARGEST_DATA:
        yield invalid(f"At most {LARGEST_DATA:,} bytes of JSON; there are {len(written):,}.", "data")
    elif _ESCAPED_NULL in written and "\0" in "".join(_texts(data)):
        yield invalid("A text cannot hold the character U+0000.", "data")


def _texts(data: Any) -> Iterator[str]:
    """All texts in some JSON, keys included."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
