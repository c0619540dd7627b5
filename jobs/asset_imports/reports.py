"""Reports: what a platform says that its campaigns and ads did. Figures are exact sums over the report's rows."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import BinaryIO, TypeAlias

from db.errors import Problem, ProblemCode, Refused, invalid
from db.models.asset_items import largest
from db.models.asset_kinds import AssetType
from db.models.base import AMOUNT_SCALE
from db.models.event_items import CURRENCY
from db.models.platforms import Platform
from db.models.space_items import COUNTED, PAID, Figures
from jobs.asset_imports.tables import Cells, Table, moment_of, refused

MICROS = Decimal(1_000_000)
MOST_ROWS = 500_000
_WHOLE = ("impressions", "clicks")
_MOST_DECIMALS = _SHORT = 18
_EXACT = Context(prec=60)
"""Sums of so many numbers below 10^18 with so many decimals, and not a digit lost."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_Rows: TypeAlias = Iterable[tuple[int, Cells]]
_Rejected: TypeAlias = list[tuple[int, list[Problem]]]
Currency = Callable[[str], str]
"""In which currency money is that a report says nothing of, by the platform's own id."""


@dataclass(frozen=True)
class Shape:
    """How a kind of report is recognised and read. ``columns``: from our figures to the report's."""

    of_assets: bool
    id: str
    columns: Mapping[str, str]
    date: str
    version: str | None = None
    """The column by which the later of two versions of a row is known."""
    key: str | None = None
    """The column that two versions of a row have in common."""
    same: tuple[str, ...] = ()
    """Or those, where a spreadsheet has made an error of that one."""
    finer: frozenset[str] = frozenset()
    """Columns of reports on parts of it: what their rows add up to is not what it did."""
    currency: str | None = None
    unit: Decimal = Decimal(1)
    """How much of its money is one."""

    def fits(self, header: list[str]) -> bool:
        """Whether a file with this header is one."""
        needed = {self.id, self.date, *self.columns.values(), *([self.currency] if self.currency else [])}
        return needed <= set(header) and self.finer.isdisjoint(header)

    def identity(self, index: int, cells: Cells) -> object:
        """What versions of a row have in common: the platform's own key, or what it is made of. Else the row is one of its own."""
        own = cells.get(self.key, "").strip() if self.key is not None else ""
        # A key that begins with "+" or "=" is a formula to spreadsheets, and in Google's real report "#ERROR!".
        if own and not own.startswith("#"):
            return own
        return tuple(cells[name] for name in self.same) if all(name in cells for name in self.same) else index


_MICROSOFT = {name: name for name in (*COUNTED, *PAID)}
_GOOGLE = {"impressions": "impressions", "clicks": "clicks", "conversions": "conversions", "spend": "cost_micros"}
SHAPES: Mapping[Platform, tuple[Shape, ...]] = {
    # The report of ads first: it has campaigns, too.
    Platform.MICROSOFT_ADS: (
        Shape(True, "ad_id", _MICROSOFT, "date", currency="currency_code", finer=frozenset({"keyword_id"})),
        Shape(
            False,
            "campaign_id",
            _MICROSOFT,
            "date",
            currency="currency_code",
            finer=frozenset({"ad_id", "ad_group_id", "keyword_id"}),
        ),
    ),
    Platform.GOOGLE_ADS: (
        Shape(
            False,
            "id",
            _GOOGLE,
            "date",
            version="_fivetran_synced",
            key="_fivetran_id",
            same=("id", "date", "device", "ad_network_type"),
            finer=frozenset({"campaign_id", "ad_group_id", "base_ad_group", "ad_id", "keyword_id"}),
            unit=MICROS,
        ),
    ),
}


@dataclass
class Report:
    """A report: figures by the platform's own ids, at which rows these stand, and what is wrong with rows."""

    spaces: dict[str, Figures] = field(default_factory=dict)
    assets: dict[str, Figures] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)
    rejected: _Rejected = field(default_factory=list)


def read_report(platform: Platform, file: BinaryIO, currency: Currency) -> Report:
    """Reads a platform's report. Raises Refused for a file that is none, or none that is known."""
    shapes = SHAPES.get(platform)
    if shapes is None:
        message = f"Reports of {platform} are not read yet. Those of {', '.join(sorted(SHAPES))} are."
        raise refused(message, ProblemCode.UNSUPPORTED_TYPE)
    table = Table(file, largest(AssetType.PERFORMANCE_DATA))
    shape = next((one for one in shapes if one.fits(table.header)), None)
    if shape is None:
        raise refused(_unknown(shapes, table.header), ProblemCode.UNSUPPORTED_TYPE)
    rejected: _Rejected = []
    rows: _Rows = _right(table, rejected)
    if shape.version in table.header:
        rows = _latest(shape, rows)
    with localcontext(_EXACT):
        return _Reading(shape, currency, rejected).report(rows)


def _unknown(shapes: tuple[Shape, ...], header: list[str]) -> str:
    if not {"impressions", "clicks"} & set(header):
        return "This report holds no figures: impressions and clicks are missing."
    wanted = " or ".join(", ".join(sorted({one.id, one.date, *one.columns.values()})) for one in shapes)
    finer = sorted(set(header) & frozenset().union(*(one.finer for one in shapes)))
    if finer:
        return f"This is no report that is known: with the columns {', '.join(finer)} it is one of something else."
    return f"This is no report that is known: it must have the columns {wanted}."


