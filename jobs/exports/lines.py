"""The formats of lines: CSV for spreadsheets, JSON Lines for programs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import orjson

from jobs.exports.columns import Cells, Column, Kind

FORMULA = frozenset(
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""How a text begins that a spreadsheet would take for a formula."""
CSV_RULES = {
    "encoding": "UTF-8",
    "delimiter": ",",
    "lineEnd": "CRLF",
    "quoting": "RFC 4180: cells with a comma, a quote or a line break stand in double quotes, and quotes in them are doubled",
    "header": "the first line of each part",
    "null": "an empty cell; an empty text is one, too",
    "times": "RFC 3339 in UTC",
    "formulas": "a text, or JSON, that begins with = + - @, a tab, a line break, or a full-width form of one of them, has an "
    "apostrophe put before it; numbers and times have none",
}
"""How a CSV is to be read, for the manifest."""


class CsvWriter:
    """RFC 4180 with a header. No text in it is a formula to a spreadsheet."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._file = file
        self._spellings = [_AS_TEXT[column.kind] for column in columns]
        self._write([[column.name] for column in columns])

    def write(self, cells: Cells) -> None:
        """Writes one chunk."""
        self._write([spell(column) for spell, column in zip(self._spellings, cells, strict=True)])

    def _write(self, columns: Sequence[Sequence[str | None]]) -> None:
        lines = io.StringIO(newline="")
        csv.writer(lines, lineterminator="\r\n").writerows(zip(*columns, strict=True))
        self._file.write(lines.getvalue().encode())

    def close(self) -> None:
        """Nothing belongs at the end."""


def _harmless(column: Sequence[str | None]) -> list[str | None]:
    return [f"'{text}" if text and text[0] in FORMULA else text for text in column]


def _times(column: Sequence[datetime | None]) -> list[str | None]:
    # The driver's times are in UTC.
    return [None if time is None else f"{time.isoformat()[:-6]}Z" for time in column]


def _decimals(column: Sequence[Decimal | None]) -> list[str | None]:
    return [None if number is None else format(number, "f") for number in column]


def _flags(column: Sequence[bool | None]) -> list[str | None]:
    return [None if flag is None else "true" if flag else "false" for flag in column]


def _same(column: Sequence[Any]) -> Sequence[Any]:
    return column


_AS_TEXT: Mapping[Kind, Callable[[Any], Sequence[Any]]] = {
    Kind.ID: _same,
    Kind.TEXT: _harmless,
    Kind.JSON: _harmless,
    Kind.WHOLE: _same,
    Kind.DECIMAL: _decimals,
    Kind.FLAG: _flags,
    Kind.TIME: _times,
}


class JsonLinesWriter:
    """An object on each line, with all columns. Values are spelled as the API spells them: exact numbers are texts."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._file = file
        self._names = [column.name for column in columns]
        self._spellings: list[Callable[[Any], Sequence[Any]]] = [_AS_JSON.get(column.kind, _same) for column in columns]

    def write(self, cells: Cells) -> None:
        """Writes one chunk."""
        columns = [spell(column) for spell, column in zip(self._spellings, cells, strict=True)]
        names = self._names
        rows = zip(*columns, strict=True)
        while some := [
            orjson.dumps(dict(zip(names, row, strict=True)), option=_LINE) for row in islice(rows, _AT_ONCE)
        ]:
            self._file.write(b"".join(some))

    def close(self) -> None:
        """Nothing belongs at the end."""


def _fragments(column: Sequence[str | None]) -> list[Any]:
    fragment: Callable[[str], Any] = orjson.Fragment
    return [None if text is None else fragment(text) for text in column]


_AT_ONCE = 500
"""Lines that are held as bytes at once: a chunk's would be as large as all else that is held of it."""
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_AS_JSON: Mapping[Kind, Callable[[Any], Sequence[Any]]] = {Kind.DECIMAL: _decimals, Kind.JSON: _fragments}
