"""The rows of a file: CSV with a header, or JSON Lines; either may be gzipped, told by content and not by name."""

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import orjson

from jobs.imports.errors import DamagedFileError, ImportFailedError

LONGEST_LINE = 1 << 20
"""Bytes. What is longer is cut, and so rejected, instead of filling the memory."""
_SAMPLE = 100  # objects of a JSON Lines file from which its columns are told
_BUFFER = 1 << 17
_GZIP = b"\x1f\x8b"
_OPEN_QUOTE = "This is not CSV: the quote that opens here is not closed as it should."
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that could not be taken apart: why, and its text."""

    message: str
    text: str


Row: TypeAlias = Sequence[str] | dict[str, Any]
"""The fields of a CSV row in the order of the header, or the object of a JSON line."""


class Rows(Protocol):
    """What an import reads: rows with named columns."""

    @property
    def columns(self) -> Sequence[str]:
        """Their names."""
        ...

    @property
    def is_csv(self) -> bool:
        """Whether rows are sequences in the order of the columns, and not objects."""
        ...

    def numbered(self) -> Iterator[tuple[int, Row | Malformed]]:
        """The rows, each with its number in the file, from 1. The same at every reading of the file."""
        ...

    def position(self) -> int:
        """How many bytes of the file, as it lies on the disk, were taken so far."""
        ...

    def named(self, row: Row) -> dict[str, Any]:
        """A row with its columns' names."""
        ...


class Source:
    """An opened file, and ``Rows``. Iterating gives its rows; blank lines are none."""

    def __init__(self, raw: BinaryIO, text: BinaryIO, each: str | None = None) -> None:
        self._raw = raw
        is_json = _starts_an_object(text)
        if each is not None and not is_json:
            raise ImportFailedError("--each is for JSON Lines: rows of CSV hold no lists.")
        self._rows: _Csv | _JsonLines = _JsonLines(text, each) if is_json else _Csv(text)
        self.columns: Sequence[str] = self._rows.columns
        """The header of a CSV file; what the first objects of a JSON Lines file name."""
        self.is_csv = isinstance(self._rows, _Csv)

    def __iter__(self) -> Iterator[Row | Malformed]:
        try:
            yield from self._rows
        except _DAMAGE as error:
            raise DamagedFileError(_damaged(error)) from None

    def numbered(self) -> Iterator[tuple[int, Row | Malformed]]:
        """The rows, each with its number in the file, from 1."""
        return enumerate(self, 1)

    def position(self) -> int:
        """How many bytes of the file, as it lies on the disk, were taken so far."""
        return self._raw.tell()

    def named(self, row: Row) -> dict[str, Any]:
        """A row with its columns' names."""
        return row if isinstance(row, dict) else dict(zip(self.columns, row, strict=True))


@contextmanager
def opened(path: Path, each: str | None = None) -> Iterator[Source]:
    """Opens a file and reads its header. Raises ImportFailedError where it is not what can be imported.

    ``each``: the field of JSON Lines that holds a list of objects. Each of them is a row then, with the line's other
    fields where it has none of that name.
    """
    try:
        raw = path.open("rb", buffering=_BUFFER)
    except OSError as error:
        raise ImportFailedError(f"{path} cannot be read: {error.strerror}.") from None
    with raw:
        try:
            source = Source(raw, _unpacked(raw), each)
        except _DAMAGE as error:
            raise DamagedFileError(_damaged(error)) from None
        yield source


