"""Requests with an idempotency key: each has one effect, and one answer, however often it is sent.

What a request changes and its answer are committed by one transaction. So there is no key without its answer and no change
without its key: a process that is killed leaves either all of it or nothing, and whoever asks again gets the answer or does it.
Those that ask at the same time wait for the first: in its process for what it answers, in others by looking again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError

from db import requests
from db.engine import Transaction
from db.models.idempotency import LARGEST_ANSWER
from db.queries import idempotency
from db.queries.idempotency import Kept
from db.together import Together
from graph.context import Context
from graph.errors import forbidden, limit_reached, unavailable
from graph.idempotency import Key, check, in_progress, request_hash, reused, uploads_in
from graph.idempotency_settings import IdempotencySettings

REPLAYED = "idempotency-replayed"
"""The header of an answer that was given before."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
"""Seconds until it is looked again whether another process has answered."""
_TRIES = 3
"""Of an operation that loses races."""
_STATUS = {
    "BAD_USER_INPUT": 400,
    "IDEMPOTENCY_IN_PROGRESS": 409,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "UNAVAILABLE": 503,
}


class Opening(Enum):
    """When the transaction of an operation begins."""

    AT_ONCE = 1
    WITH_A_CHANGE = 2
    """It works long before it changes anything, and no connection is held meanwhile."""
    AFTERWARDS = 3
    """It has transactions of its own, which do no harm when they run twice. This one is for the answer."""


_OPENINGS = {"completeUpload": Opening.WITH_A_CHANGE, "recalculateScores": Opening.AFTERWARDS}
"""Of root fields, where it is not at once."""


class Request(NamedTuple):
    """What is asked: a text, which of its operations, its variables."""

    query: str
    name: str | None
    variables: Any


@dataclass(frozen=True)
class Asked:
    """A request as its key knows it."""

    key: Key
    request: bytes
    opening: Opening
    has_several: bool
    """Whether it has several root fields, so that its changes lock in any order."""
    run: Callable[[], Awaitable[ExecutionResult]]
    """Executes it. It may be called again where nothing came of it."""
    shown: Callable[[ExecutionResult], ExecutionResult]
    """What came of it as its caller sees it."""


@dataclass(frozen=True)
class Answer:
    """An answer, and whether it is kept; and whether that was so before it was asked for."""

    result: ExecutionResult
    is_kept: bool
    is_replay: bool = False


@dataclass(frozen=True)
class _Running:
    request: bytes
    answer: "asyncio.Future[Answer | Exception | None]"
    """None where it was broken off, and somebody else is to run it."""


class _Busy(Exception):
    """Somebody else runs a request of the key."""


class _LostRaceError(Exception):
    """The whole operation was rolled back for a deadlock with another."""


