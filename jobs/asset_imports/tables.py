"""CSV as people and platforms write it: with a header, in UTF-8, one dictionary a row."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from db.errors import Problem, ProblemCode, Refused, invalid

LONGEST_CELL = 1_000_000
"""Characters. More is no cell but a quote that was never closed."""

Cells = Mapping[str, str]


def refused(message: str, code: ProblemCode = ProblemCode.INVALID) -> Refused:
    """Why a file is not taken at all."""
    return Refused([Problem(code, message, ("file",))])


class Table:
    """A CSV file: its header, and its rows. Raises Refused for what is no CSV with a header."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._reader = csv.reader(_lines(file), strict=True)
        csv.field_size_limit(LONGEST_CELL)
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
        try:
            return next(self._reader, None)
        except UnicodeDecodeError:
            raise refused("The file is not UTF-8.") from None
        except csv.Error as error:
            raise refused(f"The file is no CSV: line {self._reader.line_num}: {error}.") from None


def _lines(file: BinaryIO) -> Iterator[str]:
    # Not io.TextIOWrapper, which closes the file when it is gone.
    for number, line in enumerate(codecs.getreader("utf-8")(file)):
        if "\0" in line:
            raise refused("The file is no CSV: it holds the character U+0000.")
        yield line.removeprefix(codecs.BOM_UTF8.decode()) if number == 0 else line
