"""Slow operations in the log: by hash, with their statements, and without a value that anybody sent."""

import hashlib
import re
from collections import defaultdict
from typing import Any

import structlog

from db.requests import Timed, Work
from graph.context import Context
from graph.documents import Document

log = structlog.get_logger("groundswell.slow")

_MOST = 10
"""Statements that are told, the slowest first."""
_LONGEST_NAME = 100
_VERB = re.compile(r"\s*(\w+)")
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)")


def log_slow(document: Document, name: str | None, context: Context, work: Work, began: float, took: float) -> None:
    """Logs an operation that took long. Equal statements are told together. ``began``: of time.perf_counter."""
    operation = document.operation(name)
    called = None if operation is None or operation.name is None else operation.name.value
    log.warning(
        "slow operation",
        operation=hashed(document.text),
        operation_name=called and called[:_LONGEST_NAME],
        seconds=round(took, 3),
        waited_for_connection=round(work.waited, 3),
        statement_count=work.count,
        statements=_told(work.statements, began + took),
        workspace_id=context.workspace_id,
    )


def hashed(text: str) -> str:
    """Sixteen hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _told(statements: list[Timed], now: float) -> list[dict[str, Any]]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for timed in statements:
        found[timed.sql].append((timed.ended or now) - timed.began)
    slowest = sorted(found.items(), key=lambda one: -sum(one[1]))[:_MOST]
    return [
        {"statement": hashed(sql), "what": _what(sql), "times": len(times), "seconds": round(sum(times), 4)}
        for sql, times in slowest
    ]


def _what(sql: str) -> str:
    """What a statement does to which table first: no more of it, for it may hold what nobody is to read."""
    verb, table = _VERB.match(sql), _TABLE.search(sql)
    return " ".join(found[1] for found in (verb, table) if found is not None)
