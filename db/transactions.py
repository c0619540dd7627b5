"""Statements of a running transaction of one workspace."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, CursorResult, Executable, ScalarSelect, literal, select
from sqlalchemy.exc import DBAPIError

from db import requests
from db.observing import Observer, observed, observed_result
from db.pool import Lease
from db.statements import BadText, Prepared, Rows

Statement = Executable | Prepared
Values = Mapping[str, Any]
Watcher = Callable[[str, Sequence[Any]], None]
"""Is told of each statement and its parameters."""


class OfWorkspace:
    """Something that is bound to one workspace."""

    workspace_id: int

    @property
    def workspace(self) -> ScalarSelect[int]:
        """The workspace, for the conditions of a statement.

        A subquery and not a constant: the planner takes a constant that its statistics do not know for one without
        rows. In a new workspace it then looked up a batch's keys by reading the whole workspace.
        """
        return select(literal(self.workspace_id, BigInteger)).scalar_subquery()


class Transaction(OfWorkspace):
    """A running transaction of one workspace. It has no commit: leaving ``write()`` normally is the commit."""

    def __init__(
        self,
        lease: Lease,
        workspace_id: int | None,
        client_id: int | None,
        watchers: Sequence[Watcher],
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        self._lease = lease
        self._driver = lease.driver
        self._watchers = watchers
        self._work = requests.working.get()
        self.workspace_id = workspace_id or 0
        self.client_id = client_id
        """The restricted API client whose grants bound it; None for all others."""
        self.announces = False
        """Whether something was appended to the outbox, which is to be numbered once this is committed."""

    async def rows(self, statement: Statement, values: Values | None = None) -> Rows:
        """All rows of a statement. The workspace need not be among the values."""
        if isinstance(statement, Prepared):
            return await self._fetch(statement, values or {})
        result = await self._execute(statement, values)
        return Rows(result.all(), tuple(result.keys()))

    async def row(self, statement: Statement, values: Values | None = None) -> Any:
        """The only row of a statement, or None."""
        if isinstance(statement, Prepared):
            rows = await self._fetch(statement, values or {})
            return rows[0] if rows else None
        return (await self._execute(statement, values)).one_or_none()

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self._execute(statement, values)).scalar()

    async def run(self, statement: Executable, values: Values | None = None) -> int:
        """Executes a change and answers how many rows it touched."""
        return (await self._execute(statement, values)).rowcount

    async def _fetch(self, statement: Prepared, values: Values) -> Rows:
        arguments = statement.arguments({"workspace": self.workspace_id, **values})
        for watcher in self._watchers:
            watcher(statement.sql, arguments)
        fetching = self._driver.fetch(statement.sql, *arguments, record_class=statement.row_class)
        if self._observer is not None:
            fetching = observed(self._observer, statement.name, statement.sql, fetching)
        timed = None if self._work is None else self._work.begun(statement.sql, perf_counter())
        rows = await fetching
        if timed is not None:
            timed.ended = perf_counter()
        return Rows(rows, statement.columns)

    async def _execute(self, statement: Executable, values: Values | None) -> CursorResult[Any]:
        try:
            executing = self._lease.connection.execute(statement, values)
            if self._observer is not None:
                return await observed_result(self._observer, statement, executing)
            return await executing
        except DBAPIError as error:
            if isinstance(getattr(error.orig, "__cause__", None), asyncpg.CharacterNotInRepertoireError):
                raise BadText from None
            raise

    @property
    def driver(self) -> Any:
        """asyncpg's connection, for statements that are not ours."""
        return self._driver

    async def server_pid(self) -> int:
        """The backend's process id: one writer's, for as long as its connection lives."""
        return int(self._driver.get_server_pid())
