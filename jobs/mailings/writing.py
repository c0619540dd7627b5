"""The one who writes intents and outcomes, for all connections of a sender at once.

What gathers while one transaction runs goes into the next, so a message costs a fraction of one. An outcome that is known is
kept until it is written, however long the database is away; until then no new message is begun.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import structlog

from db.engine import Database, Transaction, is_passing
from db.queries.mailings import outcomes, sending
from db.queries.mailings.outcomes import Outcome, OutcomeKind
from jobs.mailings.batches import Claimed, MailingKey

log = structlog.get_logger("groundswell.mail")

_PAUSES = (0.05, 0.2, 0.5, 1.0)
"""Seconds between tries while the database is away; the last one again and again."""
_LONGEST_PAUSE = 0.05
"""Seconds that a group waits for more, at most."""
_AT_ONCE = 4
"""Workspaces that are written for at once: each takes a connection of the database."""
_MEMORY = 20
"""Transactions that their usual length is taken of."""


@dataclass(frozen=True, slots=True)
class Intent:
    """That a message may be sent now. ``since``: the running loop's time when that was known."""

    at: datetime
    since: float


@dataclass(slots=True)
class _Group:
    """What is to be written for one workspace."""

    asked: dict[int, "tuple[Claimed, asyncio.Future[Intent | None]]"] = field(default_factory=dict)
    known: list[tuple[Claimed, Outcome]] = field(default_factory=list)
    again: bool = False
    """Whether it was tried before."""


@dataclass(slots=True)
class _Intents:
    """When the messages are about to be sent that may be, and the mailings that may not go on."""

    at: dict[int, datetime] = field(default_factory=dict)
    halted: set[int] = field(default_factory=set)


