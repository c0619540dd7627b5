"""The sender: one process' part in sending all mailings. Any number of them work on one database.

One task claims, some send, each over a connection of its own, and one writes for all. Between the intent and the outcome of
a message lies the only moment in which nobody can know whether it was sent: who is lost there leaves it to be shown as
uncertain, and nobody sends it again.
"""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

import structlog

from db.engine import Database, is_unavailable
from jobs.mailings.batches import MailingKey, Stock
from jobs.mailings.claiming import Claiming
from jobs.mailings.connections import SmtpTransport
from jobs.mailings.delivering import Delivering
from jobs.mailings.gates import Gate
from jobs.mailings.keys import tokens_of
from jobs.mailings.maildir import Maildir
from jobs.mailings.options import MailOptions
from jobs.mailings.tokens import Addresses
from jobs.mailings.transports import Transport
from jobs.mailings.waiting import until
from jobs.mailings.writing import Writer

log = structlog.get_logger("groundswell.mail")

CLAIM_SECONDS = 1.0
"""How long a claim that is under way may take when the sender is stopped."""
STOP_SECONDS = 4.5
"""How long dialogues that are under way may take to end when the sender is stopped."""
WRITE_SECONDS = 2.0
"""How long what is known then may take to be written."""


def transport_of(options: MailOptions) -> Transport:
    """The transport of some options: a mail server, or a folder. Raises ValueError for an ``smtp_url`` that is none."""
    if options.smtp_url is None:
        return Maildir(options.maildir, options.connections)
    return SmtpTransport(options.smtp_url, options.timeout)


class Sender:
    """Sends mailings. ``base_address`` is where the links in messages lead.

    Raises ValueError for an ``smtp_url`` that is none.
    """

    def __init__(self, database: Database, options: MailOptions, base_address: str) -> None:
        self._database = database
        self._options = options
        self._base_address = base_address
        self._transport = transport_of(options)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends ``run`` soon: dialogues that are under way end, and all else is given back at once."""
        self._stopping.set()

    async def run(self) -> None:
        """Sends. Stops in the same way when it is cancelled. What it raises is a mistake of ours: it may be run again."""
        work = asyncio.create_task(self._run())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait((work,), timeout=CLAIM_SECONDS + STOP_SECONDS + WRITE_SECONDS + 1)
            work.cancel()
            raise

    async def _run(self) -> None:
        addresses = await self._addresses()
        if addresses is not None:
            await _Shift(self._database, self._options, self._transport, addresses).run(self._stopping)

    async def _addresses(self) -> Addresses | None:
        """What the links in messages are made with, once the database says so; None if it is stopped before."""
        while not self._stopping.is_set():
            try:
                return Addresses(await tokens_of(self._database), self._base_address)
            except Exception as error:
                if not is_unavailable(error):
                    raise
            await until(self._stopping, self._options.poll)
        return None


class _Shift:
    """A sender from its start to its end."""

    def __init__(self, database: Database, options: MailOptions, transport: Transport, addresses: Addresses) -> None:
        worker = secrets.randbits(62)
        lease = options.lease.total_seconds()
        self._options = options
        self._wake = asyncio.Event()
        self._gate = Gate()
        self._stock = Stock(max(options.claim // 2, 1), self._wake.set)
        self._writer = Writer(database, worker, lease, self._stock.settled, self._halt)
        self._claiming = Claiming(database, worker, options, addresses, self._stock)
        self._delivering = Delivering(database, options, transport, self._stock, self._writer, self._gate)
        self._looked = float("-inf")
        self._is_away = False
        self._is_ending = False

    async def run(self, stop: asyncio.Event) -> None:
        """Works until it is told to stop, or one of its tasks fails, which it raises."""
        writer = asyncio.create_task(self._writer.run())
        senders = [asyncio.create_task(self._delivering.run()) for _ in range(self._options.connections)]
        claiming = asyncio.create_task(self._claim())
        told = asyncio.create_task(stop.wait())
        tasks = [writer, claiming, *senders]
        try:
            await asyncio.wait((told, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            self._is_ending = True
            self._wake.set()
            await _end([claiming], CLAIM_SECONDS)
            self._writer.give_back(self._stock.close(len(senders)))
            await _end(senders, STOP_SECONDS)
            self._writer.finish()
            await _end([writer], WRITE_SECONDS)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def _halt(self, mailing: MailingKey) -> None:
        self._writer.give_back(self._stock.withdraw(mailing))

    async def _claim(self) -> None:
        while not self._is_ending:
            self._wake.clear()
            try:
                again = await self._work()
                self._is_away = False
            except Exception as error:
                again = self._options.poll
                self._complain(error)
            if not self._is_ending:
                await until(self._wake, again)

    async def _work(self) -> float:
        """Does what is due. Answers after how many seconds to come again."""
        now = asyncio.get_running_loop().time()
        if now >= self._looked + self._options.poll:
            self._looked = now
            await self._claiming.look()
            await self._writer.renew()
        if not self._gate.is_open:
            if self._gate.wait > 0:
                return min(self._gate.wait, self._options.poll)
            await self._delivering.probe()
            return 0
        return await self._claiming.claim()

    def _complain(self, error: Exception) -> None:
        if not is_unavailable(error):
            log.error("mailings could not be worked on", exc_info=error)
        elif not self._is_away:
            self._is_away = True
            log.warning("the database is away; mailings go on when it is back")


async def _end(tasks: Iterable["asyncio.Task[Any]"], seconds: float) -> None:
    """Waits for tasks, cancels what takes longer, and waits for that."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
