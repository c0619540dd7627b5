"""The file of rejects: a JSON line for each row that did not go in. Its length is kept with the run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from jobs.imports.errors import ImportFailedError
from jobs.imports.files import Malformed, Row
from jobs.imports.rows import Reject


class Rejects:
    """Writes at a given length and cuts off what lies behind: what an interrupted chunk had written."""

    def __init__(self, path: Path, named: Callable[[Row], dict[str, Any]]) -> None:
        self.path = path
        self._named = named

    def check(self, length: int) -> None:
        """Raises ImportFailedError where the file does not hold what the run wrote into it."""
        held = self.path.stat().st_size if self.path.exists() else 0
        if held < length:
            raise ImportFailedError(
                f"{self.path} lacks rejects of the part that is imported already ({held} of {length} bytes). "
                "Put the file back, or read all rows again with --again."
            )

        if not length and held and not self._is_ours():
            raise ImportFailedError(f"{self.path} exists and holds something else. Choose another file with --rejects.")

    def _is_ours(self) -> bool:
        """Whether the file begins as one of ours does: then an earlier run's rejects may be replaced."""
        with self.path.open("rb") as file:
            return file.read(8) == b'{"line":'

    def write(self, length: int, rejects: Sequence[Reject]) -> int:
        """Makes the file its first ``length`` bytes and these; answers how long it is then."""
        if not rejects and not self.path.exists():
            return length
        data = b"".join(map(self._line, rejects))
        try:
            with self.path.open("r+b" if length else "wb") as file:
                file.truncate(length)
                file.seek(length)
                file.write(data)
                file.flush()
                # On the disk before the transaction that counts them.
                os.fsync(file.fileno())
        except OSError as error:
            raise ImportFailedError(f"{self.path} cannot be written: {error.strerror}.") from None
        return length + len(data)

    def drop_if_empty(self, length: int) -> None:
        """Leaves no empty file behind."""
        if length == 0:
            self.path.unlink(missing_ok=True)

    def _line(self, reject: Reject) -> bytes:
        problems = [{"field": field, "message": message} for field, message in reject.problems]
        row = {"text": reject.row.text} if isinstance(reject.row, Malformed) else self._named(reject.row)
        try:
            return _json({"line": reject.line, "problems": problems, "row": row})
        except TypeError:  # deeper than can be written
            return _json({"line": reject.line, "problems": problems, "row": {"text": "(nested too deeply)"}})


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
