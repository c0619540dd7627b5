"""A row for each post, of exports that have several of it: its latest one, or their sum.

The file is read once before anything is imported, and a row for each post is held. What cannot be understood goes on as it
stands, to be rejected with its reason, and is part of no sum.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.imports.errors import DamagedFileError, ImportFailedError
from jobs.imports.files import Malformed, Row, Rows, Source
from jobs.imports.posts_adapters import AS_OF, ID, Adapter


def read(adapter: Adapter, source: Source) -> tuple[Rows, Mapping[str, str]]:
    """The rows of an export, one for each post, and which columns feed which fields. Raises ImportFailedError."""
    templates = adapter.templates(source.columns)
    try:
        return _Folded(source, _Folding(adapter, templates).rows(source)), templates
    except DamagedFileError as error:
        # Half a file has other sums.
        raise ImportFailedError(f"{error.what}. Nothing of it is imported: repair the file.") from None


@dataclass
class _Folded:
    """The rows that are left of a file; ``Rows``. Each has the number of the row that it was, or of a sum's latest."""

    source: Source
    rows: Sequence[tuple[int, Row | Malformed]]
    is_csv: bool = False

    @property
    def columns(self) -> Sequence[str]:
        return self.source.columns

    def numbered(self) -> Iterator[tuple[int, Row | Malformed]]:
        return iter(self.rows)

    def position(self) -> int:
        return self.source.position()

    def named(self, row: Row) -> dict[str, Any]:
        return self.source.named(row)


@dataclass(slots=True)
class _Read:
    """A row that is understood."""

    line: int
    at: datetime
    row: dict[str, Any]


class _Folding:
    def __init__(self, adapter: Adapter, templates: Mapping[str, str]) -> None:
        self._adapter = adapter
        self._id = templates[ID]
        self._at = templates[AS_OF]
        self._figures = {templates[name]: adapter.parsers[name] for name in adapter.figures}
        self._moment = adapter.parsers[AS_OF]

    def rows(self, source: Source) -> list[tuple[int, Row | Malformed]]:
        """What is left of a file, in the order in which it first says something of each post."""
        kept: dict[Any, _Read | tuple[int, Row | Malformed]] = {}
        for line, row in source.numbered():
            if isinstance(row, Malformed):
                kept[line] = line, row
                continue
            named = source.named(row)
            found = self._understood(line, named)
            if found is None:
                kept[line] = line, named
                continue
            post = str(named[self._id])
            before = kept.get(post)
            kept[post] = self._folded(before, found) if isinstance(before, _Read) else found
        return [(one.line, one.row) if isinstance(one, _Read) else one for one in kept.values()]

    def _understood(self, line: int, row: dict[str, Any]) -> _Read | None:
        if not _says(row.get(self._id)):
            return None
        try:
            for column, parse in self._figures.items():
                if _says(row.get(column)):
                    parse(row[column])
            return _Read(line, self._moment(row.get(self._at)), row)
        except ValueError:
            return None

    def _folded(self, before: _Read, now: _Read) -> _Read:
        """Of two rows of one moment the one further down counts."""
        latest, other = (now, before) if now.at >= before.at else (before, now)
        if self._adapter.adds_up:
            latest.row |= {column: self._sum(column, latest.row, other.row) for column in self._figures}
        return latest

    def _sum(self, column: str, *rows: Mapping[str, Any]) -> Any:
        parse = self._figures[column]
        said = [parse(row[column]) for row in rows if _says(row.get(column))]
        return sum(said) if said else None


def _says(raw: Any) -> bool:
    return raw is not None and raw != ""
