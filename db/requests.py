"""For whom statements run: the request whose name they carry, and the operation whose work they are.

Both are context variables: whatever a request starts belongs to it, loaders included. Work in the background has neither.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of an application's name."""
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._:/+=@-]")
_MOST_STATEMENTS = 1_000
"""That are remembered of one operation. All are counted."""


class Request:
    """A request, or an operation of a connection that stays open."""

    __slots__ = ("_binding", "id", "patience", "trace_id")

    def __init__(self, id: str, trace_id: str | None = None, patience: float | None = None) -> None:  # noqa: A002
        self.id = id
        self.trace_id = trace_id
        """Of the trace that it is a part of, as its traceparent says."""
        self.patience = patience
        """Seconds that it waits for a connection of the pool; None: as long as work in the background."""
        self._binding: str | None = None

    @property
    def binding(self) -> str:
        """SQL that names the running transaction after it, in pg_stat_activity and in PostgreSQL's log."""
        if self._binding is None:
            # Whoever sent the id chose its characters: none is let through that could end the text.
            name = f"groundswell {_NOT_PLAIN.sub('_', self.id)}"[:_LONGEST_NAME]
            self._binding = f"SET LOCAL application_name = '{name}'"
        return self._binding


class Timed:
    """A statement that was begun. Times are of time.perf_counter."""

    __slots__ = ("began", "ended", "sql")

    def __init__(self, sql: str, began: float) -> None:
        self.sql, self.began = sql, began
        self.ended: float | None = None


class Work:
    """What one operation has had the database do."""

    __slots__ = ("commits", "committing", "count", "elsewhere", "refused", "statements", "waited")

    def __init__(self) -> None:
        self.statements: list[Timed] = []
        self.count = 0
        self.waited = 0.0
        """Seconds until connections were there and their transactions had begun."""
        self.commits = 0
        """Changes that were committed."""
        self.committing = 0
        """Changes of which it is not known: not yet, or never since the connection broke."""
        self.elsewhere = False
        """Whether somebody else may be doing the same for it just now."""
        self.refused = False
        """Whether there was no connection for it."""

    def begun(self, sql: str, now: float) -> Timed:
        """Notes a statement."""
        timed = Timed(sql, now)
        self.count += 1
        if self.count <= _MOST_STATEMENTS:
            self.statements.append(timed)
        return timed

    @contextmanager
    def committed(self) -> Iterator[None]:
        """Counts a change for which the block heard that it was committed."""
        self.committing += 1
        yield
        self.committing -= 1
        self.commits += 1


current: ContextVar[Request | None] = ContextVar("groundswell_request", default=None)
"""The request that is being answered."""
working: ContextVar[Work | None] = ContextVar("groundswell_work", default=None)
"""The work of the operation that is being answered."""