class _Known(Exception):
    """The key has an answer."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept


class KeyedRequests:
    """The requests with keys of one process."""

    def __init__(self, settings: IdempotencySettings | None = None) -> None:
        self._settings = settings or IdempotencySettings()
        self._running: dict[bytes, _Running] = {}

    async def answer(
        self,
        given: object,
        request: Request,
        fields: Sequence[str],
        context: Context,
        run: Callable[[], Awaitable[ExecutionResult]],
        shown: Callable[[ExecutionResult], ExecutionResult],
    ) -> ExecutionResult:
        """The answer to a mutation that may run: what ``run`` answers, as it is ``shown``, or what was answered before.

        ``fields``: the names of its root fields. What is wrong with the key, or with using it, is the only error of an answer
        without data, and nothing was done then.
        """
        try:
            key = Key.of(check(given), context.viewer)
            opening = _opening_of(set(fields), request.variables)
            asked = Asked(key, await request_hash(*request), opening, len(fields) > 1, run, shown)
            answer = await self._waited(asked, context)
        except _Busy:
            context.response_headers["retry-after"] = "1"
            return _refused(context, in_progress())
        except GraphQLError as error:
            return _refused(context, error)
        if answer.is_replay:
            context.response_headers[REPLAYED] = "true"
        return answer.result

    async def _waited(self, asked: Asked, context: Context) -> Answer:
        """The answer of who runs it here already, if somebody does. Raises _Busy, and what running it raises."""
        loop, digest = asyncio.get_running_loop(), asked.key.digest
        until = loop.time() + self._settings.patience
        while (running := self._running.get(digest)) is not None:
            if running.request != asked.request:
                raise reused()
            _is_elsewhere(True)
            await asyncio.wait((running.answer,), timeout=until - loop.time())
            if not running.answer.done():
                raise _Busy
            answer = running.answer.result()
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                result = ExecutionResult(answer.result.data, answer.result.errors)
                return Answer(result, answer.is_kept, is_replay=answer.is_kept)
        running = self._running[digest] = _Running(asked.request, loop.create_future())
        answered: Answer | Exception | None = None
        try:
            answered = await self._first(asked, context, until)
        except Exception as error:
            answered = error
            raise
        finally:
            del self._running[digest]
            running.answer.set_result(answered)
        return answered

    async def _first(self, asked: Asked, context: Context, until: float) -> Answer:
        """The answer that is kept, or that comes of running it. Raises _Busy where another process does for too long."""
        pause, races = _FIRST_PAUSE, 0
        while True:
            try:
                return await self._run(asked, context, alone=races > 0)
            except _Known as known:
                return _replayed(asked, known.kept)
            except _Busy:
                if asyncio.get_running_loop().time() + pause > until:
                    raise
            except _LostRaceError:
                races += 1
                if races == _TRIES:
                    raise unavailable("It met with too many others. Nothing was done: try again.") from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _run(self, asked: Asked, context: Context, *, alone: bool) -> Answer:
        """Runs it, and keeps its answer. Raises _Busy, _Known and _LostRaceError where nothing came of it.

        ``alone``: while nothing else runs of the workspace that has a key and several root fields.
        """
        claim = partial(_claim, asked, alone=alone)
        if asked.opening is not Opening.AT_ONCE:
            async with context.transaction(claim) as looking:
                await looking.begin()
        async with context.transaction(claim) as together:
            if asked.opening is Opening.AT_ONCE:
                await together.begin()
            if asked.opening is not Opening.AFTERWARDS:
                context.together = together
            try:
                result = await asked.run()
            except BaseException:
                context.together = None
                await context.break_off()
                raise
            context.together = None
            await context.release()
            if together.lost_a_race:
                raise _LostRaceError
            await together.begin()  # raises what kept its changes from being made
            result = asked.shown(result)
            if result.errors and (result.data is None or not together.changes):
                return Answer(result, is_kept=False)  # nothing is changed then, and may be another time
            return await self._keep(asked, result, together)

    async def _keep(self, asked: Asked, result: ExecutionResult, together: Together) -> Answer:
        sealed = asked.key.sealed(result)
        if len(sealed) > LARGEST_ANSWER:
            raise limit_reached("The answer is too large to be kept for its key. Nothing was done: select less of it.")
        try:
            kept = await idempotency.keep(
                await together.begin(), asked.key.digest, asked.request, sealed, self._settings.lasts
            )
        except Exception:
            if not result.errors:
                raise
            # What went wrong took the whole transaction with it.
            return Answer(ExecutionResult(None, result.errors), is_kept=False)
        if not kept:
            raise _Busy  # somebody was faster by a hair: look again
        await together.commit()  # whether that was done is not known where it raises
        return Answer(result, is_kept=True)


async def _claim(asked: Asked, transaction: Transaction, *, alone: bool) -> None:
    """Looks for an answer, and keeps others from running it until the transaction ends. Raises _Busy and _Known."""
    claim = await idempotency.claim(transaction, asked.key.digest)
    if claim.kept is not None:
        raise _Known(claim.kept)
    _is_elsewhere(not claim.is_free)
    if not claim.is_free:
        raise _Busy
    if asked.has_several:
        await idempotency.take_turn(transaction, alone=alone)


def _is_elsewhere(found: bool) -> None:
    """Notes whether somebody else may be doing what is asked: who is cut off meanwhile must not be told that nothing was done."""
    work = requests.working.get()
    if work is not None:
        work.elsewhere = found


def _opening_of(fields: set[str], variables: object) -> Opening:
    """When the transaction of an operation begins."""
    openings = {_OPENINGS.get(field, Opening.AT_ONCE) for field in fields}
    if openings == {Opening.AFTERWARDS}:
        return Opening.AFTERWARDS  # beside others, its transactions are parts of the one for all
    is_slow = Opening.WITH_A_CHANGE in openings or bool(uploads_in(variables))
    return Opening.WITH_A_CHANGE if is_slow else Opening.AT_ONCE


def _replayed(asked: Asked, kept: Kept) -> Answer:
    """The answer that was kept. Raises IDEMPOTENCY_KEY_REUSED and FORBIDDEN."""
    if kept.request != asked.request:
        raise reused()
    if not kept.is_reachable:
        raise forbidden("What was answered to this key tells of campaigns that are no longer granted.")
    return Answer(asked.key.opened(kept.answer), is_kept=True, is_replay=True)


def _refused(context: Context, error: GraphQLError) -> ExecutionResult:
    context.response_status = _STATUS.get(str((error.extensions or {}).get("code")))
    return ExecutionResult(None, [error])
