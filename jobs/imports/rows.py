"""From a row of a file to an item to record, or to all that is wrong with it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from db.engine import Transaction
from db.errors import Problem, camel, invalid
from db.models.rules import text_problems
from jobs.imports import values
from jobs.imports.files import Malformed, Row, Rows, Source
from jobs.imports.mapping import Getter
from jobs.imports.references import LONGEST, Reference

EMPTY = "This must not be empty."
UNRESOLVED = 0
"""A campaign's id, until the transaction has looked its key up. Of what a row need not name, the id is None till then."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not go in. ``problems`` are pairs of a field (None: the row as a whole) and a message."""

    line: int
    problems: Sequence[tuple[str | None, str]]
    row: Row | Malformed


@dataclass(slots=True)
class Draft:
    """A converted row: the item, the names of what it refers to (empty: nothing), and what is wrong so far."""

    line: int
    row: Row
    names: Sequence[str]
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

    ``build`` makes an item of a row's fields and adds what is wrong with them. ``record`` takes in drafts for which all
    that they refer to is there; a draft that it refuses gets its problems.
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
    references: Sequence[Reference] = ()
    """What a row refers to. Each has a field of its name."""
    documents: Collection[str] = ()
    """Fields that hold whatever JSON can. Where a field is a text, it is the text of such a document."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What fields get where a row has nothing for them, as values."""
    for_all: Collection[str] = ()
    """Fields that are no references, and that an option of the same name gives all rows that have nothing for them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What it was made with, where not all imports of its name are alike: part of what a run is known by. As JSON has it."""
    read: Callable[[Source], tuple[Rows, Mapping[str, str]]] | None = None
    """Which rows to take of a file of a shape that is known, and the templates of all fields. May take its time. None: the
    rows as they stand, with the user's own templates."""


class Converter:
    """Applies a compiled mapping to rows.

    ``fixed``: what all rows refer to, by field. ``defaults``: what fields get where a row has nothing for them, before
    what the kind has for them. ``texts``: the fields that are texts whatever the row holds, all of a CSV file.
    """

    def __init__(
        self,
        kind: Kind,
        getters: Mapping[str, Getter],
        zone: tzinfo | None,
        fixed: Mapping[str, str],
        defaults: Mapping[str, str],
        texts: Collection[str],
    ) -> None:
        self.references = [one for one in kind.references if one.field in getters or one.field in fixed]
        """Those that something feeds, in the order of a draft's names."""
        places = enumerate(self.references)
        self._named = [(place, one.field, one.required) for place, one in places if one.field not in fixed]
        self._names = [fixed.get(one.field, "") for one in self.references]
        self._build = kind.build
        self._defaults = [*defaults.items(), *kind.defaults.items()]
        self._happened = "occurred_at" in kind.fields
        self._plan = [
            (name, get, _parser(kind, name, zone, is_text=name in texts))
            for name, get in getters.items()
            if name not in fixed
        ]

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
        for name, value in self._defaults:
            found.setdefault(name, value)
        names = self._names_of(found) if self._named else self._names
        if self._happened and "occurred_at" not in found:
            found["occurred_at"] = now  # stands in, so that the other fields can be checked too
            add_problems(problems, [invalid(EMPTY, "occurred_at")])
        item = self._build(found, problems, now)
        for place, name, required in self._named:
            given = names[place]
            if (given or required) and (len(given) > LONGEST or not given.strip() or "\0" in given):
                add_problems(problems, text_problems(name, given, LONGEST))
        return Draft(line, row, names, item, problems or ())

    def _names_of(self, found: dict[str, Any]) -> Sequence[str]:
        """Takes the names out of a row's fields, those that are not the same for all rows."""
        names = self._names.copy()
        for place, name, _ in self._named:
            names[place] = found.pop(name, "")
        return names


def add_problems(problems: list[Problem], more: Iterable[Problem]) -> None:
    """Adds problems of fields that could be read; one that could not says so already."""
    known = {problem.field for problem in problems}
    problems.extend(problem for problem in more if problem.field not in known)


def _parser(kind: Kind, name: str, zone: tzinfo | None, *, is_text: bool) -> values.Parser | None:
    if name in kind.documents:
        return values.json_text if is_text else None
    if name in kind.parsers:
        return kind.parsers[name]
    if name.endswith("_at"):
        return values.moment(zone)
    return None if is_text else values.text
