"""Reports: what a platform says that its campaigns and ads did. Figures are exact sums over the report's rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import BinaryIO

from db.errors import Problem, ProblemCode, Refused, invalid
from db.models.platforms import Platform
from db.models.space_items import COUNTED, PAID, Figures
from jobs.asset_imports.tables import Cells, Table, refused

MICROS = Decimal(1_000_000)
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
    same: tuple[str, ...] = ()
    """The columns that two versions of a row have in common."""
    currency: str | None = None
    unit: Decimal = Decimal(1)
    """How much of its money is one."""

    def fits(self, header: list[str]) -> bool:
        """Whether a file with this header is one."""
        needed = {self.id, self.date, *self.columns.values(), *([self.currency] if self.currency else [])}
        return needed <= set(header)


_MICROSOFT = {name: name for name in (*COUNTED, *PAID)}
_GOOGLE = {"impressions": "impressions", "clicks": "clicks", "conversions": "conversions", "spend": "cost_micros"}
SHAPES: Mapping[Platform, tuple[Shape, ...]] = {
    # The report of ads first: it has campaigns, too.
    Platform.MICROSOFT_ADS: (
        Shape(True, "ad_id", _MICROSOFT, "date", currency="currency_code"),
        Shape(False, "campaign_id", _MICROSOFT, "date", currency="currency_code"),
    ),
    Platform.GOOGLE_ADS: (
        Shape(
            False,
            "id",
            _GOOGLE,
            "date",
            version="_fivetran_synced",
            same=("id", "date", "device", "ad_network_type"),
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
    rejected: list[tuple[int, list[Problem]]] = field(default_factory=list)


def read_report(platform: Platform, file: BinaryIO, currency: Currency) -> Report:
    """Reads a platform's report. Raises Refused for a file that is none, or none that is known."""
    shapes = SHAPES.get(platform)
    if shapes is None:
        message = f"Reports of {platform} are not read yet. Those of {', '.join(sorted(SHAPES))} are."
        raise refused(message, ProblemCode.UNSUPPORTED_TYPE)
    table = Table(file)
    shape = next((one for one in shapes if one.fits(table.header)), None)
    if shape is None:
        raise refused(_unknown(shapes, table.header), ProblemCode.UNSUPPORTED_TYPE)
    rejected: list[tuple[int, list[Problem]]] = []
    return _Reading(shape, currency).report(_versions(shape, table, rejected), rejected)


def _unknown(shapes: tuple[Shape, ...], header: list[str]) -> str:
    if not {"impressions", "clicks"} & set(header):
        return "This report holds no figures: impressions and clicks are missing."
    wanted = " or ".join(", ".join(sorted({one.id, one.date, *one.columns.values()})) for one in shapes)
    return f"This is no report that is known: it must have the columns {wanted}."


def _versions(shape: Shape, table: Table, rejected: list[tuple[int, list[Problem]]]) -> list[tuple[int, Cells]]:
    """The rows that count: of several versions of one, the latest."""
    found: dict[object, tuple[int, Cells]] = {}
    for index, cells, problems in table.rows():
        if problems:
            rejected.append((index, problems))
            continue
        key: object = index
        if shape.version is not None and shape.version in cells:
            key = cells.get("_fivetran_id") or tuple(cells.get(name, "") for name in shape.same)
            known = found.get(key)
            if known is not None and known[1][shape.version] > cells[shape.version]:
                continue
        found[key] = index, cells
    return list(found.values())


class _Reading:
    """Adds up the rows of a report."""

    def __init__(self, shape: Shape, currency: Currency) -> None:
        self._shape = shape
        self._currency = currency
        self._sums: dict[str, dict[str, Decimal | None]] = {}
        self._currencies: dict[str, str] = {}

    def report(self, rows: list[tuple[int, Cells]], rejected: list[tuple[int, list[Problem]]]) -> Report:
        """The figures of the rows."""
        report = Report(rejected=rejected)
        for index, cells in rows:
            try:
                self._add(index, cells, report)
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

    def _add(self, index: int, cells: Cells, report: Report) -> None:
        key = cells[self._shape.id].strip()
        if not key:
            raise Refused([invalid("The id is missing.", self._shape.id)])
        found = {name: _number(cells[column], column) for name, column in self._shape.columns.items()}
        if self._shape.currency is not None:
            code = cells[self._shape.currency].strip()
            if self._currencies.setdefault(key, code) != code:
                message = (
                    f"Its other rows are in {self._currencies[key]}: amounts of several currencies are never added."
                )
                raise Refused([invalid(message, self._shape.currency)])
        sums = self._sums.setdefault(key, dict.fromkeys(found))
        for name, value in found.items():
            if value is not None:
                sums[name] = (sums[name] or Decimal(0)) + value
        report.rows.setdefault(key, []).append(index)

    def _values(self, sums: Mapping[str, Decimal | None]) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, total in sums.items():
            if total is None:
                values[name] = None
            elif name in PAID:
                values[name] = total / self._shape.unit
            else:
                values[name] = int(total.quantize(Decimal(1), ROUND_HALF_UP))
        return values

    def _money_of(self, key: str, sums: Mapping[str, Decimal | None]) -> str | None:
        if all(sums.get(name) is None for name in PAID):
            return None
        return self._currencies.get(key) or self._currency(key)


def _number(cell: str, column: str) -> Decimal | None:
    """What a cell says; None where it says nothing. Raises Refused."""
    text = cell.strip()
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) >= Decimal(10) ** 18:
        raise Refused([invalid(f"This is no number: {text[:40]}.", column)])
    return number
