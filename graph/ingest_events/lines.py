"""From the bytes of a line to the event it describes, or to all that is wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import orjson
from graphql import GraphQLError

from db.errors import Problem, ProblemCode, invalid
from db.models.event_items import NewEvent
from db.models.event_kinds import EventType
from db.models.rules import text_problems
from graph import ids
from graph.scalars import SCALARS

FIELDS: Mapping[str, str] = {
    "key": "key",
    "type": "type",
    "campaignId": "campaign_id",
    "campaign": "campaign",
    "channelId": "channel_id",
    "channel": "channel",
    "audienceId": "audience_id",
    "audience": "audience",
    "userId": "user_id",
    "occurredAt": "occurred_at",
    "value": "value",
    "data": "data",
}
"""The fields of a line, and what they are called in problems."""
MOST_PROBLEMS = 10
"""Problems that are told of a line: an answer is not to grow far beyond what it answers."""
LONGEST_KEY = 200
_LONGEST_NAME = 60
_NOT_A_TYPE = f"This must be {', '.join(list(EventType)[:-1])} or {list(EventType)[-1]}."
_MONEY = frozenset({"amount", "currency"})

_moment = cast(Callable[[Any], datetime], SCALARS[datetime].parse_value)
_amount = cast(Callable[[Any], Decimal], SCALARS[Decimal].parse_value)


@dataclass(slots=True)
class Line:
    """One line. ``event`` is None where there are problems; ``names`` says which of its ids are yet to be looked up."""

    number: int
    """From 1, as an editor counts."""
    payload: bytes
    key: str | None = None
    """The key as far as it can be told; cut off where it is too long to be one."""
    event: NewEvent | None = None
    names: dict[str, str] = field(default_factory=dict)
    """By ``campaign``, ``channel`` or ``audience`` the name (of a campaign, the key) of the one that is meant."""
    problems: list[Problem] = field(default_factory=list)


def line_of(number: int, payload: bytes, longest: int, now: datetime) -> Line:
    """Reads a line of at most ``longest`` bytes. Unknown fields are problems: a typo must not lose anything."""
    line = Line(number, payload[:longest])
    if len(payload) > longest:
        message = f"At most {longest:,} bytes in a line."
        line.problems.append(Problem(ProblemCode.TOO_LARGE, message, ()))
        return line
    given = _object(payload, line.problems)
    if given is not None:
        _fill(line, given, now)
    return line


def _object(payload: bytes, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        given = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        problems.append(invalid(f"This is not JSON in UTF-8: look at character {error.pos + 1}."))
        return None
    if isinstance(given, dict):
        return given
    problems.append(invalid("An event is a JSON object."))
    return None


def _fill(line: Line, given: dict[str, Any], now: datetime) -> None:
    key = given.get("key")
    line.key = key[:LONGEST_KEY] if isinstance(key, str) else None
    found = _Found(given)
    event = found.event(now)
    wrong = {problem.field[:1] for problem in found.problems}
    # What could not be read stands in the event as something else, of which nothing is said.
    found.problems += [problem for problem in event.problems(now) if problem.field[:1] not in wrong]
    if found.problems:
        line.problems = found.problems[:MOST_PROBLEMS]
    else:
        line.event, line.names = event, found.names


class _Found:
    """Reads the fields of one object, strictly, and collects what is wrong with them."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self.names: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._refuse_others(given, FIELDS)

    def event(self, now: datetime) -> NewEvent:
        """The event, with something else in the place of what has a problem."""
        key = self._text("key")
        if key is None and self._given.get("key") is None:
            self._wrong("This must be given.", "key")
        event = NewEvent(
            "-" if key is None else key,
            self._type(),
            self._reference("Campaign", "campaignId", "campaign") or 0,
            self._occurred_at() or now,
            self._reference("Channel", "channelId", "channel"),
            self._reference("Audience", "audienceId", "audience"),
            self._text("userId"),
            data=self._given.get("data"),
        )
        event.value_amount, event.value_currency = self._value()
        return event

    def _refuse_others(self, given: Mapping[str, Any], known: Mapping[str, Any] | frozenset[str], *at: str) -> None:
        for name in given:
            if name not in known and len(self.problems) < MOST_PROBLEMS:
                self._wrong(f'There is no field "{_shown(name)}".', *at)

    def _wrong(self, message: str, *at: str) -> None:
        self.problems.append(invalid(message, *at))

    def _text(self, name: str) -> str | None:
        value = self._given.get(name)
        if value is None or isinstance(value, str):
            return value
        self._wrong("This must be a text.", FIELDS[name])
        return None

    def _type(self) -> EventType:
        value = self._given.get("type")
        if isinstance(value, str) and value in EventType.__members__:
            return EventType[value]
        self._wrong("This must be given." if value is None else _NOT_A_TYPE, "type")
        return EventType.IMPRESSION

    def _occurred_at(self) -> datetime | None:
        value = self._given.get("occurredAt")
        if value is None:
            self._wrong("This must be given.", "occurred_at")
            return None
        try:
            return _moment(_flat(value))
        except GraphQLError as error:
            self._wrong(error.message, "occurred_at")
            return None

    def _reference(self, kind: str, by_id: str, by_name: str) -> int | None:
        """The id of what is referred to by its id. What is referred to by its name is noted down."""
        given, name = self._text(by_id), self._text(by_name)
        if given is not None and name is not None:
            self._wrong(f"Give {by_id} or {by_name}, not both.", FIELDS[by_name])
        elif name is not None:
            self.names[by_name] = name
            self.problems.extend(text_problems(FIELDS[by_name], name, LONGEST_KEY))
        elif given is None and kind == "Campaign" and not self._has_problem(by_id, by_name):
            self._wrong("Give campaignId, or campaign: its key.", FIELDS[by_id])
        return ids.checked(kind, given, self.problems, FIELDS[by_id])

    def _has_problem(self, *names: str) -> bool:
        fields = {(FIELDS[name],) for name in names}
        return any(problem.field in fields for problem in self.problems)

    def _value(self) -> tuple[Decimal | None, str | None]:
        value = self._given.get("value")
        if value is None:
            return None, None
        if not isinstance(value, dict):
            self._wrong('This must be an object, e.g. {"amount": "12.50", "currency": "EUR"}.', "value")
            return None, None
        self._refuse_others(value, _MONEY, "value")
        amount, currency = value.get("amount"), value.get("currency")
        if amount is None or currency is None:
            self._wrong("A value has an amount and a currency.", "value")
            return None, None
        if not isinstance(currency, str):
            self._wrong("This must be a text.", "value", "currency")
        try:
            return _amount(_flat(amount)), currency if isinstance(currency, str) else "XXX"
        except GraphQLError as error:
            self._wrong(error.message, "value", "amount")
            return None, None


def _shown(name: str) -> str:
    """A name as a message can hold it, in JSON that PostgreSQL can keep."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    return short.replace("\0", "\N{SYMBOL FOR NULL}")


def _flat(value: Any) -> Any:
    """A value that can be shown in a message. JSON may be nested more deeply than can be written."""
    return "..." if isinstance(value, list | dict) else value
