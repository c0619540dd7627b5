"""What is answered: a line for each line, in order, and the counts at the end."""

from collections.abc import Iterable
from typing import Any

import orjson

from db.errors import camel
from graph.ingest_events.batches import Result, Status

_COUNTS = {
    Status.ACCEPTED: "accepted",
    Status.DUPLICATE: "duplicates",
    Status.REJECTED: "rejected",
    Status.RETRY: "retry",
}

ROOM = 4 * 1024 * 1024
"""Bytes of an answer behind which lines are not told any more what is wrong with them: the answer is kept in memory."""
_LEFT_OUT = "The answer is too long to say what is wrong; the dead letter says it."


class Report:
    """Collects results, as they will be sent."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._counts = dict.fromkeys(Status, 0)

    def add(self, results: Iterable[Result]) -> None:
        """Adds results, in the order of their lines."""
        for result in results:
            self._counts[result.status] += 1
            told = _told(result, briefly=len(self._written) > ROOM)
            self._written += orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)

    def counts(self) -> dict[str, int]:
        """How many lines there were of each status."""
        return {name: self._counts[status] for status, name in _COUNTS.items()}

    def closed(self, **more: Any) -> bytes:
        """All of it, and the counts. ``lines``: how many were answered; blank ones are not."""
        counts = self.counts()
        last = {"lines": sum(counts.values()), **counts, **more}
        self._written += orjson.dumps(last, option=orjson.OPT_APPEND_NEWLINE)
        return bytes(self._written)


def _told(result: Result, *, briefly: bool) -> dict[str, Any]:
    told = {"line": result.line.number, "key": result.line.key, "status": result.status.value}
    if result.status is not Status.REJECTED:
        return told
    if briefly:
        return {**told, "errors": [{"code": result.problems[0].code.value, "message": _LEFT_OUT, "field": []}]}
    errors = [
        {"code": problem.code.value, "message": problem.message, "field": [camel(name) for name in problem.field]}
        for problem in result.problems
    ]
    return {**told, "errors": errors}
