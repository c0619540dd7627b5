"""A mailing whose workers are killed again and again, whose mail server cuts connections, and which is paused in between.

What the mail server wrote down is compared with what the database says. MAIL_RECIPIENTS=20000 sends to more, MAIL_SEED=7 kills at
other moments.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from db.errors import Refused
from db.models.email_words import MailingStatus, RecipientStatus
from db.models.mailings import COUNTERS, STATUS_COUNTS
from db.queries.mailings import moving
from jobs.mailings.keys import tokens_of
from jobs.mailings.tokens import Kind
from tests.mail import Faults, Journalled, mail_process
from tests.senders import Workers, leads, mailing_to_all, start, workers

RECIPIENTS = int(os.environ.get("MAIL_RECIPIENTS", "2000"))
SEED = int(os.environ.get("MAIL_SEED", "1"))
WORKERS, CONNECTIONS = 3, 4
LIFE = 50 + RECIPIENTS // 20
"""Messages that all workers together send, at most, from a worker's begin to its end."""
LINE = 250
"""Bytes of a line of the journal, about."""
OPTIONS = {"connections": CONNECTIONS, "claim": 20, "lease": 2, "first_retry": 0.2, "poll": 0.05, "timeout": 5}
FAULTS = Faults(temporary=1, cut_before=97, cut_after=89)
PLAIN = "lead-"
BEGIN = (*[PLAIN] * 46, "bounce-550-lead-", "temporary-451-lead-", "content-554-lead-", "suppressed-lead-")
_S = RecipientStatus
MAY_END = {
    PLAIN: {_S.SENT, _S.UNCERTAIN},
    "temporary": {_S.SENT, _S.UNCERTAIN},
    "bounce": {_S.BOUNCED, _S.UNCERTAIN},
    "content": {_S.FAILED, _S.UNCERTAIN},
    "suppressed": {_S.FAILED},
}
_SUPPRESS = """
INSERT INTO suppressions (workspace_id, address, reason, since)
SELECT workspace_id, address, 'UNSUBSCRIBED', now() FROM recipients
WHERE workspace_id = :workspace AND mailing_id = :mailing AND {which} ON CONFLICT DO NOTHING RETURNING address
"""
_JUST_CLAIMED = """
id = ANY (ARRAY(SELECT id FROM recipients WHERE mailing_id = :mailing AND status = 'QUEUED' AND intent_at IS NULL
  ORDER BY claimed_until DESC, id LIMIT 20))
"""
_AT_WORK = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active'
AND pid <> pg_backend_pid() AND query_start < :moment
"""


@dataclass
class History:
    """What was done to a mailing."""

    kills: int = 0
    paused: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when to when it certainly was."""
    suppressed: dict[str, datetime] = field(default_factory=dict)
    """By address: since when it certainly was."""


