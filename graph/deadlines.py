"""The time that an operation has. When it is over, all that runs for it is cancelled, down to the statement in PostgreSQL."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from graphql import ExecutionResult

from db.requests import Work, working
from graph import watching
from graph.context import Context
from graph.deadline_settings import DeadlineSettings
from graph.documents import Document
from graph.errors import NO_CONNECTION, deadline_exceeded, unavailable

asked: ContextVar[float | None] = ContextVar("groundswell_timeout", default=None)
"""Seconds that the client gives the request."""
RETRY_AFTER = "1"


class Deadlines:
    """Answers operations in time."""

    def __init__(self, settings: DeadlineSettings | None = None) -> None:
        self._settings = settings or DeadlineSettings()

    async def kept(
        self, answering: Coroutine[Any, Any, ExecutionResult], document: Document, name: str | None, context: Context
    ) -> ExecutionResult:
        """What an operation answers; where its time is over, that, and what of it was done by then."""
        given = asked.get()
        seconds = self._settings.request if given is None else min(given, self._settings.request)
        work, began = Work(), perf_counter()
        token = working.set(work)
        try:
            async with asyncio.timeout(seconds) as context.deadline:
                result = await answering
        except TimeoutError:
            context.response_status = 504
            result = ExecutionResult(None, [_over(document, name, seconds, work)])
        finally:
            working.reset(token)
            took = perf_counter() - began
            if took >= self._settings.slow > 0:
                watching.log_slow(document, name, context, work, began, took)
        return _refused(result, context) if work.refused and result.errors and not _did(work) else result


def _did(work: Work) -> int:
    return work.commits + work.committing


def _over(document: Document, name: str | None, seconds: float, work: Work) -> Any:
    if not document.changes(name):
        return deadline_exceeded(seconds)
    return deadline_exceeded(seconds, work.commits, work.committing)


def _refused(result: ExecutionResult, context: Context) -> ExecutionResult:
    """The answer where there was no connection for an operation: nothing of it was done."""
    context.response_status = 503
    context.response_headers["retry-after"] = RETRY_AFTER
    return ExecutionResult(None, [unavailable(NO_CONNECTION)], result.extensions)
