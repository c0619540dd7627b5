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


class Report:
    """Collects results, as they will be sent."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._counts = dict.fromkeys(Status, 0)

    def add(self, results: Iterable[Result]) -> None:
        """Adds results, in the order of their lines."""
        for result in results:
            self._counts[result.status] += 1
            self._written += orjson.dumps(_told(result), option=orjson.OPT_APPEND_NEWLINE)

    def closed(self, **more: Any) -> bytes:
        """All of it, and the counts. ``lines``: how many were answered; blank ones are not."""
        counts = {name: self._counts[status] for status, name in _COUNTS.items()}
        last = {"lines": sum(counts.values()), **counts, **more}
        return bytes(self._written) + orjson.dumps(last, option=orjson.OPT_APPEND_NEWLINE)


def _told(result: Result) -> dict[str, Any]:
    told = {"line": result.line.number, "key": result.line.key, "status": result.status.value}
    if result.status is not Status.REJECTED:
        return told
    errors = [
        {"code": problem.code.value, "message": problem.message, "field": [camel(name) for name in problem.field]}
        for problem in result.problems
    ]
    return {**told, "errors": errors}
