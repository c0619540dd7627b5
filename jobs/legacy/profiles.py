"""From a row of the old table to a campaign, or to all that is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from db.models import campaigns
from db.models.campaigns import CampaignStatus
from db.models.rules import text_problems
from jobs.legacy.errors import MigrationRefusedError

CREATED_BY = "migrate-legacy"
ID = "id"
NAME = "name"
COLUMNS: dict[str, tuple[str, ...]] = {
    ID: ("id",),
    NAME: ("name", "campaign_name", "title"),
    "description": ("description",),
    "objective": ("objective",),
    "status": ("status", "campaign_status"),
    "startsOn": ("starts_on", "start_date"),
    "endsOn": ("ends_on", "end_date"),
    "currency": ("currency",),
    "budget": ("budget_amount", "budget"),
    "costPerImpression": ("cost_per_impression",),
    "totalImpressionsPlanned": ("total_impressions_planned",),
    "brand": ("brand_name", "brand"),
}
"""By field of a campaign: the columns that feed it where nothing else is said, the first that is there."""
REQUIRED = (ID, NAME)


@dataclass(frozen=True)
class Profile:
    """A campaign as the old table has it. ``values`` are columns of ours; ``brand`` is a name."""

    id: str
    values: Mapping[str, Any]
    brand: str | None
    problems: Sequence[str]


def key_of(legacy_id: Any) -> str:
    """The key of the campaign that a row becomes."""
    return f"legacy-{legacy_id}"


def parse(options: Iterable[str]) -> dict[str, str]:
    """Reads ``field=column`` options; an empty column leaves a field out. Raises MigrationRefusedError."""
    found: dict[str, str] = {}
    for option in options:
        name, equals, column = (part.strip() for part in option.partition("="))
        if not equals:
            raise MigrationRefusedError(f"--map {option}: it must read field=column, or field= to leave it out.")
        if name not in COLUMNS:
            raise MigrationRefusedError(f"--map {option}: no field {name!r}. There are: {', '.join(COLUMNS)}.")
        if name in found:
            raise MigrationRefusedError(f"--map {option}: {name} is mapped twice.")
        if not column and name in REQUIRED:
            raise MigrationRefusedError(f"--map {option}: {name} cannot be left out.")
        found[name] = column
    return found


def chosen(mapped: Mapping[str, str], present: Sequence[str]) -> dict[str, str]:
    """By field the column that feeds it, among those that are there. Raises MigrationRefusedError."""
    found: dict[str, str] = {}
    for name, usual in COLUMNS.items():
        column = mapped[name] if name in mapped else next((one for one in usual if one in present), "")
        if column and column not in present:
            raise MigrationRefusedError(f"The table has no column {column!r}. It has: {', '.join(present)}.")
        if column:
            found[name] = column
        elif name in REQUIRED:
            raise MigrationRefusedError(f"Nothing gives a campaign's {name}. Name a column with --map {name}=COLUMN.")
    return found


def profile(row: Mapping[str, Any], zone: tzinfo, currency: str) -> Profile:
    """Converts a row, named by field. A time becomes the date that the zone's clock shows then."""
    wrong: list[str] = []

    def take(name: str, convert: Callable[[Any], Any]) -> Any:
        raw = row.get(name)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            return None
        try:
            return convert(raw)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            return None

    legacy_id = "" if row[ID] is None else str(row[ID])
    status = take("status", _status)
    values = {
        "key": key_of(legacy_id),
        "name": take(NAME, _text) or "",
        "description": take("description", _text),
        "objective": take("objective", _text),
        "status": status or CampaignStatus.DRAFT,
        "starts_on": take("startsOn", lambda raw: _date(raw, zone)),
        "ends_on": take("endsOn", lambda raw: _date(raw, zone)),
        "currency": take("currency", lambda raw: _text(raw).upper()) or currency,
        "budget_amount": take("budget", _amount),
        "cost_per_impression": take("costPerImpression", _amount),
        "total_impressions_planned": take("totalImpressionsPlanned", _whole),
        "created_by": CREATED_BY,
    }
    brand = take("brand", _text)
    if not legacy_id:
        wrong.append("id: This must not be empty.")
    wrong += [f"{_field(problem.field)}: {problem.message}" for problem in campaigns.problems(values)]
    if brand is not None:
        wrong += [f"brand: {problem.message}" for problem in text_problems("brand", brand, 200)]
    return Profile(legacy_id, values, brand, wrong)


_FIELDS = {
    "key": ID,
    "starts_on": "startsOn",
    "ends_on": "endsOn",
    "budget_amount": "budget",
    "cost_per_impression": "costPerImpression",
    "total_impressions_planned": "totalImpressionsPlanned",
}


def _field(path: Sequence[str]) -> str:
    return _FIELDS.get(path[0], path[0])


def _text(raw: Any) -> str:
    return str(raw).strip()


def _status(raw: Any) -> CampaignStatus:
    word = _text(raw).upper().replace(" ", "_")
    word = {"CANCELED": "CANCELLED"}.get(word, word)
    if word not in CampaignStatus.__members__:
        raise ValueError(f"There is no status {_text(raw)!r}. There are: {', '.join(CampaignStatus)}.")
    return CampaignStatus[word]


def _date(raw: Any, zone: tzinfo) -> date:
    if isinstance(raw, str):
        try:
            raw = datetime.fromisoformat(raw.strip())
        except ValueError:
            raise ValueError("This is not a date as ISO 8601 writes it.") from None
    if isinstance(raw, datetime):
        return raw.date() if raw.tzinfo is None else raw.astimezone(zone).date()
    if isinstance(raw, date):
        return raw
    raise ValueError("This is not a date.")


def _amount(raw: Any) -> Decimal:
    try:
        return Decimal(_text(raw))
    except ArithmeticError:
        raise ValueError("This must be a decimal number.") from None


def _whole(raw: Any) -> int:
    amount = _amount(raw)
    if not amount.is_finite() or amount != int(amount) or abs(amount) >= 2**53:
        raise ValueError("This must be a whole number.")
    return int(amount)
