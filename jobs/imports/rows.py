"""From a row of a file to an item to record, or to all that is wrong with it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from db.engine import Transaction
from db.errors import Problem, camel, invalid
from db.models.rules import text_problems
from jobs.imports import values
from jobs.imports.files import Malformed, Row
from jobs.imports.mapping import CAMPAIGN, Getter

EMPTY = "This must not be empty."
UNRESOLVED = 0
"""A campaign's id, until the transaction has looked its key up."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not go in. ``problems`` are pairs of a field (None: the row as a whole) and a message."""

    line: int
    problems: Sequence[tuple[str | None, str]]
    row: Row | Malformed


@dataclass(slots=True)
class Draft:
    """A converted row: the item, its campaign's key, and what is wrong so far."""

    line: int
    row: Row
    campaign: str
    item: Any
    problems: Sequence[Problem]

    def rejected(self) -> Reject:
        """The reject that this row has become."""
        return Reject(self.line, [(camel(p.field[0]) if p.field else None, p.message) for p in self.problems], self.row)


@dataclass(frozen=True)
class Waiting:
    """A row that refers to another one that is not there yet: that one's key, and what is wrong if it never comes."""

    draft: Draft
    waits_for: str
    problem: Problem


@dataclass(frozen=True)
class Taken:
    """What came of recording drafts. Those that were refused have their problems, and are not counted here."""

    accepted: int = 0
    duplicates: int = 0
    waiting: Sequence[Waiting] = ()


@dataclass(frozen=True)
class Kind:
    """What the rows of a file are.

    ``build`` makes an item of a row's fields and adds what is wrong with them. ``record`` takes in drafts whose
    campaigns are there; a draft that it refuses gets its problems.
    """

    name: str
    fields: Sequence[str]
    """What the columns of a file may feed."""
    required: Sequence[str]
    """Without a column for each of these, no row could be taken."""
    build: Callable[[dict[str, Any], list[Problem], datetime], Any]
    record: Callable[[Transaction, Sequence[Draft]], Awaitable[Taken]]
    parsers: Mapping[str, values.Parser] = field(default_factory=dict)
    """Of fields that are neither texts nor times."""


class Converter:
    """Applies a compiled mapping to rows. ``campaign`` is the key of the one campaign, or None."""

    def __init__(
        self, kind: Kind, getters: Mapping[str, Getter], zone: tzinfo | None, campaign: str | None, *, is_csv: bool
    ) -> None:
        self._campaign = campaign
        self._build = kind.build
        self._plan = [(name, get, _parser(kind, name, zone, is_csv=is_csv)) for name, get in getters.items()]
        if campaign is not None:
            self._plan = [step for step in self._plan if step[0] != CAMPAIGN]

    def __call__(self, row: Row, line: int, now: datetime) -> Draft:
        """Converts and checks one row."""
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, get, parse in self._plan:
            raw = get(row, line)
            if raw is None or raw == "":
                continue
            try:
                found[name] = raw if parse is None else parse(raw)
            except ValueError as error:
                problems.append(invalid(str(error), name))
        campaign = found.pop(CAMPAIGN, "") if self._campaign is None else self._campaign
        if "occurred_at" not in found:
            found["occurred_at"] = now  # stands in, so that the other fields can be checked too
            add_problems(problems, [invalid(EMPTY, "occurred_at")])
        item = self._build(found, problems, now)
        if not campaign or len(campaign) > 200 or "\0" in campaign:
            add_problems(problems, text_problems(CAMPAIGN, campaign, 200))
        return Draft(line, row, campaign, item, problems or ())


def add_problems(problems: list[Problem], more: Iterable[Problem]) -> None:
    """Adds problems of fields that could be read; one that could not says so already."""
    known = {problem.field for problem in problems}
    problems.extend(problem for problem in more if problem.field not in known)


def _parser(kind: Kind, name: str, zone: tzinfo | None, *, is_csv: bool) -> values.Parser | None:
    if name in kind.parsers:
        return kind.parsers[name]
    if name.endswith("_at"):
        return values.moment(zone)
    return None if is_csv else values.text
