"""The time that an operation has. When it is over, all that runs for it is cancelled, down to the statement in PostgreSQL."""

import asyncio
from asyncio import CancelledError
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
from graph.ticking import Ticker

asked: ContextVar[float | None] = ContextVar("groundswell_timeout", default=None)
"""Seconds that the client gives the request."""
RETRY_AFTER = "1"


class Deadline:
    """When an operation is cancelled, while it is being answered. ``until``: the loop's time."""

    __slots__ = ("_cancelling", "_task", "is_over", "until")

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in one
        self._task = task
        self._cancelling = task.cancelling()
        self.until = asyncio.get_running_loop().time() + seconds
        self.is_over = False

    def look(self, now: float) -> None:
        """Cancels the operation, once, when its time is over."""
        if now >= self.until and not self.is_over:
            self.is_over = True
            self._task.cancel()

    def was_it(self) -> bool:
        """Whether a cancellation was this one's and nobody else's. The task goes on then."""
        return self.is_over and self._task.uncancel() <= self._cancelling


class Deadlines:
    """Answers operations in time."""

    def __init__(self, settings: DeadlineSettings | None = None) -> None:
        self._settings = settings or DeadlineSettings()
        self._ticker = Ticker()

    async def kept(
        self, answering: Coroutine[Any, Any, ExecutionResult], document: Document, name: str | None, context: Context
    ) -> ExecutionResult:
        """What an operation answers; where its time is over, that, and what of it was done by then."""
        given, settings = asked.get(), self._settings
        seconds = settings.request if given is None else min(given, settings.request)
        work, began = Work(), perf_counter()
        token = working.set(work)
        context.deadline = deadline = Deadline(seconds)
        self._ticker.add(deadline)
        try:
            result = await answering
            deadline.was_it()  # what was in time after all is not cancelled any more
        except CancelledError:
            if not deadline.was_it():
                raise
            context.response_status = 504
            result = ExecutionResult(None, [_over(document, name, seconds, work)])
        finally:
            self._ticker.remove(deadline)
            working.reset(token)
            took = perf_counter() - began
            if took >= settings.slow > 0:
                watching.log_slow(document, name, context, work, began, took)
        return _refused(result, context) if work.refused and result.errors and not _did(work) else result


def _did(work: Work) -> int:
    return work.commits + work.committing + work.elsewhere


def _over(document: Document, name: str | None, seconds: float, work: Work) -> Any:
    if not document.changes(name):
        return deadline_exceeded(seconds)
    return deadline_exceeded(seconds, work.commits, work.committing + work.elsewhere)


def _refused(result: ExecutionResult, context: Context) -> ExecutionResult:
    """The answer where there was no connection for an operation: nothing of it was done."""
    context.response_status = 503
    context.response_headers["retry-after"] = RETRY_AFTER
    return ExecutionResult(None, [unavailable(NO_CONNECTION)], result.extensions)