class Writer:
    """Writes for one sender, which is ``worker`` in the database.

    ``on_settled`` is told of each claim that has ended; ``on_halted`` of each mailing that got no intent, like a paused one.
    """

    def __init__(
        self,
        database: Database,
        worker: int,
        lease: float,
        on_settled: Callable[[Claimed], None],
        on_halted: Callable[[MailingKey], None],
    ) -> None:
        self._database = database
        self._worker = worker
        self._lease = lease
        self._on_settled = on_settled
        self._on_halted = on_halted
        self._groups: dict[int, _Group] = {}
        self._busy: set[int] = set()
        """Workspaces that are being written for: one of them may wait for a lock, and holds no other up."""
        self._work = asyncio.Event()
        self._under_way: dict[tuple[int, int], float] = {}
        """Recipients with an intent and without a written outcome: until when their lease need not be renewed."""
        self.latency = 0.0
        """Seconds that one transaction takes, lately."""
        self._is_away = False
        self._is_finishing = False
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def intent(self, claimed: Claimed) -> Intent | None:
        """Once it is committed that this message is about to be sent; None where it may not be."""
        group = self._group(claimed.workspace_id)
        if claimed.id in group.asked or (claimed.workspace_id, claimed.id) in self._under_way:
            self._on_settled(claimed)  # claimed twice, since the first lease was over before it came to it
            return None
        future: asyncio.Future[Intent | None] = asyncio.get_running_loop().create_future()
        group.asked[claimed.id] = (claimed, future)
        self._work.set()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and (intent := future.result()) is not None:
                self._take_back(claimed, intent.at)  # it was committed just now
            raise

    def write(self, claimed: Claimed, outcome: Outcome) -> None:
        """Keeps what came of a claim until it is written."""
        self._group(claimed.workspace_id).known.append((claimed, outcome))
        self._work.set()

    def give_back(self, claimed: Iterable[Claimed]) -> None:
        """Ends claims to which nothing was sent."""
        for one in claimed:
            self.write(one, Outcome(one.id, None, OutcomeKind.GIVEN_BACK, one.attempts))

    async def run(self) -> None:
        """Writes until it is told to finish and all is written, or is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while self._groups or self._busy or not self._is_finishing:
                await self._work.wait()
                # Half as many groups cost much less, and delay nobody who has a message to send meanwhile.
                await asyncio.sleep(min(self.latency / 2, _LONGEST_PAUSE))
                self._work.clear()
                for workspace in self._groups.keys() - self._busy:
                    self._busy.add(workspace)
                    tasks.create_task(self._in_turn(workspace))

    async def _in_turn(self, workspace_id: int) -> None:
        async with self._turns:
            await self._write(workspace_id, self._groups.pop(workspace_id))
        self._busy.discard(workspace_id)
        self._work.set()

    def finish(self) -> None:
        """Ends ``run`` once all is written that is known by then."""
        self._is_finishing = True
        self._work.set()

    async def renew(self) -> None:
        """Renews the leases of messages that are under way for long: a slow server is not a lost worker."""
        now = asyncio.get_running_loop().time()
        old: dict[int, list[int]] = {}
        for (workspace, recipient), until in self._under_way.items():
            if until <= now:
                old.setdefault(workspace, []).append(recipient)
        for workspace, ids in old.items():
            async with self._database.write(workspace) as transaction:
                await sending.renew(transaction, ids, self._worker, self._lease)
            renewed = {(workspace, one): now + self._lease / 3 for one in ids if (workspace, one) in self._under_way}
            self._under_way.update(renewed)

    def _group(self, workspace_id: int) -> _Group:
        return self._groups.setdefault(workspace_id, _Group())

    async def _write(self, workspace_id: int, group: _Group) -> None:
        """Writes a group, however long that takes."""
        for tries in count():
            began = asyncio.get_running_loop().time()
            begin = outcomes.begin({claimed.mailing_id for claimed, _ in group.asked.values()})
            try:
                async with self._database.transaction(begin, workspace_id) as transaction:
                    found = await self._all(transaction, group)
            except Exception as error:
                if not is_passing(error) and tries > 0:
                    await self._apart(workspace_id, group, error)
                    return
                self._complain(error)
                group.again = True
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            else:
                self.latency += (asyncio.get_running_loop().time() - began - self.latency) / _MEMORY
                self._answer(workspace_id, group, found)
                return

    async def _all(self, transaction: Transaction, group: _Group) -> _Intents:
        """Totals of mailings are locked last, by what ends claims: so are they by who records events."""
        found, ids, again = _Intents(), group.asked.keys(), group.again
        if ids:
            found.at = await outcomes.intend(transaction, ids, self._worker, self._lease, again=again)
        if group.known:
            await outcomes.write(transaction, [outcome for _, outcome in group.known], self._worker)
        if refused := ids - found.at.keys():
            found.halted = await outcomes.give_up(transaction, refused, self._worker, again=again)
        return found

    def _answer(self, workspace_id: int, group: _Group, found: _Intents) -> None:
        """Tells all who wait, once it is committed."""
        self._is_away = False
        for claimed, _ in group.known:
            self._under_way.pop((workspace_id, claimed.id), None)
            self._on_settled(claimed)
        now = asyncio.get_running_loop().time()
        for claimed, future in group.asked.values():
            self._answer_one(claimed, future, found.at.get(claimed.id), now)
        for mailing_id in found.halted:
            self._on_halted((workspace_id, mailing_id))

    def _answer_one(
        self, claimed: Claimed, future: "asyncio.Future[Intent | None]", at: datetime | None, now: float
    ) -> None:
        if at is None:
            self._on_settled(claimed)
        else:
            self._under_way[claimed.workspace_id, claimed.id] = now + self._lease / 3
            if future.done():  # who asked was cancelled
                self._take_back(claimed, at)
        if not future.done():
            future.set_result(None if at is None else Intent(at, now))

    def _take_back(self, claimed: Claimed, at: datetime) -> None:
        """An intent that nobody will use: nothing was sent."""
        self.write(claimed, Outcome(claimed.id, at, OutcomeKind.GIVEN_BACK, claimed.attempts))

    async def _apart(self, workspace_id: int, group: _Group, error: Exception) -> None:
        """One of a group cannot be written, which is a mistake of ours: the others are, one by one."""
        if len(group.known) + len(group.asked) > 1:
            for one in group.known:
                await self._write(workspace_id, _Group(known=[one], again=True))
            for recipient, asked in group.asked.items():
                await self._write(workspace_id, _Group(asked={recipient: asked}, again=True))
            return
        log.error("what came of a message could not be written; it will be shown as uncertain", exc_info=error)
        self._answer(workspace_id, group, _Intents())

    def _complain(self, error: Exception) -> None:
        if is_passing(error) and not self._is_away:
            self._is_away = True
            said = "the database is away, or takes nothing; what is known of messages is written once it does"
            log.warning(said, error=type(error).__name__)
