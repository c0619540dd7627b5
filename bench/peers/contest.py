"""The contest: answers are compared, then all contestants take turns at each workload, round after round."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import Progress

from bench.peers import load, usage
from bench.peers.contestants import HOST, Contestant, libpq
from bench.peers.workloads import Workload, plain

Figures = dict[str, dict[str, list["Slice"]]]
"""By workload and contestant: its slices, one a round."""


@dataclass
class Slice:
    """What one contestant did in one round. Seconds, and seconds of CPU."""

    seconds: float
    times: list[float]
    server: float
    postgres: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.times) / self.seconds


@dataclass
class Contest:
    """Contestants that run, and what is asked of them."""

    contestants: Sequence[Contestant]
    workloads: Sequence[Workload]
    rounds: int
    seconds: float
    connections: int

    async def run(self, url: str) -> Figures:
        """Compares, warms up, measures."""
        # Texts and names never come again in a run, whoever gets them.
        self._numbers: Iterator[int] = itertools.count(1)
        self._database: Any = await asyncpg.connect(libpq(url))
        self._postmaster = await usage.postmaster(self._database)
        try:
            for workload in self.workloads:
                await self._compare(workload)
            return await self._measure()
        finally:
            await self._database.close()

    async def _compare(self, workload: Workload) -> None:
        number, expected = next(self._numbers), None
        for contestant in self._taking_part(workload):
            body = contestant.body(workload)(number)
            answer = await load.ask(HOST, contestant.port, contestant.head(workload), body)
            if not isinstance(answer, dict) or answer.get("errors") or "data" not in answer:
                raise RuntimeError(f"{workload.name}: {contestant.name} answers {str(answer)[:1000]}")
            found = plain(answer)
            if expected is None:
                expected = found
            if found != expected:
                raise RuntimeError(f"{workload.name}: {contestant.name} differs {difference(expected, found)}")

    async def _measure(self) -> Figures:
        figures: Figures = {
            workload.path: {contestant.name: [] for contestant in self._taking_part(workload)}
            for workload in self.workloads
        }
        turns = list(self._turns())
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=len(turns))
            for number, workload, contestant in turns:
                what = f"round {number} of {self.rounds}" if number else "warming up"
                progress.update(task, description=f"{what}: {workload.name}, {contestant.name}")
                done = await self._slice(workload, contestant)
                if number:
                    figures[workload.path][contestant.name].append(done)
                progress.advance(task)
        return figures

    def _turns(self) -> Iterator[tuple[int, Workload, Contestant]]:
        """Round 0 warms up. Whoever is first is last in the next round, so that nobody always follows the same one."""
        for number, workload in itertools.product(range(self.rounds + 1), self.workloads):
            them = self._taking_part(workload)
            first = number % len(them)
            for contestant in them[first:] + them[:first]:
                yield number, workload, contestant

    def _taking_part(self, workload: Workload) -> list[Contestant]:
        return [contestant for contestant in self.contestants if contestant.answers(workload)]

    async def _slice(self, workload: Workload, contestant: Contestant) -> Slice:
        body = contestant.body(workload)

        async def ask() -> load.Load:
            async with asyncio.timeout(self.seconds + 60):
                return await load.run(
                    HOST,
                    contestant.port,
                    contestant.head(workload),
                    lambda: body(next(self._numbers)),
                    seconds=self.seconds,
                    connections=self.connections,
                )

        done, server, postgres = await usage.spent(contestant.pid, self._postmaster, ask)
        if workload.writes:
            # Nobody shall read past the rows that the one before left dead.
            await self._database.execute("VACUUM ANALYZE public.campaigns")
        return Slice(done.seconds, done.times, server, postgres)


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two answers part, and what is there."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        pairs = [(name, one[name], other[name]) for name in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(index), *both) for index, both in enumerate(zip(one, other, strict=True))]
    else:
        return f"at {path or 'the top'}: {str(one)[:300]} is {str(other)[:300]}"
    return next(difference(a, b, f"{path}.{name}") for name, a, b in pairs if a != b)
