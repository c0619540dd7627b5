"""One impression as it comes in, one change to it later, and what can be wrong with either."""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar

from db.errors import Problem, conflict, invalid
from db.models.rules import amount_problems, text_problems, time_problems

T = TypeVar("T")

LONGEST_DURATION_MS = 2**31 - 1

_TEXTS = (
    ("user_id", 200),
    ("profile_id", 200),
    ("profile_type", 200),
    ("device_type", 200),
    ("location", 200),
    ("region", 200),
    ("placement", 200),
    ("audience_label", 200),
    ("session_id", 200),
    ("user_agent", 2000),
)
_texts_of = attrgetter(*(name for name, _ in _TEXTS))  # one call for all of them: this runs for every item
_MAY_BE_EMPTY = frozenset({"device_type", "location", "region", "placement", "audience_label", "user_agent"})


@dataclass(slots=True)
class NewImpression:
    """An impression to record. ``is_unique`` None: decided by whether its user is new to the campaign."""

    key: str
    campaign_id: int
    occurred_at: datetime
    user_id: str | None = None
    profile_id: str | None = None
    profile_type: str | None = None
    is_unique: bool | None = None
    is_viewable: bool | None = None
    viewable_duration_ms: int | None = None
    clicked_at: datetime | None = None
    converted_at: datetime | None = None
    device_type: str | None = None
    location: str | None = None
    region: str | None = None
    placement: str | None = None
    audience_label: str | None = None
    cpi_rate: Decimal | None = None
    charged_at: datetime | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    session_id: str | None = None
    brand_id: int | None = None
    channel_id: int | None = None
    audience_id: int | None = None

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it; empty for nearly every item, and then cheap."""
        found = [*_key_problems(self.key)]
        for (name, longest), value in zip(_TEXTS, _texts_of(self), strict=True):
            if value is not None and (not value or len(value) > longest or "\0" in value):
                found.extend(text_problems(name, value, longest, may_be_empty=name in _MAY_BE_EMPTY))
        if self.ip_address is not None and not is_address(self.ip_address):
            found.append(invalid("This is not an IP address.", "ip_address"))
        found.extend(_shared_problems(self, now))
        found.extend(time_problems("occurred_at", self.occurred_at, now))
        return found


@dataclass(slots=True)
class ImpressionChange:
    """What became of an impression that was recorded earlier, named by its id or its key."""

    id: int | None = None
    key: str | None = None
    is_viewable: bool | None = None
    viewable_duration_ms: int | None = None
    clicked_at: datetime | None = None
    converted_at: datetime | None = None
    charged_at: datetime | None = None
    cpi_rate: Decimal | None = None

    def problems(self, now: datetime) -> list[Problem]:
        """All that is wrong with it by itself."""
        found = list(_shared_problems(self, now))
        if (self.id is None) == (self.key is None):
            found.append(invalid("Name the impression by its id or by its key: one of them.", "id"))
        return found


@dataclass(slots=True)
class ImpressionState:
    """What the metrics count of an impression, and the rule by which it changes.

    Changes arrive late, twice and in any order. Whatever their order, the same changes give the same state: times
    keep the earliest, viewability once seen stays, the earliest charge sets the rate (the higher one of two at the
    same time). Only a rate that did not come with its charge, an impression's own or the campaign's price, is taken
    when the charge is recorded, and so depends on what was known then.
    """

    is_viewable: bool | None
    viewable_duration_ms: int | None
    clicked_at: datetime | None
    converted_at: datetime | None
    charged_at: datetime | None
    cpi_rate: Decimal | None

    def after(self, change: ImpressionChange, price: Decimal | None) -> "ImpressionState":
        """The state once a change is taken in. ``price`` is the campaign's, for a charge without a rate."""
        return ImpressionState(
            _either(self.is_viewable, change.is_viewable, max),
            _either(self.viewable_duration_ms, change.viewable_duration_ms, max),
            _either(self.clicked_at, change.clicked_at, min),
            _either(self.converted_at, change.converted_at, min),
            _either(self.charged_at, change.charged_at, min),
            self._rate_after(change, price),
        )

    def refuses(self, change: ImpressionChange) -> Problem | None:
        """Why this state does not take the change: a rate by itself comes too late for a charged impression."""
        late = self.charged_at is not None and change.charged_at is None and change.cpi_rate is not None
        if late and change.cpi_rate != self.cpi_rate:
            return conflict("The impression is charged; its rate is fixed.", "cpi_rate")
        return None

    def _rate_after(self, change: ImpressionChange, price: Decimal | None) -> Decimal | None:
        if change.charged_at is None:
            return change.cpi_rate if change.cpi_rate is not None and self.charged_at is None else self.cpi_rate
        if self.charged_at is None:
            own = self.cpi_rate if change.cpi_rate is None else change.cpi_rate
            return price if own is None else own
        if change.cpi_rate is None or change.charged_at > self.charged_at:
            return self.cpi_rate
        if change.charged_at < self.charged_at:
            return change.cpi_rate
        return _either(self.cpi_rate, change.cpi_rate, max)


def _key_problems(key: str) -> Iterator[Problem]:
    if not 0 < len(key) <= 200 or "\0" in key or not key.strip():
        yield from text_problems("key", key, 200)


def _shared_problems(item: NewImpression | ImpressionChange, now: datetime) -> Iterator[Problem]:
    duration = item.viewable_duration_ms
    if duration is not None and not 0 <= duration <= LONGEST_DURATION_MS:
        yield invalid(f"Milliseconds from 0 to {LONGEST_DURATION_MS}.", "viewable_duration_ms")
    if item.cpi_rate is not None:
        yield from amount_problems("cpi_rate", item.cpi_rate)
    for name in ("clicked_at", "converted_at", "charged_at"):
        moment = getattr(item, name)
        if moment is not None:
            yield from time_problems(name, moment, now)


def is_address(text: str) -> bool:
    """Whether a text is an IP address that PostgreSQL keeps."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # A zone ("fe80::1%eth0") names an interface of the sender's machine; PostgreSQL does not keep it.
    return "%" not in text


def _either(mine: T | None, theirs: T | None, choose: Callable[[T, T], T]) -> T | None:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return choose(mine, theirs)
