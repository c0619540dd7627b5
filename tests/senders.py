"""Mailings to many, and workers that send them: processes of their own, which start in a moment and are killed.

    python -m tests.senders DATABASE_URL OPTIONS

loads what a worker needs and then follows orders, a line each: ``start`` forks a worker and answers its process id, ``kill PID``
ends one by SIGKILL and ``stop PID`` by SIGTERM, both answered with how it ended. Its workers end with it, however it ends.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import psutil  # type: ignore[import-untyped]
from sqlalchemy import text

from db.engine import Database
from db.queries.mailings import moving
from jobs.mailings.options import MailOptions
from jobs.mailings.sending import Sender
from jobs.mailings.starting import links_of

BASE = "https://mail.groundswell.example"
FROM = "Ada <ada@groundswell.example>"
SUBJECT = "News of {{ city }}"
HTML = (
    '<p>Hello {{ name | default("there") }}, this is new in {{ city }}.</p>'
    '<p><a href="https://shop.example/?who={{ key }}">The shop</a>, <a href="https://shop.example/new">what is new there</a></p>'
    '<p><a href="{{ unsubscribe_url }}">No more of this</a></p>'
)
_MAILING = """
WITH campaign AS (
  INSERT INTO campaigns (workspace_id, name, status, currency, created_by) VALUES (:workspace, 'News', 'DRAFT', 'EUR', 'ada') RETURNING id
), template AS (
  INSERT INTO email_templates (workspace_id, name, subject, html, created_by)
  VALUES (:workspace, 'News', :subject, :html, 'ada') RETURNING id
)
INSERT INTO mailings (workspace_id, campaign_id, template_id, name, from_address, status, created_by)
SELECT :workspace, campaign.id, template.id, 'News', :sender, 'DRAFT', 'ada' FROM campaign, template RETURNING id
"""
_LEADS = """
INSERT INTO leads (workspace_id, key, email, address, name, attributes)
SELECT :workspace, 'lead-' || n, mail, mail, CASE WHEN n % 5 > 0 THEN 'Lead ' || n END, '{"city": "Bremen"}'
FROM (SELECT n, (CAST(:begin AS text[]))[1 + n % cardinality(CAST(:begin AS text[]))] || n || '@news.example' AS mail
      FROM generate_series(1, CAST(:count AS bigint)) AS n) AS made
"""
_RECIPIENTS = """
INSERT INTO recipients (workspace_id, mailing_id, lead_id, email_address, address)
SELECT workspace_id, :mailing, id, email, address FROM leads WHERE workspace_id = :workspace ORDER BY id
"""


async def leads(database: Database, workspace: int, count: int, begin: Sequence[str] = ("lead-",)) -> None:
    """So many new leads of Bremen, whose addresses begin in turn like these."""
    async with database.write(workspace) as transaction:
        await transaction.run(text(_LEADS), {"workspace": workspace, "begin": list(begin), "count": count})


async def draft(database: Database, workspace: int, html: str = HTML) -> int:
    """The id of a new mailing without recipients, in a campaign of its own."""
    values = {"workspace": workspace, "subject": SUBJECT, "html": html, "sender": FROM}
    async with database.write(workspace) as transaction:
        return int(await transaction.scalar(text(_MAILING), values))


async def mailing_to_all(database: Database, workspace: int, html: str = HTML) -> int:
    """The id of a new DRAFT to all leads of a workspace."""
    mailing = await draft(database, workspace, html)
    async with database.write(workspace) as transaction:
        await transaction.run(text(_RECIPIENTS), {"workspace": workspace, "mailing": mailing})
    return mailing


async def start(database: Database, workspace: int, mailing: int) -> None:
    """Starts a mailing."""
    async with database.write(workspace) as transaction:
        await moving.start(transaction, mailing, links_of)


class Workers:
    """Starts workers and ends them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()
        self._alive: set[int] = set()

    async def start(self) -> int:
        """The process id of a new worker."""
        worker = await self._order("start")
        self._alive.add(worker)
        return worker

    async def kill(self, worker: int) -> None:
        """Ends a worker where it stands."""
        self._alive.discard(worker)
        assert await self._order(f"kill {worker}") == -signal.SIGKILL

    async def stop(self, worker: int) -> None:
        """Lets a worker end what it is at."""
        self._alive.discard(worker)
        assert await self._order(f"stop {worker}") == 0

    def check(self) -> None:
        """No worker has ended by itself."""
        assert [one for one in self._alive if psutil.Process(one).status() == psutil.STATUS_ZOMBIE] == []

    async def _order(self, order: str) -> int:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        async with self._turn:
            stdin.write(f"{order}\n".encode())
            return int(await stdout.readline())


@asynccontextmanager
async def workers(database_url: str, mail_url: str, maildir: Path, **options: Any) -> AsyncIterator[Workers]:
    """Workers with these options; ``lease`` and ``first_retry`` are in seconds. They end with the block."""
    given = orjson.dumps({"smtp_url": mail_url, "maildir": str(maildir), **options}).decode()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, database_url, given, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[1]
    )
    try:
        yield Workers(process)
    finally:
        await process.communicate(b"")


def _follow_orders(url: str, options: MailOptions) -> None:
    # Workers read this: it ends when nobody can write to it any more, so when this process is gone.
    alive, held = os.pipe()
    for line in sys.stdin:
        order, *pid = line.split()
        if order == "start":
            worker = os.fork()
            if worker == 0:
                os.close(held)
                _work(url, options, alive)
            print(worker, flush=True)  # noqa: T201 - who ordered it reads it
        else:
            # A child's id is nobody else's before it was waited for.
            os.kill(int(pid[0]), signal.SIGKILL if order == "kill" else signal.SIGTERM)
            _, status = os.waitpid(int(pid[0]), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _work(url: str, options: MailOptions, alive: int) -> None:
    """Sends until it is told to stop. Never returns."""
    os.dup2(2, 1)  # what it logs is no answer
    try:
        asyncio.run(_send(url, options, alive))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


async def _send(url: str, options: MailOptions, alive: int) -> None:
    database = Database(url)
    sender = Sender(database, options, BASE)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, sender.stop)
    loop.add_reader(alive, os._exit, 2)
    try:
        await sender.run()
    finally:
        await database.close()


def _main() -> None:
    _, url, said = sys.argv
    given = orjson.loads(said)
    seconds = {name: timedelta(seconds=given.pop(name)) for name in ("lease", "first_retry") if name in given}
    _follow_orders(url, MailOptions(**given | seconds | {"maildir": Path(given["maildir"])}))


if __name__ == "__main__":
    _main()
