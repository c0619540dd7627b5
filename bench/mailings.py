"""How fast mail is sent, beside a bare loop that sends messages which are made already.

    python -m bench mailings [--rounds 5] [--recipients 3000] [--connections 8]

Both send messages of the same template to an SMTP server (aiosmtpd) in a process of its own, over as many connections, in turn.
The bare loop only speaks SMTP. The sender claims recipients, makes each message, writes down before each that it is about to be sent
and after it what came of it, and completes the mailing; its time ends when that is done.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import aiosmtplib
from sqlalchemy import text

from bench.intake import own_database, server
from db import migrate
from db.engine import Database
from db.queries import workspaces
from graph.logs import configure_logging
from jobs.mailings.messages import Made, MessageMaker
from jobs.mailings.options import MailOptions, SmtpUrl
from jobs.mailings.sending import Sender
from jobs.mailings.templates import Template
from jobs.mailings.tokens import Addresses, Tokens
from tests.mail import mail_process
from tests.senders import BASE, FROM, HTML, SUBJECT, leads, mailing_to_all, start

TARGET = 0.5
_PARAGRAPH = (
    "<p>What was new this week in {{ city }}: a longer text, as newsletters have it, about nothing in particular.</p>"
)
LONG = HTML + _PARAGRAPH * 15
"""About 5 KB as a message, with its text."""


class Bench:
    """One mail server and one workspace, whose leads each contender mails once."""

    def __init__(self, database: Database, workspace: int, smtp_url: str, recipients: int, connections: int) -> None:
        self._database = database
        self._workspace = workspace
        self._connections = connections
        self._server = SmtpUrl.parse(smtp_url)
        self._options = MailOptions(smtp_url=smtp_url, maildir=Path(), connections=connections, poll=0.05)
        self._messages = list(_messages(recipients))

    @property
    def size(self) -> float:
        """Bytes of a message."""
        return median(len(message.content) for message in self._messages)

    async def bare(self) -> float:
        """Seconds of the bare loop, from the first connection to the last answer."""
        left = iter(self._messages)
        began = time.perf_counter()
        await asyncio.gather(*(self._connection(left) for _ in range(self._connections)))
        return time.perf_counter() - began

    async def _connection(self, left: Iterator[Made]) -> None:
        async with aiosmtplib.SMTP(hostname=self._server.host, port=self._server.port, start_tls=False) as client:
            for message in left:
                await client.sendmail(message.sender, [message.recipient], message.content)

    async def sender(self) -> float:
        """Seconds of the sender, from its start to the mailing's end."""
        mailing = await mailing_to_all(self._database, self._workspace, LONG)
        await start(self._database, self._workspace, mailing)
        await self._settle()
        sender = Sender(self._database, self._options, BASE)
        began = time.perf_counter()
        working = asyncio.ensure_future(sender.run())
        while await self._status(mailing) != "COMPLETED":
            if working.done():
                raise RuntimeError("the sender ended before the mailing") from working.exception()
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        sender.stop()
        await working
        await self._check(mailing)
        return seconds

    async def _status(self, mailing: int) -> str:
        async with self._database.engine.connect() as connection:
            found = await connection.execute(text("SELECT status FROM mailings WHERE id = :id"), {"id": mailing})
            return str(found.scalar_one())

    async def _check(self, mailing: int) -> None:
        async with self._database.engine.connect() as connection:
            sent = text("SELECT count(*) FROM recipients WHERE mailing_id = :id AND status = 'SENT'")
            count = (await connection.execute(sent, {"id": mailing})).scalar_one()
        if count != len(self._messages):
            raise RuntimeError(f"{count} of {len(self._messages)} messages were sent")

    async def _settle(self) -> None:
        """Nothing of what was written before is still on its way to the disk, or unknown to the planner."""
        async with self._database.engine.connect() as connection:
            for statement in ("VACUUM ANALYZE recipients", "ANALYZE leads", "CHECKPOINT"):
                await connection.execute(text(statement))


def _messages(count: int) -> Iterator[Made]:
    """What the sender would send, but for the ids."""
    template = Template.of(SUBJECT, LONG, None)
    addresses = Addresses(Tokens(b"of the benchmark"), BASE)
    maker = MessageMaker.of(template, FROM, addresses, range(1, 1 + len(template.links)), "groundswell.example")
    for number in range(1, count + 1):
        values = {"city": "Bremen", "key": f"lead-{number}"}
        yield maker.make(1, number, f"lead-{number}@news.example", f"Lead {number}", values)


async def run(url: str, rounds: int, recipients: int, connections: int) -> bool:
    """Lets both take turns and prints their rates. Answers whether the target was reached."""
    async with own_database(url) as own, mail_process(None) as mail:
        await migrate.upgrade(own)
        database = Database(own)
        try:
            workspace = await workspaces.create(database, "bench", "Bench", "Europe/Berlin", "EUR")
            await leads(database, workspace, recipients)
            bench = Bench(database, workspace, mail.url, recipients, connections)
            print(
                f"{recipients:,} messages of {bench.size:,.0f} bytes, {connections} connections, {rounds} rounds, {os.cpu_count()} cores"
            )
            rates: dict[str, list[float]] = {"bare loop": [], "sender": []}
            for number in range(rounds + 1):
                found = {"bare loop": recipients / await bench.bare(), "sender": recipients / await bench.sender()}
                if number:  # the first round warms up
                    for name, rate in found.items():
                        rates[name].append(rate)
        finally:
            await database.close()
    return _report(rates["bare loop"], rates["sender"])


def _report(bare: Sequence[float], sender: Sequence[float]) -> bool:
    for name, found in (("bare loop", bare), ("sender", sender)):
        print(f"{name:<12}{median(found):>8,.0f} messages/s  [{min(found):>7,.0f} to {max(found):>7,.0f}]")
    ratios = [ours / its for ours, its in zip(sender, bare, strict=True)]
    reached = median(ratios) >= TARGET
    print(
        f"ratio {median(ratios):.2f}  [{min(ratios):.2f} to {max(ratios):.2f}]  (target {TARGET}: {'reached' if reached else 'MISSED'})"
    )
    return reached


def main(arguments: list[str]) -> int:
    """Exit code 0 if the target was reached."""
    options = argparse.ArgumentParser(
        "bench mailings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--recipients", type=int, default=3_000)
    options.add_argument("--connections", type=int, default=8)
    given = options.parse_args(arguments)
    configure_logging("WARNING")
    with server() as url:
        return 0 if asyncio.run(run(url, given.rounds, given.recipients, given.connections)) else 1
