"""The files of an export: written to the disk of this machine under no name, so that nothing of them outlives its worker."""

import hashlib
import tempfile
from collections.abc import Sequence
from io import RawIOBase
from types import TracebackType
from typing import IO, Any, cast

from db.models.exports import ExportFormat
from jobs.exports.columns import Cells, Column, Kind
from jobs.exports.writing import SUFFIXES, writer_of

_NAMED_BY = 12
"""Digits of its hash that are part of a file's name: other bytes never take the place of those that are listed."""


_LETTERS = 4 * 1024 * 1024
"""Of the texts in a chunk, about: it is held in memory a few times over, as rows, as cells and as bytes."""
_AT_FIRST, _AT_LEAST = 500, 100
"""Rows of a part's first chunk, and of any."""


def folder(workspace_id: int, job_id: int) -> str:
    """Where the files of an export are in the object store."""
    return f"exports/{workspace_id}/{job_id}"


class PartFile:
    """One file while it is written. What it holds follows from the chunks that are written and from nothing else."""

    def __init__(self, format_: ExportFormat, columns: Sequence[Column]) -> None:
        self.rows = 0
        self.affordable = _AT_FIRST
        """Rows that the next chunk may have. It follows from the last chunk, so that it is the same in every attempt."""
        self._texts = [place for place, column in enumerate(columns) if column.kind in (Kind.TEXT, Kind.JSON)]
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block that it is used in
        self._format = format_
        self._hashed = _Hashed(self.file)
        self._writer = writer_of(format_, cast(IO[bytes], self._hashed), columns)

    def __enter__(self) -> "PartFile":
        """A file is gone when the block ends."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.file.close()

    @property
    def size(self) -> int:
        """Bytes that are written up to now."""
        return self._hashed.size

    def write(self, cells: Cells) -> None:
        """Writes a chunk of at least one row."""
        self._writer.write(cells)
        rows = len(cells[0])
        self.rows += rows
        letters = sum(sum(map(len, filter(None, cells[place]))) for place in self._texts)
        self.affordable = max(_LETTERS * rows // max(letters, 1), _AT_LEAST)

    def finish(self) -> str:
        """Writes what belongs at the end, and answers the SHA-256 of the whole in hexadecimal digits."""
        self._writer.close()
        self.file.flush()
        return self._hashed.digest()

    def name(self, index: int, sha256: str) -> str:
        """What the file is called once it is finished."""
        return f"part-{index:05}-{sha256[:_NAMED_BY]}.{SUFFIXES[self._format]}"


class _Hashed(RawIOBase):
    """Passes on what is written, counts it, and hashes it on its way."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def tell(self) -> int:
        """Where it stands: at the end of what was written."""
        return self.size

    def write(self, data: Any) -> int:
        """Writes all of it."""
        self._hash.update(data)
        written = self._file.write(data)
        self.size += written
        return written

    def digest(self) -> str:
        """The hash of all that was written."""
        return self._hash.hexdigest()
