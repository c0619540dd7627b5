"""CSV as people and platforms write it: with a header, in UTF-8, one dictionary a row."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from db.errors import Problem, ProblemCode, Refused, invalid

LONGEST_ROW = 1 << 20
"""Bytes. More is no row but a quote that was never closed, or no CSV at all."""
_RETURNS = re.compile(r"(?<=\r)(?!\n)")

Cells = Mapping[str, str]


def refused(message: str, code: ProblemCode = ProblemCode.INVALID) -> Refused:
    """Why a file is not taken at all."""
    return Refused([Problem(code, message, ("file",))])


def moment_of(text: str) -> datetime | None:
    """A time in ISO 8601, in UTC where it does not say; None for what is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Table:
    """A CSV file of at most ``most`` bytes: its header, and its rows. Raises Refused for what is no CSV with a header."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        file.seek(0, io.SEEK_END)
        if file.tell() > most:
            raise refused(f"At most {most:,} bytes of CSV.", ProblemCode.TOO_LARGE)
        file.seek(0)
        self._lines = _Lines(file)
        self._reader = csv.reader(self._lines, strict=True)
        first = self._next()
        while first is not None and not first:
            first = self._next()
        self.header = [name.strip() for name in first or ()]
        if not any(self.header):
            raise refused("The file is empty: it begins with a header, the names of its columns.")
        if len(set(self.header)) < len(self.header):
            raise refused("Two columns of the header have the same name.")

    def rows(self) -> Iterator[tuple[int, Cells, list[Problem]]]:
        """Each row with its position from 0; blank lines are none. A row with too many or too few cells has a problem."""
        index = 0
        while (cells := self._next()) is not None:
            if not any(cells):
                continue
            problems = []
            if len(cells) != len(self.header):
                problems = [invalid(f"The row has {len(cells)} cells, and the header {len(self.header)}.", "row")]
            yield index, dict(zip(self.header, cells, strict=False)), problems
            index += 1

    def _next(self) -> list[str] | None:
        self._lines.taken = 0
        begins = self._reader.line_num + 1
        try:
            return next(self._reader, None)
        except UnicodeDecodeError:
            raise refused(f"The file is not UTF-8: line {begins}.") from None
        except csv.Error as error:
            raise refused(f"The file is no CSV: the row that begins in line {begins}: {error}.") from None


class _Lines:
    """The lines of a file for the reader of one row after the other, which may take so much and no more.

    Not io.TextIOWrapper, which closes the file when it is gone, nor str.splitlines, for which lines end at U+2028, too.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_first = True
        self._pieces: list[str] = []
        self.taken = 0
        """Bytes since this was set to 0."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if not self._pieces:
            self._pieces = self._read()[::-1]
        return self._pieces.pop()

    def _read(self) -> list[str]:
        """The next line, in pieces where a carriage return alone ends lines as well."""
        raw = self._file.readline(LONGEST_ROW + 1)
        if not raw:
            raise StopIteration
        if self._is_first:
            raw = raw.removeprefix(codecs.BOM_UTF8)
            self._is_first = False
        self.taken += len(raw)
        if self.taken > LONGEST_ROW:
            raise refused(f"The file is no CSV: a row of it has more than {LONGEST_ROW:,} bytes.")
        if b"\0" in raw:
            raise refused("The file is no CSV: it holds the character U+0000.")
        text = raw.decode()
        return [piece for piece in _RETURNS.split(text) if piece] if "\r" in text else [text]
