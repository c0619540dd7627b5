"""Claiming: leases that are over are settled, and recipients are claimed for the connections, from each mailing in turn."""

import asyncio
from collections import OrderedDict
from functools import partial

import structlog

from db.changes import change
from db.engine import Database
from db.queries.mailings import moving, sending
from db.queries.mailings.sending import Running
from db.statements import Rows
from jobs.mailings.batches import Claimed, MailingKey, Stock
from jobs.mailings.messages import MessageMaker, domain_of
from jobs.mailings.options import MailOptions
from jobs.mailings.starting import start_due
from jobs.mailings.templates import Template
from jobs.mailings.tokens import Addresses

log = structlog.get_logger("groundswell.mail")

_MAKERS = 64
"""Mailings whose content is kept."""
_BUSY = 0.05
"""Seconds until a mailing is looked at again at which somebody else was."""


class Claiming:
    """Claims for one sender, which is ``worker`` in the database."""

    def __init__(
        self, database: Database, worker: int, options: MailOptions, addresses: Addresses, stock: Stock
    ) -> None:
        self._database = database
        self._worker = worker
        self._options = options
        self._addresses = addresses
        self._stock = stock
        self._makers: OrderedDict[MailingKey, MessageMaker] = OrderedDict()
        self._running: OrderedDict[MailingKey, Running] = OrderedDict()
        """What runs, in the order in which it is claimed from."""
        self._not_before: dict[MailingKey, float] = {}
        """When to claim of each again."""
        self._back: set[MailingKey] = set()
        """What says that it waits, and need not."""

    async def look(self) -> None:
        """Settles leases that are over, starts what is due, and finds out what runs."""
        async with self._database.everywhere() as transaction:
            leases = await sending.settle(transaction)
            due = await sending.due(transaction, self._options.late_after.total_seconds())
            running = await sending.running(transaction)
        if leases.uncertain or leases.given_back:
            log.warning("leases were over", given_back=leases.given_back, uncertain=leases.uncertain)
        if due:
            await start_due(self._database, due)
            async with self._database.everywhere() as transaction:
                running = await sending.running(transaction)
        found = {(one.workspace_id, one.id): one for one in running}
        order = [*(key for key in self._running if key in found), *(key for key in found if key not in self._running)]
        self._running = OrderedDict((key, found[key]) for key in order)
        self._back = {key for key, one in found.items() if one.is_back}
        self._not_before = {key: _now() + one.wait for key, one in found.items()}

    async def claim(self) -> float:
        """Claims from one mailing after the other while there is room. Answers after how many seconds to come again.

        The mail server is there, as far as is known: mailings that waited for it say so no more, whoever let them wait.
        """
        again = self._options.poll
        while self._back:
            workspace_id, mailing_id = self._back.pop()
            async with self._database.write(workspace_id) as transaction:
                await sending.let_go(transaction, mailing_id)
        for key in list(self._running):
            if not self._stock.is_low:
                break
            wait = self._not_before[key] - _now()
            if wait <= 0:
                self._running.move_to_end(key)
                wait = await self._claim_of(self._running[key])
                self._not_before[key] = _now() + wait
            again = min(again, wait)
        return again

    async def _claim_of(self, mailing: Running) -> float:
        """Claims of one mailing. Answers after how many seconds there may be more."""
        key = (mailing.workspace_id, mailing.id)
        maker = await self._maker(key)
        if maker is None:
            return self._options.poll
        rows, wait = await self._rows(mailing)
        self._stock.put([Claimed.of(key, row, maker) for row in rows if not row.is_suppressed])
        if not rows and not wait:
            await self._complete(key)
            return self._options.poll
        return wait

    async def _rows(self, mailing: Running) -> tuple[Rows, float]:
        lease = self._options.lease.total_seconds()
        claimed = (mailing.id, self._worker, lease, self._options.claim)
        async with self._database.write(mailing.workspace_id) as transaction:
            if mailing.is_limited:
                return await sending.claim_limited(transaction, *claimed) or (Rows(), _BUSY)
            return await sending.claim(transaction, *claimed), 0.0

    async def _complete(self, key: MailingKey) -> None:
        """Completes a mailing of which nothing is left, as far as this sender can see."""
        workspace_id, mailing_id = key
        if self._stock.holds(key):
            return
        work = partial(moving.complete_if_done, mailing_id=mailing_id)
        if (await change(self._database, workspace_id, work)).value:
            log.info("a mailing is complete", mailing=mailing_id)
            del self._running[key]

    async def _maker(self, key: MailingKey) -> MessageMaker | None:
        """What makes the messages of a mailing; None where that is not possible, for which the mailing has failed."""
        maker = self._makers.get(key)
        if maker is None:
            async with self._database.write(key[0]) as transaction:
                content = await sending.content(transaction, key[1])
            template = (content.subject, content.html, content.text)
            sender = content.from_address
            try:
                maker = MessageMaker.of(
                    Template.of(*template),
                    sender,
                    self._addresses,
                    content.link_ids,
                    domain_of(sender),
                    self._options.headers,
                )
            except ValueError as error:
                log.exception("the messages of a mailing cannot be made", mailing=key[1])
                await change(
                    self._database,
                    key[0],
                    partial(moving.fail, mailing_id=key[1], reason=f"It cannot be sent: {error}"),
                )
                return None
            self._makers[key] = maker
            if len(self._makers) > _MAKERS:
                self._makers.popitem(last=False)
        self._makers.move_to_end(key)
        return maker


def _now() -> float:
    return asyncio.get_running_loop().time()