@dataclass(frozen=True)
class Torture:
    """Done to one mailing."""

    database: Database
    workspace: int
    mailing: int
    journal: Path
    rng: random.Random
    history: History = field(default_factory=History)

    async def lives(self, workers: Workers, ended: asyncio.Event) -> None:
        """One worker after another, each killed at some moment, until the mailing has ended; the last may stop."""
        while not ended.is_set():
            worker = await workers.start()
            await self.some_were_taken(LIFE, ended)
            if ended.is_set():
                await workers.stop(worker)
            else:
                await workers.kill(worker)
                self.history.kills += 1

    async def some_were_taken(self, most: int, ended: asyncio.Event) -> None:
        """Returns once the mail server has taken so many more messages at most, by anybody, or the mailing has ended.

        A worker's life is measured by that and not by time: on a slow machine, too, some of it is left for work.
        """
        enough = self.taken() + self.rng.randrange(most * LINE)
        while self.taken() < enough and not ended.is_set():  # noqa: ASYNC110 - another process writes the file
            await asyncio.sleep(0.005)

    def taken(self) -> int:
        """Bytes of the mail server's journal."""
        return self.journal.stat().st_size

    async def disturbances(self, ended: asyncio.Event) -> None:
        """Suppresses addresses just before something is sent to them; pauses the mailing and lets it go on."""
        while not ended.is_set():
            await self.some_were_taken(RECIPIENTS // 10, ended)
            addresses = await self.suppress(_JUST_CLAIMED)
            self.history.suppressed |= dict.fromkeys(addresses, await self.known())
            await self.some_were_taken(RECIPIENTS // 10, ended)
            try:
                async with self.database.write(self.workspace) as transaction:
                    await moving.pause(transaction, self.mailing)
            except Refused:
                return  # it is COMPLETED
            since = await self.now()
            await asyncio.sleep(self.rng.uniform(0, 0.3))
            until = await self.now()
            self.history.paused.append((since, until))
            async with self.database.write(self.workspace) as transaction:
                await moving.resume(transaction, self.mailing)

    async def suppress(self, which: str) -> list[str]:
        """Suppresses some recipients' addresses, and answers them."""
        async with self.database.write(self.workspace) as transaction:
            given = {"workspace": self.workspace, "mailing": self.mailing}
            return [row.address for row in await transaction.rows(text(_SUPPRESS.format(which=which)), given)]

    async def now(self) -> datetime:
        """The database's time."""
        async with self.database.engine.connect() as connection:
            now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            return now

    async def known(self) -> datetime:
        """Since when all statements certainly see what was committed before."""
        moment = await self.now()
        while await self.rows(_AT_WORK, moment=moment):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return await self.now()

    async def ended(self, workers: Workers) -> None:
        """Returns once the mailing is COMPLETED."""
        while await self.status() != MailingStatus.COMPLETED:
            workers.check()
            await asyncio.sleep(0.05)

    async def status(self) -> str:
        """The mailing's."""
        [row] = await self.rows("SELECT status FROM mailings WHERE id = :mailing")
        return str(row.status)

    async def rows(self, sql: str, **given: Any) -> Sequence[Any]:
        """Rows of this mailing, past row-level security."""
        async with self.database.engine.connect() as connection:
            return (await connection.execute(text(sql), {"mailing": self.mailing, **given})).all()


@pytest.mark.timeout(60 + RECIPIENTS // 20)
async def test_nobody_gets_a_mail_twice_and_nobody_is_forgotten(
    database_url: str, database: Database, workspace: int, tmp_path: Path
) -> None:
    await leads(database, workspace, RECIPIENTS, BEGIN)
    mailing = await mailing_to_all(database, workspace)
    torture = Torture(database, workspace, mailing, tmp_path / "journal", random.Random(SEED))
    await torture.suppress("address LIKE 'suppressed-%'")
    await start(database, workspace, mailing)
    async with (
        mail_process(torture.journal, FAULTS) as mail,
        workers(database_url, mail.url, tmp_path / "mail", **OPTIONS) as started,
    ):
        await _tortured(torture, started)
        cuts, journal = await mail.cuts(), mail.journal()
    history = torture.history
    recipients = await torture.rows("SELECT * FROM recipients WHERE mailing_id = :mailing")
    counts = Counter(row.status for row in recipients)
    print(f"\nseed {SEED}: {history.kills} kills, {cuts} cuts, {len(history.paused)} pauses, {dict(counts)}")  # noqa: T201
    assert len(recipients) == RECIPIENTS
    assert history.kills > 0
    assert history.paused != []
    assert history.suppressed != {}
    # Of each connection that a killed worker had: one message under way, and the intent of the next.
    assert counts[_S.UNCERTAIN] <= history.kills * CONNECTIONS * 2 + cuts
    _check_journal(journal, recipients)
    _check_statuses(recipients, history)
    await _check_tokens(database, workspace, journal, recipients)
    await _check_numbers(torture, recipients)


async def _tortured(torture: Torture, started: Workers) -> None:
    """Until the mailing is COMPLETED."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WORKERS):
            tasks.create_task(torture.lives(started, ended))
        tasks.create_task(torture.disturbances(ended))
        await torture.ended(started)
        ended.set()


def _check_journal(journal: Sequence[Journalled], recipients: Sequence[Any]) -> None:
    """The mail server took a mail for everybody once, or never; the database knows it, or knows that it does not."""
    taken = Counter(one.recipient for one in journal)
    assert {address: count for address, count in taken.items() if count > 1} == {}
    status = {row.email_address: row.status for row in recipients}
    assert [address for address in taken if status[address] not in (_S.SENT, _S.UNCERTAIN)] == []
    assert [address for address, its in status.items() if its == _S.SENT and address not in taken] == []


def _check_statuses(recipients: Sequence[Any], history: History) -> None:
    """Everybody ended as the address says; who was suppressed, and while the mailing was paused, nothing was begun."""
    unsuppressed = [row for row in recipients if not row.is_suppressed]
    assert [
        (row.email_address, row.status)
        for row in unsuppressed
        if row.status not in MAY_END[PLAIN if row.email_address.startswith(PLAIN) else row.email_address.split("-")[0]]
    ] == []
    assert [row.id for row in recipients if row.is_suppressed and (row.intent_at or row.status != _S.FAILED)] == []
    assert [
        row.id
        for row in unsuppressed
        if row.address in history.suppressed and row.intent_at > history.suppressed[row.address]
    ] == []
    assert [
        row.id
        for row in recipients
        for since, until in history.paused
        if row.intent_at and since < row.intent_at < until
    ] == []
    assert [row.id for row in recipients if row.claimed_by is not None] == []


async def _check_tokens(
    database: Database, workspace: int, journal: Sequence[Journalled], recipients: Sequence[Any]
) -> None:
    """Each mail names its recipient, by its id and in its header."""
    tokens = await tokens_of(database)
    ids = {row.email_address: row.id for row in recipients}
    for one in journal:
        token = tokens.recipient_of(one.message_id)
        assert token is not None
        assert (token.workspace_id, token.recipient_id) == (workspace, ids[one.recipient])
        assert tokens.read(one.token, Kind.RECIPIENT) == token


async def _check_numbers(torture: Torture, recipients: Sequence[Any]) -> None:
    """What was counted is what there is."""
    sums = ", ".join(f"sum({name})::int AS {name}" for name in COUNTERS)
    [counted] = await torture.rows(f"SELECT {sums} FROM mailing_totals WHERE mailing_id = :mailing")
    there = dict.fromkeys(COUNTERS, 0)
    for row in recipients:
        there[STATUS_COUNTS[_S(row.status)]] += 1
        there["suppressed"] += row.is_suppressed
        there["unopened"] += row.sent_at is not None and row.bounced_at is None
        for name in ("sent", "bounced", "failed"):
            there[name] += getattr(row, f"{name}_at") is not None
    assert counted._asdict() == there
    [bounces] = await torture.rows("SELECT count(*) FROM email_events WHERE mailing_id = :mailing AND type = 'BOUNCE'")
    assert bounces.count == there["bounced"]