class _Unzipped(io.RawIOBase):
    """What a gzip file holds, for a buffer in C around it. Gives what there is before it says that the file is cut."""

    def __init__(self, raw: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(fileobj=raw, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._gzip.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _unpacked(raw: Any) -> Any:
    return io.BufferedReader(_Unzipped(raw), _BUFFER) if raw.peek(2).startswith(_GZIP) else raw


def _damaged(error: Exception) -> str:
    cut = isinstance(error, EOFError)
    return "The gzip file ends too early: it was cut off" if cut else f"The gzip file is damaged ({error})"


def _starts_an_object(text: Any) -> bool:
    head = text.peek(4)
    if head.startswith(codecs.BOM_UTF8):
        text.read(len(codecs.BOM_UTF8))
        head = text.peek(4)
    if not head:
        raise ImportFailedError("The file is empty.")
    if head.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)) or b"\0" in head[:4]:
        raise ImportFailedError("The file is not text in UTF-8.")
    start = head.lstrip()[:1]
    if start == b"[":
        raise ImportFailedError("The file starts like a JSON array. JSON Lines is needed: one object a line.")
    return bool(start == b"{")


class _Csv:
    def __init__(self, text: BinaryIO) -> None:
        self._lines = _Lines(text)
        try:
            self.columns = [name.strip() for name in next(csv.reader(self._lines, strict=True), [])]
        except csv.Error as error:
            raise ImportFailedError(f"The header cannot be read: {error}.") from None
        if self._lines.broken:
            raise ImportFailedError("The header is not text in UTF-8.")

    def __iter__(self) -> Iterator[Row | Malformed]:
        lines, width = self._lines, len(self.columns)
        reader = csv.reader(lines, strict=True)
        while True:
            lines.taken.clear()
            lines.broken = False
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._malformed(f"This is not CSV: {error}.")
                continue
            if len(row) == width and not lines.broken:
                yield row
            elif lines.broken:
                yield self._malformed("This is not text in UTF-8.")
            elif row:
                yield self._malformed(f"{len(row)} fields where the header has {width}.")

    def _malformed(self, message: str) -> Malformed:
        # A quote that never closes runs over many lines: only the first is at fault, the others are read again.
        first, *others = self._lines.taken
        self._lines.returned.extendleft(reversed(others))
        return Malformed(_OPEN_QUOTE if others else message, _shown(first))


class _Lines:
    """Decodes line by line, so that one bad byte costs one row. An iterator that can take lines back."""

    def __init__(self, text: BinaryIO) -> None:
        self._read = iter(partial(text.readline, LONGEST_LINE), b"")
        self.taken: list[bytes] = []
        self.returned: deque[bytes] = deque()
        self.broken = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self.returned.popleft() if self.returned else next(self._read)
        self.taken.append(raw)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.broken = True
            return _shown(raw)


class _JsonLines:
    def __init__(self, text: BinaryIO, each: str | None) -> None:
        self._each = each
        self._read = iter(partial(text.readline, LONGEST_LINE), b"")
        self._sample = [line for _, line in zip(range(_SAMPLE), self._read, strict=False)]
        objects = (row for line in self._sample for row in self._rows_of(line) if isinstance(row, dict))
        self.columns = list(dict.fromkeys(name for row in objects for name in row))
        if each is not None and not self.columns:
            raise ImportFailedError(f"--each {each}: the file begins without a list of objects of that name.")

    def __iter__(self) -> Iterator[Row | Malformed]:
        for lines in (self._sample, self._read):
            for line in lines:
                yield from self._rows_of(line)

    def _rows_of(self, line: bytes) -> Iterable[Row | Malformed]:
        row = _object(line)
        if row is None:
            return ()
        return (row,) if self._each is None or isinstance(row, Malformed) else _elements(row, self._each, line)


def _elements(row: dict[str, Any], name: str, line: bytes) -> Iterable[Row | Malformed]:
    """The objects of a list, each with the row's other fields; one malformed row where there is no such list."""
    elements = row.pop(name, None)
    if isinstance(elements, list) and all(isinstance(element, dict) for element in elements):
        return [{**row, **element} for element in elements]
    return (Malformed(f"This has no list of objects named {name!r}.", _shown(line)),)


def _object(line: bytes) -> dict[str, Any] | Malformed | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Malformed(f"This is not JSON: {error}.", _shown(line)) if line.strip() else None
    return row if isinstance(row, dict) else Malformed("This is not a JSON object.", _shown(line))


def _shown(line: bytes) -> str:
    return line.decode(errors="backslashreplace").rstrip("\r\n")
