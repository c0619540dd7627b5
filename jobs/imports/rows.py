"""From a row of a file to an impression to record, or to all that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from db.errors import Problem, camel, invalid
from db.models.impression_items import NewImpression
from db.models.rules import text_problems
from jobs.imports import values
from jobs.imports.files import Malformed, Row
from jobs.imports.mapping import CAMPAIGN, FLAGS, Getter

EMPTY = "This must not be empty."
_UNRESOLVED = 0  # the campaign's id, until the transaction has looked its key up


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not go in. ``problems`` are pairs of a field (None: the row as a whole) and a message."""

    line: int
    problems: Sequence[tuple[str | None, str]]
    row: Row | Malformed


@dataclass(slots=True)
class Draft:
    """A converted row: the impression, its campaign's key, and what is wrong so far."""

    line: int
    row: Row
    campaign: str
    item: NewImpression
    problems: Sequence[Problem]

    def rejected(self) -> Reject:
        """The reject that this row has become."""
        return Reject(self.line, [(camel(p.field[0]) if p.field else None, p.message) for p in self.problems], self.row)


class Converter:
    """Applies a compiled mapping to rows. ``campaign`` is the key of the one campaign, or None."""

    def __init__(self, getters: Mapping[str, Getter], zone: tzinfo | None, campaign: str | None, *, is_csv: bool):
        self._campaign = campaign
        self._plan = [(field, get, _parser(field, zone, is_csv=is_csv)) for field, get in getters.items()]
        if campaign is not None:
            self._plan = [step for step in self._plan if step[0] != CAMPAIGN]
        self._flags = [flag for flag in FLAGS if flag in getters]

    def __call__(self, row: Row, line: int, now: datetime) -> Draft:
        """Converts and checks one row."""
        found: dict[str, Any] = {}
        problems: list[Problem] = []
        for field, get, parse in self._plan:
            raw = get(row, line)
            if raw is None or raw == "":
                continue
            try:
                found[field] = raw if parse is None else parse(raw)
            except ValueError as error:
                problems.append(invalid(str(error), field))
        campaign = found.pop(CAMPAIGN, "") if self._campaign is None else self._campaign
        if self._flags:
            problems += self._happened(found)
        item = _built(found, problems, now)
        # Cheap where nothing is wrong, which is nearly always.
        if wrong := item.problems(now):
            _add(problems, wrong)
        if item.user_id is None and (item.profile_id is not None or item.profile_type is not None):
            problems.append(invalid("A profile needs a user.", "user_id"))
        if not campaign or len(campaign) > 200 or "\0" in campaign:
            _add(problems, text_problems(CAMPAIGN, campaign, 200))
        return Draft(line, row, campaign, item, problems or ())

    def _happened(self, found: dict[str, Any]) -> list[Problem]:
        """Replaces the flags by times: the row's own, else the impression's."""
        problems = []
        for flag in self._flags:
            said, field = found.pop(flag, None), FLAGS[flag]
            if said and field not in found and "occurred_at" in found:
                found[field] = found["occurred_at"]
            elif said is False and field in found:
                problems.append(invalid(f"This is false, but {camel(field)} is given.", flag))
        return problems


def _built(found: dict[str, Any], problems: list[Problem], now: datetime) -> NewImpression:
    if "occurred_at" not in found:
        found["occurred_at"] = now  # stands in, so that the other fields can be checked too
        _add(problems, [invalid(EMPTY, "occurred_at")])
    return NewImpression(found.pop("key", ""), _UNRESOLVED, found.pop("occurred_at"), **found)


def _add(problems: list[Problem], more: Any) -> None:
    """Adds problems of fields that could be read; one that could not says so already."""
    known = {problem.field for problem in problems}
    problems.extend(problem for problem in more if problem.field not in known)


def _parser(field: str, zone: tzinfo | None, *, is_csv: bool) -> values.Parser | None:
    if field in FLAGS or field in ("is_unique", "is_viewable"):
        return values.boolean
    if field.endswith("_at"):
        return values.moment(zone)
    if field == "viewable_duration_ms":
        return values.whole_number
    if field == "cpi_rate":
        return values.amount
    return None if is_csv else values.text
