"""What a format is: something that writes chunks of cells into a file."""

from collections.abc import Sequence
from typing import IO, Protocol

from db.models.exports import ExportFormat
from jobs.exports.columns import Cells, Column
from jobs.exports.lines import CsvWriter, JsonLinesWriter

SUFFIXES = {ExportFormat.CSV: "csv", ExportFormat.JSONL: "jsonl", ExportFormat.PARQUET: "parquet"}


class Writer(Protocol):
    """Writes a file from its beginning to its end. The bytes follow from the chunks and from nothing else."""

    def write(self, cells: Cells) -> None:
        """Writes one chunk, of at least one row."""

    def close(self) -> None:
        """Writes what belongs at the end. The file stays open."""


def writer_of(format_: ExportFormat, file: IO[bytes], columns: Sequence[Column]) -> Writer:
    """What writes a file of a format."""
    if format_ == ExportFormat.CSV:
        return CsvWriter(file, columns)
    if format_ == ExportFormat.JSONL:
        return JsonLinesWriter(file, columns)
    from jobs.exports.parquet import ParquetWriter  # Arrow is large, and only what writes Parquet has to bear it

    return ParquetWriter(file, columns)
