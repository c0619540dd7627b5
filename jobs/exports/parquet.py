"""Parquet: typed columns, compressed, each chunk a row group."""

from collections.abc import Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from db.models.base import AMOUNT_SCALE
from jobs.exports.columns import Cells, Column, Kind

_TYPES: dict[Kind, Any] = {
    Kind.ID: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.JSON: pa.string(),
    Kind.WHOLE: pa.int64(),
    Kind.DECIMAL: pa.decimal128(38, AMOUNT_SCALE),
    Kind.FLAG: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
}


class ParquetWriter:
    """Writes row groups of one chunk each, compressed with Zstandard."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, cells: Cells) -> None:
        """Writes one chunk."""
        arrays = [pa.array(column, field.type) for column, field in zip(cells, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema), row_group_size=len(cells[0]))

    def close(self) -> None:
        """Writes the footer."""
        self._writer.close()