def _right(table: Table, rejected: _Rejected) -> Iterator[tuple[int, Cells]]:
    """The rows that have all their cells."""
    for index, cells, problems in table.rows():
        if index >= MOST_ROWS:
            raise refused(f"At most {MOST_ROWS:,} rows.", ProblemCode.TOO_LARGE)
        if problems:
            rejected.append((index, problems))
        else:
            yield index, cells


def _latest(shape: Shape, rows: _Rows) -> _Rows:
    """The rows that count: of several versions of one, the latest, and of those the last. Only what is read of them is kept."""
    needed = [name for name in (shape.id, shape.currency, *shape.columns.values()) if name is not None]
    cells_once: dict[str, str] = {}
    found: dict[object, tuple[str, int, tuple[str, ...]]] = {}
    for index, cells in rows:
        identity, version = shape.identity(index, cells), cells[shape.version or ""]
        if identity in found and _fetched(version) < _fetched(found[identity][0]):
            continue
        version, *kept = (cells_once.setdefault(cell, cell) for cell in (version, *(cells[name] for name in needed)))
        found[identity] = version, index, tuple(kept)
    return ((index, dict(zip(needed, kept, strict=True))) for _, index, kept in found.values())


def _fetched(version: str) -> tuple[datetime, str]:
    """When a version of a row was fetched. What is no time is earlier than every time."""
    return moment_of(version) or _EARLIEST, version


class _Reading:
    """Adds up the rows of a report."""

    def __init__(self, shape: Shape, currency: Currency, rejected: _Rejected) -> None:
        self._shape = shape
        self._currency = currency
        self._report = Report(rejected=rejected)
        self._sums: dict[str, dict[str, Decimal | None]] = {}
        self._currencies: dict[str, str] = {}

    def report(self, rows: _Rows) -> Report:
        """The figures of the rows."""
        report = self._report
        for index, cells in rows:
            try:
                self._add(index, cells)
            except Refused as refusal:
                report.rejected.append((index, list(refusal.problems)))
        target = report.assets if self._shape.of_assets else report.spaces
        for key, sums in self._sums.items():
            figures = Figures(self._values(sums), self._money_of(key, sums))
            problems = list(figures.problems())
            if problems:
                report.rejected.append((report.rows[key][0], problems))
            else:
                target[key] = figures
        return report

    def _add(self, index: int, cells: Cells) -> None:
        key = cells[self._shape.id].strip()
        if not key:
            raise Refused([invalid("The id is missing.", self._shape.id)])
        found = {name: _number(name, cells[column], column) for name, column in self._shape.columns.items()}
        if self._shape.currency is not None:
            self._check_currency(key, cells[self._shape.currency].strip(), found)
        sums = self._sums.setdefault(key, dict.fromkeys(found))
        for name, value in found.items():
            if value is not None:
                sums[name] = (sums[name] or Decimal(0)) + value
        self._report.rows.setdefault(key, []).append(index)

    def _check_currency(self, key: str, code: str, found: Mapping[str, Decimal | None]) -> None:
        """Whether a row's money can be added to what there is. The currency of a row without money says nothing."""
        column = self._shape.currency or ""
        if all(found.get(name) is None for name in PAID):
            return
        if not CURRENCY.fullmatch(code):
            raise Refused([invalid("A currency is three capital letters, ISO 4217.", column)])
        known = self._currencies.setdefault(key, code)
        if known != code:
            raise Refused(
                [invalid(f"Its other rows are in {known}: amounts of several currencies are never added.", column)]
            )

    def _values(self, sums: Mapping[str, Decimal | None]) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, total in sums.items():
            if total is None:
                values[name] = None
            elif name in PAID:
                values[name] = _shortened(total / self._shape.unit)
            else:
                values[name] = int(total.quantize(Decimal(1), ROUND_HALF_UP))
        return values

    def _money_of(self, key: str, sums: Mapping[str, Decimal | None]) -> str | None:
        if all(sums.get(name) is None for name in PAID):
            return None
        return self._currencies.get(key) or self._currency(key)


def _shortened(amount: Decimal) -> Decimal:
    """An amount without those zeros at its end that are more decimals than amounts have."""
    if -int(amount.as_tuple().exponent) <= AMOUNT_SCALE or amount != amount.quantize(Decimal(1).scaleb(-AMOUNT_SCALE)):
        return amount
    return amount.normalize() + Decimal(0)  # which has no exponent above 0


def _number(name: str, cell: str, column: str) -> Decimal | None:
    """What a cell says; None where it says nothing. Raises Refused."""
    text = cell.strip()
    if not text:
        return None
    if len(text) <= _SHORT and text.isascii() and text.isdigit():
        return Decimal(text)
    if not _NUMBER.fullmatch(text):
        raise Refused([invalid(f"This is no number: {text[:40]}.", column)])
    number = Decimal(text)
    if abs(number) >= Decimal(10) ** 18:
        raise Refused([invalid("This must be below 10^18.", column)])
    if number != number.quantize(Decimal(1).scaleb(-_MOST_DECIMALS)):
        raise Refused([invalid(f"At most {_MOST_DECIMALS} decimal places.", column)])
    if name in _WHOLE and number != number.to_integral_value():
        raise Refused([invalid("This must be a whole number.", column)])
    return number
