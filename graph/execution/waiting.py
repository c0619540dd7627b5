"""What has to be awaited, and the loop that goes on with it as it comes."""

from asyncio import CancelledError, Future, ensure_future, gather, get_running_loop
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from graph.execution.kinds import DONE
from graph.execution.slots import Slots

if TYPE_CHECKING:
    from graph.execution.run import Run


Finish = Callable[[list[Any]], None]


class Waiting:
    """Awaitables of some places that are awaited together.

    ``finish`` is called with their results, DONE in the place of what failed.
    """

    def __init__(self, slots: Slots, places: Sequence[Sequence[int]], awaitables: list[Any], finish: Finish) -> None:
        self.slots = slots
        self.places = places
        """For each awaitable the places that fail with it."""
        self.awaitables = awaitables
        self.finish = finish
        self.results: list[Any] = [DONE] * len(awaitables)
        self.futures: list[Future[Any]] = []
        self.left = 0

    def failed(self, run: "Run", at: int, error: Exception) -> None:
        """Takes the error of an awaitable."""
        for place in self.places[at]:
            run.fail(self.slots, place, error)

    def is_nulled(self, run: "Run", at: int) -> bool:
        """Whether nobody asks for an awaitable any more."""
        return all(run.failures.is_nulled(self.slots, place) for place in self.places[at])


class Loop:
    """Awaits until nothing is left to wait for."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._running: set[Waiting] = set()
        self._arrived: list[tuple[Waiting, int]] = []
        self._wake: Future[None] | None = None
        self._nulled = 0

    async def until_done(self) -> None:
        """Raises CancelledError if something that it waits for was cancelled; then nothing goes on."""
        run = self._run
        try:
            while (run.waiting or self._running) and not run.failures.root_is_null:
                if not self._running and len(run.waiting) == 1 and len(run.waiting[0].awaitables) == 1:
                    await self._alone(run.waiting.pop())
                else:
                    self._begin()
                    await self._next()
                self._abandon()
        finally:
            await self._leave()

    async def _alone(self, waiting: Waiting) -> None:
        """Awaits a single awaitable, without a task of its own."""
        self._after_it(waiting)
        try:
            waiting.results[0] = await waiting.awaitables[0]
        except Exception as error:
            waiting.failed(self._run, 0, error)
        waiting.finish(waiting.results)
        self._run.drain()

    @staticmethod
    def _after_it(waiting: Waiting) -> None:
        waiting.slots.turn += 1

    def _begin(self) -> None:
        new, self._run.waiting = self._run.waiting, []
        for waiting in new:
            self._after_it(waiting)
            waiting.futures = [ensure_future(awaitable) for awaitable in waiting.awaitables]
            waiting.left = len(waiting.futures)
            self._running.add(waiting)
            for at, future in enumerate(waiting.futures):
                if future.done():
                    self._arrived.append((waiting, at))
                else:
                    future.add_done_callback(partial(self._note, waiting, at))

    def _note(self, waiting: Waiting, at: int, _future: Future[Any]) -> None:
        self._arrived.append((waiting, at))
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _next(self) -> None:
        """Goes on with what has arrived; waits for it if need be."""
        while not self._arrived:
            self._wake = get_running_loop().create_future()
            await self._wake
        arrived, self._arrived = self._arrived, []
        finished = []
        for waiting, at in arrived:
            self._take(waiting, at)
            waiting.left -= 1
            if not waiting.left:
                self._running.discard(waiting)
                finished.append(waiting)
        for waiting in finished:
            waiting.finish(waiting.results)
        self._run.drain()

    def _take(self, waiting: Waiting, at: int) -> None:
        future = waiting.futures[at]
        if future.cancelled():
            if waiting.is_nulled(self._run, at):
                return
            raise CancelledError
        error = future.exception()
        if error is None:
            waiting.results[at] = future.result()
        elif isinstance(error, Exception):
            waiting.failed(self._run, at, error)
        else:
            raise error

    def _abandon(self) -> None:
        """Cancels what runs, and lets what was not begun settle by itself, below what an error has made null."""
        run = self._run
        if len(run.failures.nulled) == self._nulled:
            return
        self._nulled = len(run.failures.nulled)
        for waiting in self._running:
            for at, future in enumerate(waiting.futures):
                if not future.done() and waiting.is_nulled(run, at):
                    future.cancel()
        kept = []
        for waiting in run.waiting:
            over = [at for at in range(len(waiting.awaitables)) if waiting.is_nulled(run, at)]
            if over:
                run.executor.settle_in_background([waiting.awaitables[at] for at in over])
            if len(over) < len(waiting.awaitables):
                kept.append(self._without(waiting, set(over)))
        run.waiting = kept

    @staticmethod
    def _without(waiting: Waiting, over: set[int]) -> Waiting:
        if not over:
            return waiting
        stay = [at for at in range(len(waiting.awaitables)) if at not in over]

        def finish(results: list[Any]) -> None:
            for at, result in zip(stay, results, strict=True):
                waiting.results[at] = result
            waiting.finish(waiting.results)

        return Waiting(
            waiting.slots, [waiting.places[at] for at in stay], [waiting.awaitables[at] for at in stay], finish
        )

    async def _leave(self) -> None:
        left = [future for waiting in self._running for future in waiting.futures if not future.done()]
        for future in left:
            future.cancel()
        if left:
            await gather(*left, return_exceptions=True)
        self._run.settle()
