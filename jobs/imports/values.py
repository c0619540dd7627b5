"""From what a file says to a value of a field. Each parser raises ValueError with a message for the user."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import orjson

from jobs.imports.errors import ImportFailedError

Parser = Callable[[Any], Any]
Kinds = TypeVar("Kinds", bound=StrEnum)

_YES = frozenset({"true", "t", "yes", "y", "1"})
_NO = frozenset({"false", "f", "no", "n", "0"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
_NO_TIME = "This is not a time as RFC 3339 writes it, nor seconds or milliseconds since 1970."
_BETWEEN = re.compile(r"[\s_-]+")
_LONGEST_SHOWN = 50
_FIRST_MILLISECONDS = 10**11  # as seconds this is the year 5138, as milliseconds 1973


def text(raw: Any) -> str:
    """A text as it stands; JSON's numbers are taken for their digits."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("This must be a text.")
    return str(raw)


def boolean(raw: Any) -> bool:
    """True or false, spelt in one of the usual ways."""
    word = str(raw).strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError("This must be true or false (or 1, 0, yes, no, t, f).")


def whole_number(raw: Any) -> int:
    """An integer of at most 18 digits."""
    digits = str(raw).strip()
    if not re.fullmatch(r"[+-]?\d{1,18}", digits, re.ASCII):
        raise ValueError("This must be a whole number.")
    return int(digits)


def amount(raw: Any) -> Decimal:
    """A decimal number, with a point."""
    digits = str(raw).strip()
    if not _NUMBER.fullmatch(digits):
        raise ValueError("This must be a decimal number.")
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError("This must be a decimal number.") from None


def with_plurals(kinds: Iterable[Kinds]) -> dict[str, Kinds]:
    """Some kinds by their names and the plurals of these."""
    return {word: one for one in kinds for word in (one.value, f"{one.value}S")}


def one_of(what: str, words: Mapping[str, Kinds], example: Kinds) -> Parser:
    """A parser of kinds of something, by words for them: in any case, and with anything or nothing between their parts.

    ``what`` is the field's name; ``example`` is what a word that is none of these might be translated to.
    """
    folded = {_folded(word): one for word, one in words.items()}
    *names, last = dict.fromkeys(one.value for one in words.values())
    there = f"there are {', '.join(names)} and {last}."

    def parse(raw: Any) -> Kinds:
        found = words.get(raw) or folded.get(_folded(raw)) if isinstance(raw, str) else None
        if found is None:
            said = str(raw)
            mended = f" --translate {shlex.quote(f'{what}:{said}={example}')} would make it one."
            raise ValueError(
                f"{said[:_LONGEST_SHOWN]!r} is no {what}: {there}" + (mended if len(said) <= _LONGEST_SHOWN else "")
            )
        return found

    return parse


def _folded(word: str) -> str:
    return _BETWEEN.sub("", word).upper()


def json_text(raw: Any) -> Any:
    """What a text of JSON holds."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ValueError("This is not JSON.") from None


def moment(zone: tzinfo | None) -> Parser:
    """A parser of times: ISO 8601, or seconds or milliseconds since 1970 where all are digits.

    A time without an offset is one of the zone's clock (the earlier one where the clock shows it twice).
    """

    def parse(raw: Any) -> datetime:
        if type(raw) is int and raw >= 0:  # a boolean is no time
            return _since_1970(raw)
        at = _moment(raw if isinstance(raw, str) else str(raw))
        if at.tzinfo is not None:
            return at
        if zone is None:
            raise ValueError("A time without an offset; --time-zone says which zone it is in.")
        return at.replace(tzinfo=zone)

    return parse


def _moment(written: str) -> datetime:
    try:
        if written.isdecimal() and written.isascii():
            return _since_1970(int(written))
        return datetime.fromisoformat(written.strip())
    except ValueError:
        raise ValueError(_NO_TIME) from None


def _since_1970(number: int) -> datetime:
    try:
        return _EPOCH + number * (_MILLISECOND if number >= _FIRST_MILLISECONDS else _SECOND)
    except OverflowError:
        raise ValueError(_NO_TIME) from None


def time_zone(name: str) -> ZoneInfo:
    """The zone of a name. Raises ImportFailedError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ImportFailedError(f"No such time zone: {name}. Names look like Europe/Berlin or UTC.") from None
